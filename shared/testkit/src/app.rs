//! The application under test.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::config::{CookieOrigins, Origins};
use api::{AppState, LogSink, Observer, RequestContext};
use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use domain::access_tokens::ops::{Creation, Draft};
use domain::access_tokens::{self, Scope, Scopes};
use domain::exports::Preparations;
use domain::files::changes::Retention;
use domain::files::{ChangeSignals, DirectoryCache, Downloads};
use domain::logins::{self, Lifetime, Login, SignedIn};
use domain::mail::outbox::Outbox;
use domain::password::Policy;
use domain::password::{Hasher, Password};
use domain::readiness::Readiness;
use domain::tenants::{self, Membership};
use domain::text::Name;
use domain::throttle::Rules;
use domain::usage::Quotas;
use domain::usage::rate::TenantRate;
use domain::users::ops::Registration;
use domain::users::profile::Uploads;
use domain::users::{self, Email};
use domain::{AccessTokenId, Clock as _, Env, IdGenerator, Limits, Role, SystemClock, SystemRng};
use http_body_util::BodyExt as _;
use jwt::{Secret, SigningKey, Subject, Tokens};
use kv::{Entry, Key, Order, Query, Range};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::actor::Actor;
use crate::client::{self, client};
use crate::clock::TestClock;
use crate::emails::mail_token;
use crate::log_line::check_request_log_line;
use crate::request::{Target, TestRequest};
use crate::response::TestResponse;
use crate::store::TestStore;

/// The function name in the metrics of the request log.
const FUNCTION: &str = "test";

/// A function's real router, called in this process, on a store that belongs to the test.
pub struct TestApp {
    /// The environment of operations, for tests below HTTP.
    pub env: Env,
    /// The application's clock.
    pub clock: Arc<TestClock>,
    app: api::App,
    tokens: Arc<Tokens>,
    /// The request log so far.
    log: Arc<Mutex<Vec<Value>>>,
    /// Removed with the app; `None` if the test opened the store itself.
    _store: Option<TestStore>,
}

impl TestApp {
    /// The client address of requests that do not set one (RFC 5737).
    pub const ADDRESS: IpAddr = client::ADDRESS;

    /// The origin of the deployment's own pages, which may use cookies.
    pub const ORIGIN: &str = "http://localhost:8080";

    /// Starts `router` on a new store, with every origin allowed.
    pub fn start(router: api::Router) -> Self {
        Self::with_origins(router, &Origins::Any)
    }

    /// Starts `router` on a new store, with changed limits.
    pub fn with_limits(router: api::Router, change: impl FnOnce(&mut Limits)) -> Self {
        Self::on_new_store(router, &Origins::Any, |env| change(&mut env.limits))
    }

    /// Starts `router` on a new store, in a changed environment.
    pub fn with_env(router: api::Router, change: impl FnOnce(&mut Env)) -> Self {
        Self::on_new_store(router, &Origins::Any, change)
    }

    /// Starts `router` on a store that the test has opened, in a changed environment.
    pub fn on_with_env(router: api::Router, db: kv::Db, change: impl FnOnce(&mut Env)) -> Self {
        Self::assemble(router, db, &Origins::Any, Self::token_settings(), change)
    }

    /// Starts `router` on a new store, with these allowed origins.
    pub fn with_origins(router: api::Router, origins: &Origins) -> Self {
        Self::on_new_store(router, origins, |_| {})
    }

    /// Starts `router` on a new store, with this policy for new passwords.
    pub fn with_password_policy(router: api::Router, passwords: Policy) -> Self {
        Self::with_limits(router, |limits| limits.passwords = passwords)
    }

    /// Starts `router` on a new store, in a deployment that sends no emails.
    pub fn without_outbox(router: api::Router) -> Self {
        Self::on_new_store(router, &Origins::Any, |env| env.outbox = Outbox::default())
    }

    /// Starts `router` on a store that the test has opened.
    pub fn on(router: api::Router, db: kv::Db) -> Self {
        Self::with_tokens(router, db, Self::token_settings())
    }

    /// Starts `router` on a store that the test has opened, with changed limits.
    pub fn on_with_limits(router: api::Router, db: kv::Db, change: impl FnOnce(&mut Limits)) -> Self {
        let settings = Self::token_settings();
        Self::assemble(router, db, &Origins::Any, settings, |env| change(&mut env.limits))
    }

    /// Starts `router` on a store that other processes use too. The app's clock starts at their time, so that they
    /// accept each other's logins and tokens.
    pub fn alongside_processes(router: api::Router, db: kv::Db) -> Self {
        let app = Self::on(router, db);
        app.clock.advance(SystemClock.now().since(app.clock.now()));
        app
    }

    /// Starts `router` on a store that the test has opened, with these token keys.
    pub fn with_tokens(router: api::Router, db: kv::Db, tokens: jwt::Settings) -> Self {
        Self::assemble(router, db, &Origins::Any, tokens, |_| {})
    }

    /// The default token settings.
    pub fn token_settings() -> jwt::Settings {
        let secret = Secret::new("a secret that only these tests sign with").expect("the secret is long enough");
        jwt::Settings {
            signing: Some(SigningKey::Hs256(secret)),
            verifying: Vec::new(),
            ttl: Duration::from_secs(86_400),
            issuer: "https://api.coditect.ai".into(),
            audience: "coditect-v5".into(),
        }
    }

    fn on_new_store(router: api::Router, origins: &Origins, change: impl FnOnce(&mut Env)) -> Self {
        let store = TestStore::new();
        let db = store.open();
        Self {
            _store: Some(store),
            ..Self::assemble(router, db, origins, Self::token_settings(), change)
        }
    }

    fn assemble(
        router: api::Router,
        db: kv::Db,
        origins: &Origins,
        tokens: jwt::Settings,
        change: impl FnOnce(&mut Env),
    ) -> Self {
        let clock = Arc::new(TestClock::default());
        let rng = Arc::new(SystemRng);
        let mut env = Env {
            db,
            clock: clock.clone(),
            ids: Arc::new(IdGenerator::new(clock.clone(), rng.clone())),
            hasher: Hasher::new(rng.clone()),
            rng,
            readiness: Readiness::default(),
            outbox: Outbox::open(),
            writes: TenantRate::default(),
            logins: TenantRate::default(),
            refreshes: TenantRate::default(),
            uploads: Uploads::default(),
            downloads: Downloads::default(),
            preparations: Preparations::default(),
            directories: DirectoryCache::default(),
            file_changes: ChangeSignals::default(),
            objects: None,
            limits: Limits {
                login: Lifetime {
                    idle: Duration::from_secs(30 * 86_400),
                    absolute: Duration::from_secs(90 * 86_400),
                },
                throttle: Some(Rules::default()),
                // The app's clock stands still, so that a bucket of writes would never fill again.
                quotas: Some(Quotas {
                    writes_per_second: 1_000_000,
                    logins_per_day: 1_000_000,
                    ..Quotas::default()
                }),
                audit_retention: Duration::from_secs(365 * 86_400),
                file_changes: Retention::default(),
                deletion_delay: Duration::from_secs(14 * 86_400),
                passwords: Policy::BASIC,
                requires_verified_email: false,
            },
        };
        change(&mut env);
        let tokens = Arc::new(Tokens::new(tokens));
        let cookie_origins = CookieOrigins::new(Some(Self::ORIGIN), origins);
        let state = AppState::new(env.clone(), tokens.clone(), cookie_origins);
        let log: Arc<Mutex<Vec<Value>>> = Arc::default();
        let received = log.clone();
        let sink = LogSink::from_fn(move |line| {
            let line = serde_json::from_slice(line).expect("a log line is JSON");
            if let Err(violation) = check_request_log_line(&line, Some(FUNCTION)) {
                panic!("invalid request log line: {violation}\n{line}");
            }
            locked(&received).push(line);
        });
        Self {
            env,
            clock,
            app: api::app(router, state, origins, Observer::with_embedded_metrics(sink, FUNCTION)),
            tokens,
            log,
            _store: None,
        }
    }

    /// The log lines of all requests so far, in the order in which the requests finished.
    pub fn log_lines(&self) -> Vec<Value> {
        locked(&self.log).clone()
    }

    /// The log line of the request with this response.
    ///
    /// # Panics
    /// Unless the request has exactly one log line.
    pub fn log_line(&self, response: &TestResponse) -> Value {
        let id = response
            .header("x-request-id")
            .expect("every response has a request id");
        let mut lines = self.log_lines();
        lines.retain(|line| line["request_id"] == id);
        assert_eq!(lines.len(), 1, "a request has one log line: {lines:?}");
        lines.remove(0)
    }

    /// Registers an account below HTTP, with the password `password123`, which no policy checks here.
    pub async fn register(&self, email: &str) -> Actor {
        let registration = Registration {
            email: Email::parse(email).expect("the test's email is valid"),
            password: Password::claimed("password123").expect("the password is short enough"),
            first_name: None,
            last_name: None,
            company: None,
        };
        let signed_in = users::ops::register(&self.env, &client(), registration, None)
            .await
            .expect("the account is created")
            .into_inner();
        self.actor(signed_in)
    }

    /// Opens another login of the actor's user in the same tenant, below HTTP and without the password.
    pub async fn sign_in(&self, actor: &Actor) -> Actor {
        let SignedIn { user, tenant, .. } = &actor.signed_in;
        let at = self.clock.now();
        let (login, refresh_token) = Login::open(&self.env, user.id, tenant.id, &client(), at);
        let new = &login;
        let add = self.env.db.run(|txn| async move { logins::store::add(&txn, new) });
        add.await.expect("the login is stored");
        self.actor(SignedIn {
            login,
            refresh_token,
            at,
            ..actor.signed_in.clone()
        })
    }

    /// Makes `guest` a member of `host`'s tenant with this role, and signs `guest` in there.
    ///
    /// No endpoint does this yet.
    pub async fn add_member(&self, guest: &Actor, host: &Actor, role: Role) -> Actor {
        let tenant = host.signed_in.tenant.clone();
        let membership = Membership {
            tenant: tenant.id,
            role,
            ..guest.signed_in.membership.clone()
        };
        let key = tenants::keys::membership(membership.user, membership.tenant);
        let value = domain::record::encode(&membership).expect("a membership is encodable");
        let (key, value) = (&key, &value);
        let write = self.env.db.run(|txn| async move { txn.set(key, value) });
        write.await.expect("the membership is stored");
        let member = SignedIn {
            tenant,
            membership,
            ..guest.signed_in.clone()
        };
        self.sign_in(&self.actor(member)).await
    }

    /// Creates a personal access token of the actor for their tenant, below HTTP. It expires after `lifetime`. Returns
    /// its id, and the token.
    pub async fn access_token(
        &self,
        actor: &Actor,
        scopes: impl IntoIterator<Item = Scope>,
        lifetime: Duration,
    ) -> (AccessTokenId, String) {
        let draft = Draft {
            name: Name::parse("a token").expect("the name is valid"),
            scopes: Scopes::new(scopes).expect("the token has a scope"),
            tenant: Some(actor.signed_in.tenant.id),
            expires_at: Some(self.clock.now().plus(lifetime)),
        };
        let created = access_tokens::ops::create(&self.env, &actor.caller(), draft, None).await;
        match created.expect("the token is created") {
            Creation::Fresh(token, text) => (token.id, text.reveal().to_owned()),
            Creation::Replayed(_) => unreachable!("the request has no idempotency key"),
        }
    }

    /// The token in the newest email of this type to this address that waits in the store.
    ///
    /// # Panics
    /// If there is no such email.
    pub async fn mail_token(&self, to: &str, kind: &str) -> String {
        mail_token(&self.env.db, to, kind).await
    }

    /// All entries of the store in key order, including the commit markers of engines that write them.
    pub async fn all_entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut next = Some(Query {
            range: Range::below(&Key::of(&())),
            order: Order::Ascending,
            limit: 1000,
        });
        while let Some(query) = &next {
            let page = self.env.db.run(|txn| async move { txn.range(query).await });
            let page = page.await.expect("the store is readable");
            entries.extend(page.entries);
            next = page.next;
        }
        entries
    }

    /// The actor with this login, which an operation below HTTP has returned.
    pub fn actor(&self, signed_in: SignedIn) -> Actor {
        let lifetime = signed_in.login.expires_at.since(signed_in.at).as_secs();
        let mut actor = Actor {
            token: String::new(),
            signed_in,
        };
        (actor.token, _) = self.token(&actor, i64::try_from(lifetime).expect("the lifetime fits into 63 bits"));
        actor
    }

    /// Refreshes the actor's tokens below HTTP.
    pub async fn refresh(&self, actor: &Actor) -> Actor {
        let refreshed = logins::ops::refresh(&self.env, &client(), &actor.signed_in.refresh_token).await;
        self.actor(refreshed.expect("the login has not ended"))
    }

    /// Signs an access token for the actor's login, issued at sign-in, with a lifetime of at most this many seconds.
    pub fn token(&self, actor: &Actor, seconds: i64) -> (String, jwt::Claims<'_>) {
        let signed_in = &actor.signed_in;
        let at = signed_in.at.as_seconds();
        let subject = Subject {
            user: signed_in.user.id.uuid(),
            tenant: signed_in.tenant.id.uuid(),
            login: signed_in.login.id.uuid(),
            email: signed_in.user.email.to_string(),
            token: self.env.ids.next::<domain::TokenId>().uuid(),
            not_after: at + seconds,
        };
        self.tokens.sign(subject, at).expect("signing succeeds")
    }
}

impl TestApp {
    /// Sends a request. Returns the response before its body is read, unchecked.
    async fn begin(&self, mut request: Request<Body>) -> Response<Body> {
        request
            .extensions_mut()
            .get_or_insert_with(|| RequestContext::from_client(Self::ADDRESS));
        let response = self.app.clone().oneshot(request).await;
        response.expect("the router always responds").map(Body::new)
    }
}

impl TestRequest<'_, TestApp> {
    /// Sends the request, and returns the response before its body is read. It is not checked.
    pub async fn send_unread(self) -> Response<Body> {
        let (app, request) = self.into_parts();
        app.begin(request).await
    }

    /// Sets the client address, as a front door does.
    ///
    /// A request to another process has the address of its connection instead.
    #[must_use]
    pub fn from_address(self, address: &str) -> Self {
        let address = address.parse().expect("the test's address is valid");
        self.extension(RequestContext::from_client(address))
    }
}

impl Target for TestApp {
    async fn exchange(&self, request: Request<Body>) -> Response<Bytes> {
        let (parts, body) = self.begin(request).await.into_parts();
        Response::from_parts(parts, body.collect().await.expect("the body arrives").to_bytes())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
