//! Isolation, proved by enumeration: every operation under every token that must not open it, with the answer that the contract has for that
//! and a store in which not one byte has changed; and then with the one that must, so that no refusal is owed to a wrong request.

use std::time::Duration;

use api::router::PREFIXES;
use axum::body::Body;
use axum::http::{Method, Request, header};
use domain::logins::{self, Login, TokenFamily};
use domain::sessions::{self, Draft, WorkspacePath};
use domain::text::Name;
use domain::{Role, SystemRng, TokenId};
use kv::Entry;
use kv::faulty::{Latency, Plan};
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp, TestResponse, TestStore};

use crate::operations::{Access, Named, Operation, Person, operations};

/// What a request brings to say who sends it.
#[derive(Clone, Copy, Debug)]
enum Token {
    None,
    /// Not one of ours.
    Junk,
    /// One of ours that has expired, of a login that is alive.
    Expired,
    /// One that has not, of a login that was ended by logging out.
    Revoked,
    /// One that has not, of a login that has outlived its time.
    Outlived,
    /// One that has not, of a login that is alive, in a tenant where its user has no place any more.
    Expelled,
}

const TOKENS: [Token; 6] = [
    Token::None,
    Token::Junk,
    Token::Expired,
    Token::Revoked,
    Token::Outlived,
    Token::Expelled,
];

/// What comes of it.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Done,
    /// The answer is that of success, and nothing is written.
    NothingToDo,
    Refused(u16, Code),
}

/// The contract, cell by cell.
fn outcome(access: Access, token: Token) -> Outcome {
    use Outcome::{Done, NothingToDo, Refused};
    match (access, token) {
        // A refresh token needs nothing beside it; what it is refused for is tested on its own below.
        (Access::Public | Access::RefreshToken, _) | (Access::Leaving, Token::Expired) => Done,
        (Access::Leaving, Token::None | Token::Revoked | Token::Outlived | Token::Expelled) => NothingToDo,
        (Access::Leaving | Access::Token(_), Token::Junk) => Refused(401, Code::InvalidToken),
        (Access::Token(_), Token::None) => Refused(401, Code::MissingToken),
        (Access::Token(_), Token::Expired) => Refused(401, Code::ExpiredToken),
        (Access::Token(_), Token::Revoked | Token::Outlived | Token::Expelled) => Refused(401, Code::RevokedToken),
    }
}

/// A tenant with everybody who may be at its door.
struct Stage {
    app: TestApp,
    _store: TestStore,
    /// Owns it.
    alice: Actor,
    member: Actor,
    viewer: Actor,
    /// Owns another one, and has no place in this one.
    bob: Actor,
    /// Alice's, with a token that has expired.
    expired: Actor,
    /// Alice's, logged out.
    revoked: Actor,
    /// Alice's, unused for too long.
    outlived: Actor,
    /// Was a member.
    expelled: Actor,
}

impl Stage {
    async fn set() -> Self {
        // A store that takes its time: what an operation does beside the check of its caller gets as far as it ever does.
        let plan = Plan {
            latency: Latency::of(Duration::from_micros(1)),
            ..Plan::default()
        };
        let store = TestStore::new();
        let app = TestApp::on(gateway::router(), store.open().with_faults(plan));

        let alice = app.register("alice@example.com").await;
        let revoked = app.sign_in(&alice).await;
        logins::ops::log_out(&app.env, &revoked.caller()).await.unwrap();
        let mut expired = app.sign_in(&alice).await;
        expired.token = app.token(&expired, 60).0;
        let outlived = app.sign_in(&alice).await;
        let login = &outlived.signed_in.login;
        let short = &Login {
            expires_at: login.created_at.plus(Duration::from_secs(60)),
            ..login.clone()
        };
        let shortened = app
            .env
            .db
            .run(|txn| async move { logins::store::replace(&txn, login, short) });
        shortened.await.unwrap();
        app.clock.advance(Duration::from_secs(60));

        let bob = app.register("bob@example.com").await;
        let guest = async |email, role| app.add_member(&app.register(email).await, &alice, role).await;
        let member = guest("member@example.com", Role::Member).await;
        let viewer = guest("viewer@example.com", Role::Viewer).await;
        let expelled = guest("expelled@example.com", Role::Owner).await;
        let place = &expelled.signed_in.membership;
        let place = &domain::tenants::keys::membership(place.user, place.tenant);
        app.env.db.run(|txn| async move { txn.clear(place) }).await.unwrap();
        Self {
            app,
            _store: store,
            alice,
            member,
            viewer,
            bob,
            expired,
            revoked,
            outlived,
            expelled,
        }
    }

    fn bearer(&self, token: Token) -> Option<&str> {
        match token {
            Token::None => None,
            Token::Junk => Some("junk"),
            Token::Expired => Some(&self.expired.token),
            Token::Revoked => Some(&self.revoked.token),
            Token::Outlived => Some(&self.outlived.token),
            Token::Expelled => Some(&self.expelled.token),
        }
    }

    fn everybody(&self) -> [(Role, &Actor); 3] {
        [
            (Role::Owner, &self.alice),
            (Role::Member, &self.member),
            (Role::Viewer, &self.viewer),
        ]
    }

    /// The id of a new resource that the operation may name when `actor` does it; any if it names none.
    async fn resource(&self, operation: &Operation, actor: &Actor) -> String {
        match operation.names {
            None => String::new(),
            Some(Named::Login) => self.app.sign_in(actor).await.signed_in.login.id.to_string(),
            Some(Named::Session) => {
                let draft = Draft {
                    name: Name::parse("a session").unwrap(),
                    workspace_path: WorkspacePath::parse("/workspace").unwrap(),
                };
                let session = sessions::ops::create(&self.app.env, &actor.caller(), draft, None).await;
                session.unwrap().into_inner().id.to_string()
            }
        }
    }

    /// The body with which the operation succeeds when `actor` does it.
    fn body(&self, operation: &Operation, actor: &Actor) -> Option<Value> {
        let person = Person {
            new_email: format!("{}@example.com", self.app.env.ids.next::<TokenId>()),
            email: actor.signed_in.user.email.to_string(),
            password: "password123".to_owned(),
            refresh_token: actor.refresh_token(),
            text: "text".to_owned(),
        };
        operation.body.map(|body| body(&person))
    }

    /// Sends what is to change nothing, and looks whether it has.
    async fn ask_in_vain(&self, request: Asked<'_>) -> Seen {
        let before = self.app.all_entries().await;
        let seen = self.ask(request).await;
        let after = self.app.all_entries().await;
        assert!(before == after, "{request:?} wrote:\n{:#?}", changes(&before, &after));
        seen
    }

    async fn ask(&self, request: Asked<'_>) -> Seen {
        let mut sent = Request::builder().method(request.method).uri(request.path);
        if let Some(token) = request.bearer {
            sent = sent.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if request.body.is_some() {
            sent = sent.header(header::CONTENT_TYPE, "application/json");
        }
        let body = request
            .body
            .map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let (parts, body) = self.app.exchange(sent.body(body).unwrap()).await.into_parts();
        let answer = TestResponse::checked(request.method, request.path, parts.status, parts.headers, &body);
        assert_eq!(
            answer.status == 401,
            answer.headers.contains_key("www-authenticate"),
            "{request:?}"
        );
        let id = answer.header("x-request-id").unwrap().to_owned();
        let bytes = format!("{:?}\n{}", answer.headers, String::from_utf8_lossy(&body)).replace(&id, "(id)");
        Seen { answer, bytes }
    }
}

#[derive(Clone, Copy, Debug)]
struct Asked<'a> {
    method: &'a Method,
    path: &'a str,
    bearer: Option<&'a str>,
    body: Option<&'a Value>,
}

struct Seen {
    answer: TestResponse,
    /// Its headers and its body, without the request's id.
    bytes: String,
}

/// What one of the two has and the other has not.
fn changes(before: &[Entry], after: &[Entry]) -> Vec<String> {
    let only = |sign: char, these: &[Entry], others: &[Entry]| -> Vec<String> {
        let only = these.iter().filter(|entry| !others.contains(entry));
        only.map(|entry| format!("{sign} {:?} {}", entry.key, String::from_utf8_lossy(&entry.value)))
            .collect()
    };
    [only('-', before, after), only('+', after, before)].concat()
}

/// The methods that an operation is done by: where there is GET there is HEAD.
fn methods(operation: &Operation) -> Vec<Method> {
    let method = operation.method.clone();
    if method == Method::GET {
        vec![method, Method::HEAD]
    } else {
        vec![method]
    }
}

#[tokio::test]
async fn every_operation_is_done_or_refused_as_the_contract_says_of_each_kind_of_token() {
    for operation in operations() {
        let stage = Stage::set().await;
        let id = &stage.resource(&operation, &stage.alice).await;
        for token in TOKENS {
            for (prefix, method) in PREFIXES
                .iter()
                .flat_map(|prefix| methods(&operation).into_iter().map(move |method| (prefix, method)))
            {
                // A refresh token is good once.
                let who = match operation.access {
                    Access::RefreshToken => &stage.app.sign_in(&stage.bob).await,
                    _ => &stage.alice,
                };
                let body = stage.body(&operation, who);
                let path = operation.at(prefix, id);
                let request = Asked {
                    method: &method,
                    path: &path,
                    bearer: stage.bearer(token),
                    body: body.as_ref(),
                };
                let case = format!("{method} {path}, {token:?}");
                match outcome(operation.access, token) {
                    Outcome::Done => {
                        let seen = stage.ask(request).await;
                        assert_eq!(seen.answer.status, operation.success, "{case}: {}", seen.bytes);
                    }
                    Outcome::NothingToDo => {
                        let seen = stage.ask_in_vain(request).await;
                        assert_eq!(seen.answer.status, operation.success, "{case}: {}", seen.bytes);
                    }
                    Outcome::Refused(status, code) => {
                        let seen = stage.ask_in_vain(request).await;
                        assert_eq!(seen.answer.status, status, "{case}: {}", seen.bytes);
                        if method != Method::HEAD {
                            seen.answer.assert_problem(status, code);
                        }
                    }
                }
            }
        }

        // The same for the rightful caller: what was refused was refused for its token alone.
        let path = operation.at("/v5", id);
        let body = stage.body(&operation, &stage.alice);
        let request = Asked {
            method: &operation.method,
            path: &path,
            bearer: Some(&stage.alice.token),
            body: body.as_ref(),
        };
        let seen = stage.ask(request).await;
        assert_eq!(
            seen.answer.status, operation.success,
            "{} {path}: {}",
            operation.method, seen.bytes
        );
    }
}

#[tokio::test]
async fn every_operation_is_done_for_the_roles_that_the_contract_names_and_refused_for_the_others() {
    for operation in operations() {
        let Access::Token(roles) = operation.access else {
            continue;
        };
        let stage = Stage::set().await;
        for (role, actor) in stage.everybody() {
            for method in methods(&operation) {
                // A session is the tenant's, whoever made it; a login is its user's.
                let owner = match operation.names {
                    Some(Named::Login) => actor,
                    Some(Named::Session) | None => &stage.alice,
                };
                let there = stage.resource(&operation, owner).await;
                let ids = [
                    there,
                    stage.resource(&operation, &stage.bob).await,
                    stage.app.env.ids.next::<TokenId>().to_string(),
                ];
                let body = stage.body(&operation, actor);
                let mut answers = Vec::new();
                for id in &ids {
                    let path = operation.at("/v5", id);
                    let request = Asked {
                        method: &method,
                        path: &path,
                        bearer: Some(&actor.token),
                        body: body.as_ref(),
                    };
                    if roles.contains(&role) {
                        let seen = stage.ask(request).await;
                        let case = format!("{method} {path}, {role}");
                        assert_eq!(seen.answer.status, operation.success, "{case}: {}", seen.bytes);
                        break;
                    }
                    let seen = stage.ask_in_vain(request).await;
                    answers.push(seen.bytes);
                    assert_eq!(seen.answer.status, 403, "{method} {path}, {role}");
                    if method != Method::HEAD {
                        seen.answer.assert_problem(403, Code::Forbidden);
                    }
                }
                assert!(
                    answers.windows(2).all(|pair| pair[0] == pair[1]),
                    "a refusal does not tell what there is: {answers:#?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_another_tenant_has_is_answered_as_what_nobody_has() {
    for operation in operations() {
        if operation.names.is_none() {
            continue;
        }
        let stage = Stage::set().await;
        let theirs = stage.resource(&operation, &stage.alice).await;
        let nobodys = stage.app.env.ids.next::<TokenId>().to_string();
        let body = stage.body(&operation, &stage.bob);
        for method in methods(&operation) {
            let mut answers = Vec::new();
            for id in [&theirs, &nobodys] {
                let path = operation.at("/v5", id);
                let request = Asked {
                    method: &method,
                    path: &path,
                    bearer: Some(&stage.bob.token),
                    body: body.as_ref(),
                };
                let seen = stage.ask_in_vain(request).await;
                answers.push(seen.bytes);
                assert_eq!(seen.answer.status, 404, "{method} {path}");
                if method != Method::HEAD {
                    seen.answer.assert_problem(404, Code::NotFound);
                }
            }
            assert_eq!(answers[0], answers[1], "{method} {}", operation.path);
        }
    }
}

#[tokio::test]
async fn what_names_nothing_shows_and_touches_nothing_of_another_tenants() {
    for operation in operations() {
        let (Access::Token(_), None) = (operation.access, operation.names) else {
            continue;
        };
        let stage = Stage::set().await;
        let draft = json!({ "name": "a secret", "workspacePath": "/secret" });
        let session = stage
            .app
            .post("/v5/sessions")
            .by(&stage.alice)
            .json(&draft)
            .send()
            .await
            .created();
        let alice = &stage.alice.signed_in;
        let ids = [
            alice.user.id.to_string(),
            alice.tenant.id.to_string(),
            alice.login.id.to_string(),
            session["id"].as_str().unwrap().to_owned(),
        ];
        let theirs = async || {
            let mut entries = stage.app.all_entries().await;
            entries.retain(|entry| {
                let shown = format!("{:?} {}", entry.key, String::from_utf8_lossy(&entry.value));
                ids.iter().any(|id| shown.contains(id))
            });
            entries
        };

        let before = theirs().await;
        assert!(before.len() > ids.len(), "{before:?}");
        let body = stage.body(&operation, &stage.bob);
        let path = operation.at("/v5", "");
        let request = Asked {
            method: &operation.method,
            path: &path,
            bearer: Some(&stage.bob.token),
            body: body.as_ref(),
        };
        let seen = stage.ask(request).await;
        assert_eq!(seen.answer.status, operation.success, "{request:?}: {}", seen.bytes);
        for mark in ids.iter().map(String::as_str).chain(["secret"]) {
            assert!(!seen.bytes.contains(mark), "{request:?} shows {mark}: {}", seen.bytes);
        }
        let after = theirs().await;
        assert!(before == after, "{request:?} wrote:\n{:#?}", changes(&before, &after));
    }
}

#[tokio::test]
async fn what_is_no_refresh_token_that_is_alive_is_refused_whatever_else_is_brought() {
    let stage = Stage::set().await;
    let of_family = |actor: &Actor| {
        let login = &actor.signed_in.login;
        let (_, guess) = TokenFamily::start(&SystemRng, login.user, login.tenant, login.id);
        json!(guess.reveal())
    };
    let elsewhere = {
        let (bob, alice) = (&stage.bob.signed_in.login, &stage.alice.signed_in.login);
        let (_, guess) = TokenFamily::start(&SystemRng, bob.user, alice.tenant, bob.id);
        json!(guess.reveal())
    };
    let invalid = (401, Code::InvalidRefreshToken);
    let cases = [
        ("none", Value::Null, (422, Code::ValidationFailed)),
        ("junk", json!("coditect_rt_junk"), invalid),
        ("an access token", json!(stage.alice.token), invalid),
        ("a guess at a login", of_family(&stage.alice), invalid),
        ("one's own login with another's tenant", elsewhere, invalid),
        (
            "of a login that was logged out",
            json!(stage.revoked.refresh_token()),
            invalid,
        ),
        (
            "of a login that has outlived its time",
            json!(stage.outlived.refresh_token()),
            invalid,
        ),
        (
            "of somebody without a place in the tenant",
            json!(stage.expelled.refresh_token()),
            invalid,
        ),
    ];
    for operation in operations() {
        if !matches!(operation.access, Access::RefreshToken) {
            continue;
        }
        for (case, token, (status, code)) in &cases {
            let body = json!({ "refreshToken": token });
            for bearer in [None, Some(&stage.alice.token[..])] {
                let path = operation.at("/v5", "");
                let request = Asked {
                    method: &operation.method,
                    path: &path,
                    bearer,
                    body: Some(&body),
                };
                let seen = stage.ask_in_vain(request).await;
                assert_eq!(seen.answer.status, *status, "{case}: {}", seen.bytes);
                seen.answer.assert_problem(*status, *code);
            }
        }
    }
}
