//! Every security event is on the log line of the request that causes it, with the metrics of its attack.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::{HeaderName, Method, header};
use domain::access_tokens::Scope;
use domain::exports::{Preparations, Sizes};
use domain::operator::{self, Operator, UserName};
use domain::security::{Attack, SecurityEvent};
use domain::text::Name;
use domain::throttle::{Rule, Rules};
use domain::usage::Quotas;
use domain::{Address, Client, Role};
use serde_json::{Value, json};
use testkit::{Target as _, TestApp, TestRequest, TestResponse, picture};

const RIGHT: &str = "password123";
const WRONG: &str = "a wrong one";

/// The events seen on log lines.
#[derive(Default)]
struct Seen(BTreeSet<&'static str>);

impl Seen {
    /// Sends a request that causes this event and has this status.
    async fn send(&mut self, app: &TestApp, call: TestRequest<'_, TestApp>, status: u16, event: SecurityEvent) {
        let response = call.send().await;
        assert_eq!(response.status, status, "{}: {}", event.as_str(), response.body);
        let line = assert_event(app, &response, Some(event));
        let attacks = [
            ("TokenReuse", Attack::TokenReuse),
            ("PasswordSpraying", Attack::PasswordSpraying),
            ("Lockouts", Attack::Lockout),
        ];
        for (metric, attack) in attacks {
            assert_eq!(
                line[metric],
                u8::from(event.attack() == Some(attack)),
                "{metric}: {line}"
            );
        }
        self.0.insert(event.as_str());
    }
}

fn assert_event(app: &TestApp, response: &TestResponse, event: Option<SecurityEvent>) -> Value {
    let line = app.log_line(response);
    assert_eq!(line["security"].as_str(), event.map(SecurityEvent::as_str), "{line}");
    line
}

/// A gateway with changed rules.
fn start(change: impl FnOnce(&mut Rules)) -> TestApp {
    TestApp::with_limits(gateway::router(), |limits| {
        let mut rules = Rules::default();
        change(&mut rules);
        limits.throttle = Some(rules);
    })
}

/// A rule with one free attempt.
const ONE: Rule = Rule {
    free: 1,
    regain: Duration::from_hours(24),
    max_wait: Duration::from_secs(8),
};

fn login<'a>(app: &'a TestApp, email: &str, password: &str) -> TestRequest<'a, TestApp> {
    let body = json!({ "email": email, "password": password });
    app.post("/v5/auth/login").json(&body)
}

fn register<'a>(app: &'a TestApp, email: &str, password: &str) -> TestRequest<'a, TestApp> {
    let body = json!({ "email": email, "password": password });
    app.post("/v5/auth/register").json(&body)
}

fn recover<'a>(app: &'a TestApp, email: &str) -> TestRequest<'a, TestApp> {
    app.post("/v5/auth/recovery").json(&json!({ "email": email }))
}

fn refresh<'a>(app: &'a TestApp, token: &str) -> TestRequest<'a, TestApp> {
    app.post("/v5/auth/refresh").json(&json!({ "refreshToken": token }))
}

#[tokio::test]
async fn every_security_event_is_on_the_line_of_its_request() {
    let mut seen = Seen::default();
    tokens(&mut seen).await;
    rejections(&mut seen).await;
    throttling(&mut seen).await;
    quotas(&mut seen).await;
    uploads(&mut seen).await;
    downloads(&mut seen).await;
    let all: BTreeSet<_> = SecurityEvent::all().map(SecurityEvent::as_str).collect();
    assert_eq!(seen.0, all, "left: the events of this test, right: all events");
}

async fn tokens(seen: &mut Seen) {
    use SecurityEvent::{ForeignOrigin, InvalidToken, RevokedToken, TokenReplay, TokenReuse};
    let app = TestApp::start(gateway::router());
    let alice = app.register("alice@example.com").await;
    let sessions = || app.get("/v5/sessions");
    assert_event(&app, &sessions().by(&alice).send().await, None);
    assert_event(&app, &sessions().send().await, None);
    seen.send(&app, sessions().bearer("junk"), 401, InvalidToken).await;
    let page = app.post("/v5/auth/refresh").json(&json!({ "transport": "cookie" }));
    let page = page.header(header::ORIGIN, "https://evil.example.com");
    seen.send(&app, page, 403, ForeignOrigin).await;

    let token = &alice.refresh_token();
    assert_event(&app, &refresh(&app, token).send().await, None);
    seen.send(&app, refresh(&app, token), 200, TokenReplay).await;
    app.clock.advance(Duration::from_secs(31));
    seen.send(&app, refresh(&app, token), 401, TokenReuse).await;
    seen.send(&app, sessions().by(&alice), 401, RevokedToken).await;
    // The login has ended: the token is unknown from now on.
    assert_event(&app, &refresh(&app, token).send().await, None);

    let laptop = app.sign_in(&alice).await;
    app.refresh(&laptop).await;
    app.clock.advance(Duration::from_secs(31));
    let body = json!({ "refreshToken": laptop.refresh_token() });
    let logout = app.post("/v5/auth/logout").json(&body);
    seen.send(&app, logout, 200, TokenReuse).await;
}

async fn rejections(seen: &mut Seen) {
    use SecurityEvent::{
        Forbidden, ForeignCursor, ForeignId, IdempotencyMismatch, InsufficientScope, InvalidToken, PasswordRejected,
        SuspendedAccount, WrongPassword,
    };
    let app = TestApp::start(gateway::router());
    let alice = app.register("alice@example.com").await;
    let bob = app.register("bob@example.com").await;
    let body = json!({ "name": "one", "workspacePath": "/one" });
    let create = |actor| app.post("/v5/sessions").by(actor).json(&body);
    for _ in 0..2 {
        create(&alice).send().await.created();
    }
    let page = app.get("/v5/sessions?limit=1").by(&alice).send().await.ok();
    let next = format!("/v5/sessions?limit=1&cursor={}", page["nextCursor"].as_str().unwrap());
    assert_event(&app, &app.get(&next).by(&alice).send().await, None);
    seen.send(&app, app.get(&next).by(&bob), 422, ForeignCursor).await;

    let viewer = app.add_member(&bob, &alice, Role::Viewer).await;
    seen.send(&app, create(&viewer), 403, Forbidden).await;
    let (token_id, token) = app
        .access_token(&alice, [Scope::ReadSessions], Duration::from_hours(1))
        .await;
    assert_event(&app, &app.get("/v5/sessions").bearer(&token).send().await, None);
    let create_with_token = app.post("/v5/sessions").bearer(&token).json(&body);
    seen.send(&app, create_with_token, 403, InsufficientScope).await;
    app.delete(&format!("/v5/users/me/tokens/{token_id}"))
        .by(&alice)
        .send()
        .await
        .ok();
    seen.send(&app, app.get("/v5/sessions").bearer(&token), 401, InvalidToken)
        .await;
    let truncated = &token[..token.len() - 1];
    seen.send(&app, app.get("/v5/sessions").bearer(truncated), 401, InvalidToken)
        .await;
    let id = page["sessions"][0]["id"].as_str().unwrap();
    let path = format!("/v5/sessions/{id}");
    seen.send(&app, app.get(&path).by(&bob), 404, ForeignId).await;
    let change = app.patch(&path).json(&json!({ "name": "two" }));
    seen.send(&app, change.by(&bob), 404, ForeignId).await;
    seen.send(&app, app.delete(&path).by(&bob), 404, ForeignId).await;
    app.delete(&path).by(&alice).send().await.ok();
    assert_event(&app, &app.get(&path).by(&alice).send().await, None);

    seen.send(&app, login(&app, "alice@example.com", WRONG), 401, WrongPassword)
        .await;
    seen.send(&app, login(&app, "unknown@example.com", WRONG), 401, WrongPassword)
        .await;
    let suspended = app.register("suspended@example.com").await;
    let operator = Operator::new(&app.env, Name::parse("ops").unwrap());
    let user = UserName::Id(suspended.signed_in.user.id);
    operator::users::suspend(&app.env, &operator, &user).await.unwrap();
    seen.send(&app, login(&app, "suspended@example.com", WRONG), 401, WrongPassword)
        .await;
    seen.send(&app, login(&app, "suspended@example.com", RIGHT), 403, SuspendedAccount)
        .await;
    let change = |current: &str, new: &str| {
        let body = json!({ "currentPassword": current, "newPassword": new });
        app.post("/v5/auth/password").by(&alice).json(&body)
    };
    seen.send(&app, change(WRONG, "another password"), 401, WrongPassword)
        .await;
    seen.send(&app, change(RIGHT, "short"), 422, PasswordRejected).await;
    seen.send(
        &app,
        register(&app, "carol@example.com", "short"),
        422,
        PasswordRejected,
    )
    .await;
    let missing = app
        .post("/v5/auth/register")
        .json(&json!({ "email": "carol@example.com" }));
    assert_event(&app, &missing.send().await, None);

    let register = |password| {
        let key = HeaderName::from_static("idempotency-key");
        register(&app, "carol@example.com", password).header(key, "one")
    };
    assert_event(&app, &register(RIGHT).send().await, None);
    seen.send(&app, register("another password"), 422, IdempotencyMismatch)
        .await;
}

async fn throttling(seen: &mut Seen) {
    use SecurityEvent::{
        ThrottledByAccount, ThrottledByAddress, ThrottledByEmails, ThrottledByHashing, ThrottledByKnown,
        ThrottledByPair, ThrottledByRecipient, ThrottledByRegistration,
    };
    const ALICE: &str = "alice@example.com";
    const ELSEWHERE: &str = "198.51.100.1";
    const FAR_AWAY: &str = "198.51.100.2";
    let home = &*TestApp::ADDRESS.to_string();
    let [pair, known, account, address]: [fn(&mut Rules); 4] = [
        |rules| rules.pair = ONE,
        |rules| rules.known = ONE,
        |rules| rules.account = ONE,
        |rules| rules.address = ONE,
    ];
    // The second of two attempts, each from an address at an account, exceeds the rule.
    for (change, attempts, event) in [
        (pair, [(home, ALICE), (home, ALICE)], ThrottledByPair),
        (known, [(home, ALICE), (home, ALICE)], ThrottledByKnown),
        (account, [(ELSEWHERE, ALICE), (FAR_AWAY, ALICE)], ThrottledByAccount),
        (
            address,
            [(ELSEWHERE, ALICE), (ELSEWHERE, "bob@example.com")],
            ThrottledByAddress,
        ),
    ] {
        let app = start(change);
        app.register(ALICE).await;
        let [first, second] = attempts.map(|(address, email)| login(&app, email, WRONG).from_address(address));
        assert_event(&app, &first.send().await, Some(SecurityEvent::WrongPassword));
        seen.send(&app, second, 429, event).await;
    }

    let app = start(|rules| rules.registration = ONE);
    assert_event(&app, &register(&app, ALICE, RIGHT).send().await, None);
    seen.send(
        &app,
        register(&app, "bob@example.com", RIGHT),
        429,
        ThrottledByRegistration,
    )
    .await;

    let app = start(|rules| rules.emails = ONE);
    assert_event(&app, &recover(&app, ALICE).send().await, None);
    seen.send(&app, recover(&app, "bob@example.com"), 429, ThrottledByEmails)
        .await;

    let app = start(|rules| rules.recipient = ONE);
    let alice = app.register(ALICE).await;
    let verify = || app.post("/v5/auth/email/verification").by(&alice);
    assert_event(&app, &verify().send().await, None);
    seen.send(&app, verify(), 429, ThrottledByRecipient).await;

    let app = start(|_| {});
    let client = Client {
        address: Some(Address::new(TestApp::ADDRESS)),
        ..Client::default()
    };
    let mut places = Vec::new();
    while let Ok(place) = app.env.hasher.admit(&client, ALICE) {
        places.push(place);
    }
    seen.send(&app, login(&app, ALICE, WRONG), 429, ThrottledByHashing)
        .await;
}

async fn quotas(seen: &mut Seen) {
    use SecurityEvent::{QuotaExceeded, ThrottledByLogins, ThrottledByWrites};
    for (quotas, status, event) in [
        (
            Quotas {
                sessions: 10,
                ..Quotas::default()
            },
            507,
            QuotaExceeded,
        ),
        (
            Quotas {
                writes_per_second: 1,
                ..Quotas::default()
            },
            429,
            ThrottledByWrites,
        ),
    ] {
        let app = TestApp::with_limits(gateway::router(), |limits| limits.quotas = Some(quotas));
        let alice = app.register("alice@example.com").await;
        let body = json!({ "name": "one", "workspacePath": "/one" });
        let create = || app.post("/v5/sessions").by(&alice).json(&body);
        for _ in 0..10 {
            create().send().await.created();
        }
        seen.send(&app, create(), status, event).await;
    }

    let quotas = Quotas {
        logins_per_day: 1,
        ..Quotas::default()
    };
    let app = TestApp::with_limits(gateway::router(), |limits| limits.quotas = Some(quotas));
    app.register("alice@example.com").await;
    let log_in = || login(&app, "alice@example.com", RIGHT);
    log_in().send().await.ok();
    seen.send(&app, log_in(), 429, ThrottledByLogins).await;
}

async fn downloads(seen: &mut Seen) {
    let app = TestApp::with_env(gateway::router(), |env| {
        env.preparations = Preparations::with(Sizes {
            downloads: 0,
            ..Sizes::default()
        });
    });
    let alice = app.register("alice@example.com").await;
    let export = app.post("/v5/users/me/exports").by(&alice).send().await.accepted();
    let link = export["downloadUrl"].as_str().unwrap();
    seen.send(&app, app.get(link), 429, SecurityEvent::ThrottledByDownloads)
        .await;
}

async fn uploads(seen: &mut Seen) {
    let app = TestApp::start(gateway::router());
    let alice = app.register("alice@example.com").await;
    let upload = || {
        let request = app.request(Method::PUT, "/v5/users/me/avatar").by(&alice);
        request.content(&picture())
    };
    for _ in 0..10 {
        upload().send().await.ok();
    }
    seen.send(&app, upload(), 429, SecurityEvent::ThrottledByUploads).await;
}
