//! The application under test.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::config::Origins;
use api::{AppState, Lines, Observer, SourceAddress};
use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use domain::logins::{self, Lifetime, Login, SignedIn};
use domain::password::Policy;
use domain::password::{Hasher, Password};
use domain::tenants::{self, Membership};
use domain::throttle::Rules;
use domain::users::ops::Registration;
use domain::users::{self, Email};
use domain::{Clock as _, Env, IdGenerator, Limits, Role, SystemRng};
use http_body_util::BodyExt as _;
use jwt::{Secret, SigningKey, Subject, Tokens};
use kv::{Entry, Key, Order, Query, Range};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::actor::Actor;
use crate::client::{self, client};
use crate::clock::TestClock;
use crate::log_line::check_request_log_line;
use crate::request::{Target, TestRequest};
use crate::response::TestResponse;
use crate::store::TestStore;

/// A function's real router on a store of its own.
pub struct TestApp {
    /// What operations run on, for tests that look below HTTP.
    pub env: Env,
    /// Time, as the application sees it.
    pub clock: Arc<TestClock>,
    app: api::App,
    tokens: Arc<Tokens>,
    /// The line of every request so far.
    lines: Arc<Mutex<Vec<Value>>>,
    /// None if the store is the caller's.
    _store: Option<TestStore>,
}

impl TestApp {
    /// Where requests come from that do not say it (RFC 5737).
    pub const ADDRESS: IpAddr = client::ADDRESS;

    /// Starts `router` with every origin allowed.
    pub fn start(router: api::Router) -> Self {
        Self::with_origins(router, &Origins::Any)
    }

    /// Starts `router` under other limits than those that hold by default.
    pub fn with_limits(router: api::Router, change: impl FnOnce(&mut Limits)) -> Self {
        Self::alone(router, &Origins::Any, change)
    }

    /// Starts `router` for browsers from these origins.
    pub fn with_origins(router: api::Router, origins: &Origins) -> Self {
        Self::alone(router, origins, |_| {})
    }

    /// Starts `router` with this policy for new passwords.
    pub fn with_password_policy(router: api::Router, passwords: Policy) -> Self {
        Self::with_limits(router, |limits| limits.passwords = passwords)
    }

    /// Starts `router` on a store that the caller has opened.
    pub fn on(router: api::Router, db: kv::Db) -> Self {
        Self::with_tokens(router, db, Self::token_settings())
    }

    /// Starts `router` on a store that programs use too, by whose clock it is years later: logins that are opened here, and their tokens,
    /// last that long.
    pub fn alongside_processes(router: api::Router, db: kv::Db) -> Self {
        const DECADES: Duration = Duration::from_secs(100 * 365 * 86_400);
        let tokens = jwt::Settings {
            ttl: DECADES,
            ..Self::token_settings()
        };
        let mut app = Self::with_tokens(router, db, tokens);
        app.env.limits.login = Lifetime {
            idle: DECADES,
            absolute: DECADES,
        };
        app
    }

    /// Starts `router` on a store that the caller has opened, with these keys for its tokens.
    pub fn with_tokens(router: api::Router, db: kv::Db, tokens: jwt::Settings) -> Self {
        Self::assemble(router, db, &Origins::Any, tokens, |_| {})
    }

    /// How tokens are made where a test does not say it.
    pub fn token_settings() -> jwt::Settings {
        let secret = Secret::new("a secret that only these tests sign with").expect("it is long enough");
        jwt::Settings {
            signing: Some(SigningKey::Hs256(secret)),
            verifying: Vec::new(),
            ttl: Duration::from_secs(86_400),
            issuer: "https://api.coditect.ai".into(),
            audience: "coditect-v5".into(),
        }
    }

    fn alone(router: api::Router, origins: &Origins, change: impl FnOnce(&mut Limits)) -> Self {
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
        change: impl FnOnce(&mut Limits),
    ) -> Self {
        let clock = Arc::new(TestClock::default());
        let rng = Arc::new(SystemRng);
        let mut env = Env {
            db,
            clock: clock.clone(),
            ids: Arc::new(IdGenerator::new(clock.clone(), rng.clone())),
            hasher: Hasher::new(rng.clone()),
            rng,
            limits: Limits {
                login: Lifetime {
                    idle: Duration::from_secs(30 * 86_400),
                    absolute: Duration::from_secs(90 * 86_400),
                },
                throttle: Some(Rules::default()),
                passwords: Policy::BASIC,
            },
        };
        change(&mut env.limits);
        let tokens = Arc::new(Tokens::new(tokens));
        let state = AppState::new(env.clone(), tokens.clone());
        let lines: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = lines.clone();
        let keep = Lines::to(move |line| {
            let line = serde_json::from_slice(line).expect("every line is JSON");
            if let Err(why) = check_request_log_line(&line, Some(FUNCTION)) {
                panic!("the line of a request is not what it has to be: {why}\n{line}");
            }
            locked(&kept).push(line);
        });
        Self {
            env,
            clock,
            app: api::app(router, state, origins, Observer::embedding(keep, FUNCTION)),
            tokens,
            lines,
            _store: None,
        }
    }

    /// The lines of all requests so far, in the order in which they have ended.
    pub fn log_lines(&self) -> Vec<Value> {
        locked(&self.lines).clone()
    }

    /// The line of the request that was answered so.
    ///
    /// # Panics
    /// If it has none, or another one as well.
    pub fn log_line(&self, answer: &TestResponse) -> Value {
        let id = answer.header("x-request-id").expect("every answer has an id");
        let mut lines = self.log_lines();
        lines.retain(|line| line["request_id"] == id);
        assert_eq!(lines.len(), 1, "one request, one line: {lines:?}");
        lines.remove(0)
    }

    /// Registers an account, below HTTP, with the password `password123`, whatever the policy says of it.
    pub async fn register(&self, email: &str) -> Actor {
        let registration = Registration {
            email: Email::parse(email).expect("the test's address is one"),
            password: Password::claimed("password123").expect("it is short enough"),
            first_name: None,
            last_name: None,
            company: None,
        };
        let signed_in = users::ops::register(&self.env, &client(), registration, None)
            .await
            .expect("the account is made")
            .into_inner();
        self.actor(signed_in)
    }

    /// The same person on another device, in the same tenant: another login, opened below HTTP and without the password.
    pub async fn sign_in(&self, actor: &Actor) -> Actor {
        let SignedIn { user, tenant, .. } = &actor.signed_in;
        let at = self.clock.now();
        let (login, refresh_token) = Login::open(&self.env, user.id, tenant.id, &client(), at);
        let new = &login;
        let added = self.env.db.run(|txn| async move { logins::store::add(&txn, new) });
        added.await.expect("the login is stored");
        self.actor(SignedIn {
            login,
            refresh_token,
            at,
            ..actor.signed_in.clone()
        })
    }

    /// Gives `guest` a place in `host`'s tenant, as organisations will one day, and signs them in there.
    pub async fn add_member(&self, guest: &Actor, host: &Actor, role: Role) -> Actor {
        let tenant = host.signed_in.tenant.clone();
        let membership = Membership {
            tenant: tenant.id,
            role,
            ..guest.signed_in.membership.clone()
        };
        let key = tenants::keys::membership(membership.user, membership.tenant);
        let value = domain::record::encode(&membership).expect("a membership can be written");
        let (key, value) = (&key, &value);
        let written = self.env.db.run(|txn| async move { txn.set(key, value) });
        written.await.expect("the membership is stored");
        let there = SignedIn {
            tenant,
            membership,
            ..guest.signed_in.clone()
        };
        self.sign_in(&self.actor(there)).await
    }

    /// Everything in the store, in the order of the keys: with the engine's own markers, where it keeps some.
    pub async fn all_entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut next = Some(Query {
            range: Range::below(&Key::of(&())),
            order: Order::Ascending,
            limit: 1000,
        });
        while let Some(query) = &next {
            let page = self.env.db.run(|txn| async move { txn.range(query).await });
            let page = page.await.expect("the store can be read");
            entries.extend(page.entries);
            next = page.next;
        }
        entries
    }

    fn actor(&self, signed_in: SignedIn) -> Actor {
        let lasts = signed_in.login.expires_at.since(signed_in.at).as_secs();
        let mut actor = Actor {
            token: String::new(),
            signed_in,
        };
        (actor.token, _) = self.token(&actor, i64::try_from(lasts).expect("a login lasts for years at most"));
        actor
    }

    /// The actor with new tokens for their old ones, below HTTP.
    pub async fn refresh(&self, actor: &Actor) -> Actor {
        let refreshed = logins::ops::refresh(&self.env, &client(), &actor.signed_in.refresh_token).await;
        self.actor(refreshed.expect("the login is alive"))
    }

    /// An access token of the actor's login, made when they signed in, that lasts for at most so many seconds.
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
        self.tokens.sign(subject, at).expect("tokens can be signed")
    }
}

/// What the function is called whose metrics the lines have.
const FUNCTION: &str = "test";

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TestRequest<'_, TestApp> {
    /// From this address, as a server would say it. Another process sees for itself where a request comes from, so its requests do
    /// not have this.
    #[must_use]
    pub fn from_address(self, address: &str) -> Self {
        let address = address.parse().expect("the test's address is one");
        self.extension(SourceAddress(address))
    }
}

impl Target for TestApp {
    /// Says like a server where the request comes from.
    async fn exchange(&self, mut request: Request<Body>) -> Response<Bytes> {
        request.extensions_mut().get_or_insert(SourceAddress(Self::ADDRESS));
        let response = self
            .app
            .clone()
            .oneshot(request)
            .await
            .expect("the router always answers");
        let (parts, body) = response.into_parts();
        Response::from_parts(parts, body.collect().await.expect("the body arrives").to_bytes())
    }
}
