//! A tenant with actors and tokens of every kind, on a store whose contents can be compared.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, header};
use domain::access_tokens::{self, Scope};
use domain::logins::{self, Login};
use domain::operator::{self, Operator, UserName};
use domain::sessions::{self, Draft, WorkspacePath};
use domain::text::Name;
use domain::{Role, TokenId};
use kv::Entry;
use kv::faulty::{Latency, Plan};
use testkit::{Actor, Content, Target as _, TestApp, TestResponse, TestStore, picture};

use crate::operations::{Operation, Person, Resource, avatar_of, file_resource, token_of};

/// The tokens that must not give access to the tenant.
#[derive(Clone, Copy, Debug)]
pub enum Token {
    None,
    /// Not signed by the application.
    Junk,
    /// Expired; its login is alive.
    Expired,
    /// Not expired; its login was logged out.
    LoggedOut,
    /// Not expired; its login has reached its own expiry.
    LoginExpired,
    /// Not expired, of a live login; its user is no longer a member of the tenant.
    FormerMember,
    /// Not expired, of a live login; an operator has suspended its user.
    Suspended,
    /// A personal access token whose checksum is wrong.
    MalformedPersonal,
    /// A personal access token with a scope that no operation requires.
    Unscoped,
    /// An expired personal access token with every scope.
    ExpiredPersonal,
    /// A revoked personal access token with every scope.
    RevokedPersonal,
    /// A personal access token with every scope; its user is no longer a member of the tenant.
    FormerMemberPersonal,
    /// A personal access token with every scope; an operator has suspended its user.
    SuspendedPersonal,
}

pub const TOKENS: [Token; 13] = [
    Token::None,
    Token::Junk,
    Token::Expired,
    Token::LoggedOut,
    Token::LoginExpired,
    Token::FormerMember,
    Token::Suspended,
    Token::MalformedPersonal,
    Token::Unscoped,
    Token::ExpiredPersonal,
    Token::RevokedPersonal,
    Token::FormerMemberPersonal,
    Token::SuspendedPersonal,
];

/// The lifetime of the personal access tokens that do not expire during a test.
pub const LONG: Duration = Duration::from_hours(24);

pub struct Fixture {
    pub app: TestApp,
    _store: TestStore,
    /// The owner of the tenant.
    pub alice: Actor,
    member: Actor,
    viewer: Actor,
    /// The owner of another tenant.
    pub bob: Actor,
    /// Alice with an expired token.
    expired: Actor,
    /// Alice with the token of a login that was logged out.
    pub logged_out: Actor,
    /// Alice with the token of an expired login.
    pub login_expired: Actor,
    /// A user who was a member.
    pub former_member: Actor,
    /// A suspended owner of the tenant. The suspension has ended their logins, so this one was added below HTTP: what
    /// rejects it is the suspension.
    pub suspended: Actor,
    personal: PersonalTokens,
}

/// Personal access tokens that must not give access.
struct PersonalTokens {
    malformed: String,
    unscoped: String,
    expired: String,
    revoked: String,
    of_former_member: String,
    of_suspended: String,
}

#[derive(Clone, Copy, Debug)]
pub struct RequestCase<'a> {
    pub method: &'a Method,
    pub path: &'a str,
    pub bearer: Option<&'a str>,
    pub body: Option<&'a Content>,
}

pub struct Observed {
    pub response: TestResponse,
    /// The headers and the body, without the request id, for comparison.
    pub bytes: String,
}

impl Fixture {
    pub async fn new() -> Self {
        Box::pin(Self::build()).await
    }

    async fn build() -> Self {
        // With latency, the work that an operation does concurrently with its permission check proceeds as far as it
        // can.
        let plan = Plan {
            latency: Latency::of(Duration::from_micros(1)),
            ..Plan::default()
        };
        let store = TestStore::new();
        let app = TestApp::on(gateway::router(), store.open().with_faults(plan));

        let alice = app.register("alice@example.com").await;
        let logged_out = app.sign_in(&alice).await;
        logins::ops::log_out(&app.env, &logged_out.caller()).await.unwrap();
        let mut expired = app.sign_in(&alice).await;
        expired.token = app.token(&expired, 60).0;
        let login_expired = app.sign_in(&alice).await;
        let login = &login_expired.signed_in.login;
        let short = &Login {
            expires_at: login.created_at.plus(Duration::from_secs(60)),
            ..login.clone()
        };
        let shortened = app
            .env
            .db
            .run(|txn| async move { logins::store::replace(&txn, login, short) });
        shortened.await.unwrap();
        let (_, expired_personal) = app.access_token(&alice, Scope::all(), Duration::from_secs(60)).await;
        app.clock.advance(Duration::from_secs(60));

        let bob = app.register("bob@example.com").await;
        let admit = async |email, role| app.add_member(&app.register(email).await, &alice, role).await;
        let member = admit("member@example.com", Role::Member).await;
        let viewer = admit("viewer@example.com", Role::Viewer).await;
        let former_member = admit("former@example.com", Role::Owner).await;
        let (_, of_former_member) = app.access_token(&former_member, Scope::all(), LONG).await;
        let membership = &former_member.signed_in.membership;
        let key = &domain::tenants::keys::membership(membership.user, membership.tenant);
        app.env.db.run(|txn| async move { txn.clear(key) }).await.unwrap();
        let suspended = admit("suspended@example.com", Role::Owner).await;
        let (_, of_suspended) = app.access_token(&suspended, Scope::all(), LONG).await;
        let operator = Operator::new(&app.env, Name::parse("ops").unwrap());
        let user = UserName::Id(suspended.signed_in.user.id);
        operator::users::suspend(&app.env, &operator, &user).await.unwrap();
        let suspended = app.sign_in(&suspended).await;
        let (_, unscoped) = app.access_token(&alice, [Scope::ReadAgents], LONG).await;
        let (id, revoked) = app.access_token(&alice, Scope::all(), LONG).await;
        access_tokens::ops::revoke(&app.env, &alice.caller(), id).await.unwrap();
        let personal = PersonalTokens {
            malformed: format!("{}000000", &unscoped[..unscoped.len() - 6]),
            unscoped,
            expired: expired_personal,
            revoked,
            of_former_member,
            of_suspended,
        };
        Self {
            app,
            _store: store,
            alice,
            member,
            viewer,
            bob,
            expired,
            logged_out,
            login_expired,
            former_member,
            suspended,
            personal,
        }
    }

    pub fn bearer(&self, token: Token) -> Option<&str> {
        match token {
            Token::None => None,
            Token::Junk => Some("junk"),
            Token::Expired => Some(&self.expired.token),
            Token::LoggedOut => Some(&self.logged_out.token),
            Token::LoginExpired => Some(&self.login_expired.token),
            Token::FormerMember => Some(&self.former_member.token),
            Token::Suspended => Some(&self.suspended.token),
            Token::MalformedPersonal => Some(&self.personal.malformed),
            Token::Unscoped => Some(&self.personal.unscoped),
            Token::ExpiredPersonal => Some(&self.personal.expired),
            Token::RevokedPersonal => Some(&self.personal.revoked),
            Token::FormerMemberPersonal => Some(&self.personal.of_former_member),
            Token::SuspendedPersonal => Some(&self.personal.of_suspended),
        }
    }

    /// An actor of each role in the tenant.
    pub fn members(&self) -> [(Role, &Actor); 3] {
        [
            (Role::Owner, &self.alice),
            (Role::Member, &self.member),
            (Role::Viewer, &self.viewer),
        ]
    }

    /// The id of a new resource of `actor`. Empty if the path of the operation identifies none.
    pub async fn resource(&self, operation: &Operation, actor: &Actor) -> String {
        match operation.resource {
            None => String::new(),
            Some(Resource::Avatar) => {
                let upload = self.app.put("/v5/users/me/avatar").by(actor).content(&picture());
                avatar_of(&upload.send().await.ok())
            }
            Some(Resource::Export) => {
                let call = self.app.post("/v5/users/me/exports").by(actor);
                token_of(&call.send().await.accepted())
            }
            Some(Resource::Login) => self.app.sign_in(actor).await.signed_in.login.id.to_string(),
            Some(Resource::AccessToken) => {
                let (id, _) = self.app.access_token(actor, [Scope::ReadSessions], LONG).await;
                id.to_string()
            }
            Some(Resource::Session) => self.session(actor).await,
            Some(resource @ (Resource::Files | Resource::TrashItem | Resource::Snapshot | Resource::Upload)) => {
                file_resource(&self.app, resource, &self.session(actor).await, &actor.token).await
            }
        }
    }

    async fn session(&self, actor: &Actor) -> String {
        let draft = Draft {
            name: Name::parse("a session").unwrap(),
            workspace_path: WorkspacePath::parse("/workspace").unwrap(),
        };
        let session = sessions::ops::create(&self.app.env, &actor.caller(), draft, None).await;
        session.unwrap().into_inner().id.to_string()
    }

    /// The body with which the operation succeeds for `actor`. The mail token is that of a new account.
    pub async fn body(&self, operation: &Operation, actor: &Actor) -> Option<Content> {
        let new_actor = match operation.mail_token {
            Some(_) => {
                let email = format!("{}@example.com", self.app.env.ids.next::<TokenId>());
                Some(self.app.register(&email).await)
            }
            None => None,
        };
        let actor = new_actor.as_ref().unwrap_or(actor);
        let mut person = Person {
            new_email: format!("{}@example.com", self.app.env.ids.next::<TokenId>()),
            email: actor.signed_in.user.email.to_string(),
            password: "password123".to_owned(),
            new_password: "password456".to_owned(),
            refresh_token: actor.refresh_token(),
            mail_token: String::new(),
            text: "text".to_owned(),
        };
        if let Some(email) = operation.mail_token {
            let obtained = email.obtain(&self.app, &self.app.env.db, &person, &actor.token);
            person.mail_token = obtained.await;
        }
        operation.body.map(|body| body(&person))
    }

    /// Sends a request, and checks that it changes no byte of the store.
    pub async fn send_without_effect(&self, request: RequestCase<'_>) -> Observed {
        let before = self.app.all_entries().await;
        let response = self.send(request).await;
        let after = self.app.all_entries().await;
        assert!(before == after, "{request:?} wrote:\n{:#?}", changes(&before, &after));
        response
    }

    pub async fn send(&self, request: RequestCase<'_>) -> Observed {
        let mut sent = Request::builder().method(request.method).uri(request.path);
        if let Some(token) = request.bearer {
            sent = sent.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(body) = request.body {
            sent = sent.header(header::CONTENT_TYPE, body.media_type);
        }
        let body = request
            .body
            .map_or_else(Body::empty, |body| Body::from(body.bytes.clone()));
        let route = request.path.split('?').next().unwrap_or_default();
        let (parts, body) = self.app.exchange(sent.body(body).unwrap()).await.into_parts();
        let response = TestResponse::checked(request.method, route, parts.status, parts.headers, &body);
        let is_unscoped = response.headers.get("www-authenticate").is_some_and(|challenge| {
            let challenge = challenge.to_str().unwrap();
            challenge.starts_with(r#"Bearer error="insufficient_scope""#)
        });
        assert_eq!(
            response.status == 401 || is_unscoped,
            response.headers.contains_key("www-authenticate"),
            "{request:?}"
        );
        assert!(!is_unscoped || response.status == 403, "{request:?}");
        let id = response.header("x-request-id").unwrap().to_owned();
        let bytes = format!("{:?}\n{}", response.headers, String::from_utf8_lossy(&body)).replace(&id, "(id)");
        Observed { response, bytes }
    }
}

/// The entries that differ, with `-` if they were removed and `+` if they were added.
pub fn changes(before: &[Entry], after: &[Entry]) -> Vec<String> {
    let only = |sign: char, these: &[Entry], others: &[Entry]| -> Vec<String> {
        let only = these.iter().filter(|entry| !others.contains(entry));
        only.map(|entry| format!("{sign} {:?} {}", entry.key, String::from_utf8_lossy(&entry.value)))
            .collect()
    };
    [only('-', before, after), only('+', after, before)].concat()
}
