//! The application under test.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use api::config::Origins;
use api::{AppState, SourceAddress};
use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use domain::env::{Env, Ids, Limits, SystemRng};
use domain::logins::Lifetime;
use domain::secret::{Hasher, Password};
use domain::users::ops::Registration;
use domain::users::{self, Email};
use domain::{Address, Client};
use http_body_util::BodyExt as _;
use jwt::{Secret, Subject, Tokens};
use tower::ServiceExt as _;

use crate::actor::Actor;
use crate::clock::TestClock;
use crate::request::Target;
use crate::store::TestStore;

/// A function's real router on a store of its own.
pub struct TestApp {
    /// What operations run on, for tests that look below HTTP.
    pub env: Env,
    /// Time, as the application sees it.
    pub clock: Arc<TestClock>,
    app: axum::Router,
    tokens: Arc<Tokens>,
    /// None if the store is the caller's.
    _store: Option<TestStore>,
}

impl TestApp {
    /// Where requests come from that do not say it (RFC 5737).
    pub const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));

    /// Starts `router` with every origin allowed.
    pub fn start(router: api::Router) -> Self {
        Self::with_origins(router, &Origins::Any)
    }

    /// Starts `router` for browsers from these origins.
    pub fn with_origins(router: api::Router, origins: &Origins) -> Self {
        let store = TestStore::new();
        let db = store.open();
        Self {
            _store: Some(store),
            ..Self::assemble(router, db, origins)
        }
    }

    /// Starts `router` on a store that the caller has opened.
    pub fn on(router: api::Router, db: kv::Db) -> Self {
        Self::assemble(router, db, &Origins::Any)
    }

    fn assemble(router: api::Router, db: kv::Db, origins: &Origins) -> Self {
        let clock = Arc::new(TestClock::default());
        let rng = Arc::new(SystemRng);
        let env = Env {
            db,
            clock: clock.clone(),
            ids: Arc::new(Ids::new(clock.clone(), rng.clone())),
            hasher: Hasher::new(rng.clone()),
            rng,
            limits: Limits {
                password_min_length: 8,
                login: Lifetime {
                    idle: Duration::from_secs(30 * 86_400),
                    absolute: Duration::from_secs(90 * 86_400),
                },
            },
        };
        let tokens = Arc::new(Tokens::new(jwt::Settings {
            secret: Secret::new("a secret that only these tests sign with").expect("it is long enough"),
            previous: None,
            ttl: Duration::from_secs(86_400),
            issuer: "https://api.coditect.ai".into(),
            audience: "coditect-v5".into(),
        }));
        let state = AppState {
            env: env.clone(),
            tokens: tokens.clone(),
        };
        Self {
            env,
            clock,
            app: api::app(router, state, origins),
            tokens,
            _store: None,
        }
    }

    /// Registers an account, below HTTP, with the password `password123`.
    pub async fn register(&self, email: &str) -> Actor {
        let registration = Registration {
            email: Email::parse(email).expect("the test's address is one"),
            password: Password::chosen("password123", 8).expect("it is long enough"),
            first_name: None,
            last_name: None,
            company: None,
        };
        let signed_in = users::ops::register(&self.env, &client(), registration)
            .await
            .expect("the account is made");
        let subject = Subject {
            user: signed_in.user.id.uuid(),
            tenant: signed_in.tenant.id.uuid(),
            login: signed_in.login.id.uuid(),
            email: email.to_owned(),
            token: self.env.ids.next::<domain::TokenId>().uuid(),
            not_after: signed_in.login.expires_at.as_seconds(),
        };
        let (token, _) = self
            .tokens
            .sign(subject, signed_in.at.as_seconds())
            .expect("tokens can be signed");
        Actor { token, signed_in }
    }
}

/// Who sends what does not say where it comes from.
pub(crate) fn client() -> Client {
    Client {
        address: Some(Address::new(TestApp::ADDRESS)),
        ..Client::default()
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
