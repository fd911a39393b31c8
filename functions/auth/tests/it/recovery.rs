//! Recovering an account: what it does, whom it does not reveal, and races.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::operator::{Operator, UserName, users};
use domain::text::Name;
use kv::faulty::{Latency, Plan};
use serde_json::{Value, json};
use testkit::{Code, Target as _, TestApp, TestResponse, TestStore, waiting_emails};
use tokio::time::Instant;

use crate::{start, strict};

const ALICE: &str = "alice@example.com";
const KIND: &str = "password.recovery";

async fn request(app: &TestApp, email: &str) -> TestResponse {
    let body = json!({ "email": email });
    app.post("/v5/auth/recovery").json(&body).send().await
}

/// Requests a recovery of Alice's account, and returns the token.
async fn token(app: &TestApp) -> String {
    request(app, ALICE).await.accepted();
    app.mail_token(ALICE, KIND).await
}

async fn complete(app: &TestApp, token: &str, password: &str) -> TestResponse {
    let body = json!({ "token": token, "password": password });
    app.post("/v5/auth/recovery/complete").json(&body).send().await
}

async fn log_in(app: &TestApp, password: &str, device: Option<&Value>) -> TestResponse {
    let body = json!({ "email": ALICE, "password": password, "deviceToken": device });
    app.post("/v5/auth/login").json(&body).send().await
}

#[tokio::test]
async fn a_recovery_sets_the_password_ends_every_login_and_verifies_the_address() {
    let app = start();
    let alice = app.register(ALICE).await;
    let token = token(&app).await;
    assert_eq!(
        log_in(&app, "password123", None).await.ok()["user"]["emailVerified"],
        false
    );
    let data = complete(&app, &token, "another password").await.ok();
    assert_eq!(data["user"]["emailVerified"], true);
    let response = app.get("/v5/auth/logins").by(&alice).send().await;
    response.assert_problem(401, Code::RevokedToken);
    let bearer = data["token"].as_str().unwrap();
    let logins = app.get("/v5/auth/logins").bearer(bearer).send().await.ok();
    assert_eq!(logins["logins"].as_array().unwrap().len(), 1);
    log_in(&app, "password123", None)
        .await
        .assert_problem(401, Code::InvalidCredentials);
    log_in(&app, "another password", None).await.ok();
    let response = complete(&app, &token, "a third password").await;
    response.assert_problem(404, Code::NotFound);
    let emails = waiting_emails(&app.env.db).await;
    let kinds: Vec<_> = emails
        .iter()
        .map(|email| email["message"]["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "password.changed").count(),
        1,
        "{kinds:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_response_takes_a_multiple_of_25_ms_unless_the_site_must_wait() {
    for (trip, expected) in [(2, 25), (7, 50), (20, 100)] {
        let store = TestStore::lmdb();
        let plan = Plan {
            latency: Latency::of(Duration::from_millis(trip)),
            ..Plan::default()
        };
        let app = TestApp::on(auth::router(), store.open().with_faults(plan));
        app.register(ALICE).await;
        let timed = async |email: &str| {
            let start = Instant::now();
            (request(&app, email).await, start.elapsed())
        };
        for email in [ALICE, "unknown@example.com"] {
            let (response, time) = timed(email).await;
            response.accepted();
            assert_eq!(time, Duration::from_millis(expected), "{email}");
        }
        let limited = loop {
            let (response, time) = timed("unknown@example.com").await;
            if response.status == 429 {
                break time;
            }
        };
        assert!(limited < Duration::from_millis(expected), "{limited:?}");
    }
}

#[tokio::test]
async fn a_recovery_makes_devices_and_addresses_unknown() {
    let app = start();
    app.register(ALICE).await;
    let device = log_in(&app, "password123", None).await.ok()["deviceToken"].clone();
    let token = token(&app).await;
    let body = json!({ "token": token, "password": "another password" });
    let completion = app.post("/v5/auth/recovery/complete").json(&body);
    completion.from_address("198.51.100.7").send().await.ok();
    // Twenty attempts of all unknown clients are free. A valid device token, or a known address, would have its own.
    for number in 0..20 {
        let body = json!({ "email": ALICE, "password": "a wrong one" });
        let attempt = app.post("/v5/auth/login").json(&body);
        attempt.from_address(&format!("203.0.113.{number}")).send().await;
    }
    let response = log_in(&app, "another password", Some(&device)).await;
    response.assert_problem(429, Code::TooManyAttempts);
}

#[tokio::test]
async fn a_rejected_password_keeps_the_token() {
    let app = strict();
    app.register(ALICE).await;
    let token = token(&app).await;
    let before = app.all_entries().await;
    complete(&app, &token, "short").await.assert_invalid(&["/password"]);
    complete(&app, &token, "alice@example.com1234")
        .await
        .assert_invalid(&["/password"]);
    complete(&app, &token, &"x".repeat(1025))
        .await
        .assert_invalid(&["/password"]);
    assert!(app.all_entries().await == before);
    complete(&app, &token, "correct horse battery velvet").await.ok();
}

#[tokio::test]
async fn an_expired_or_replaced_token_is_rejected() {
    let app = start();
    app.register(ALICE).await;
    let first = token(&app).await;
    let second = token(&app).await;
    complete(&app, &first, "another password")
        .await
        .assert_problem(404, Code::NotFound);
    app.clock.advance(Duration::from_secs(3600));
    complete(&app, &second, "another password")
        .await
        .assert_problem(404, Code::NotFound);
    log_in(&app, "password123", None).await.ok();
}

#[tokio::test]
async fn a_password_change_ends_the_token() {
    let app = start();
    let alice = app.register(ALICE).await;
    let token = token(&app).await;
    let body = json!({ "currentPassword": "password123", "newPassword": "another password" });
    app.post("/v5/auth/password").by(&alice).json(&body).send().await.ok();
    let response = complete(&app, &token, "a third password").await;
    response.assert_problem(404, Code::NotFound);
}

/// The sizes of the entries that a request adds or changes, by kind of key, and the number of entries that it removes.
async fn written(app: &TestApp, email: &str) -> (BTreeMap<String, usize>, usize) {
    let before = app.all_entries().await;
    let reads = app.env.db.usage();
    let response = request(app, email).await;
    assert_eq!(response.status, 202);
    assert_eq!(app.env.db.usage().reads - reads.reads, 4);
    let after = app.all_entries().await;
    let changed = after.iter().filter(|entry| !before.contains(entry));
    let removed = before
        .iter()
        .filter(|entry| after.iter().all(|other| other.key != entry.key));
    let kind = |key: String| {
        // The counterparts of an account's keys.
        for (part, kind) in [
            ("throttles", "throttles"),
            ("expiry", "expiry"),
            ("audit_days", "day"),
            ("\"day\"", "day"),
            ("auditEvents", "events"),
            ("\"events\"", "events"),
            ("\"entry\"", "expiry"),
            ("mail_tokens", "token"),
            ("outbox", "email"),
            ("audit", "audit"),
        ] {
            if key.contains(part) {
                return kind.to_owned();
            }
        }
        key
    };
    let mut sizes = BTreeMap::new();
    for entry in changed {
        *sizes.entry(kind(format!("{:?}", entry.key))).or_default() += entry.value.len();
    }
    (sizes, removed.count())
}

#[tokio::test]
async fn a_recovery_reads_and_writes_as_much_for_an_unknown_email_as_for_an_account() {
    let app = start();
    app.register("known@example.com").await;
    let [known, other] = ["known@example.com", "other@example.com"];
    let (first, _) = (written(&app, known).await, written(&app, other).await);
    assert!(first.0["email"] > 300 && first.0["token"] > 200, "{first:?}");
    app.clock.advance(Duration::from_secs(2));
    // The second request for each: it finds and replaces what the first one wrote.
    let (known, other) = (written(&app, known).await, written(&app, other).await);
    let sizes = |written: &(BTreeMap<String, usize>, usize)| {
        let mut sizes = written.0.clone();
        // The marks of commits, which only FoundationDB has, are numbered.
        sizes.retain(|kind, _| !kind.contains("_runs"));
        // Empty values: that of the account's new entry differs from none, and that for unknown emails is written
        // again.
        sizes.remove("expiry");
        sizes.remove("day");
        sizes
    };
    assert_eq!(sizes(&known), sizes(&other));
    let bodies = [
        request(&app, "known@example.com").await,
        request(&app, "other@example.com").await,
    ];
    assert_eq!(bodies[0].body, bodies[1].body);
}

#[tokio::test]
async fn requests_are_limited_silently_for_a_recipient_and_visibly_for_a_site() {
    let app = start();
    app.register(ALICE).await;
    for _ in 0..10 {
        request(&app, ALICE).await.accepted();
    }
    let recoveries = async || {
        let emails = waiting_emails(&app.env.db).await;
        emails.iter().filter(|email| email["message"]["type"] == KIND).count()
    };
    assert_eq!(recoveries().await, 3);
    // The last token stays valid.
    let token = app.mail_token(ALICE, KIND).await;
    complete(&app, &token, "another password").await.ok();
    for number in 0..40 {
        request(&app, &format!("unknown-{number}@example.com")).await.accepted();
    }
    let response = request(&app, "another@example.com").await;
    assert_eq!(response.header("retry-after"), Some("1"));
    response.assert_problem(429, Code::TooManyAttempts);
}

#[tokio::test]
async fn an_email_with_line_breaks_is_no_email() {
    let app = start();
    for email in [
        "alice@example.com\r\nBcc: eve@example.com",
        "alice@example.com\nbob@example.com",
        "\"alice\r\n\"@example.com",
        "alice\r@example.com",
    ] {
        request(&app, email).await.assert_invalid(&["/email"]);
        let body = json!({ "email": email, "password": "password123" });
        let response = app.post("/v5/auth/register").json(&body).send().await;
        response.assert_invalid(&["/email"]);
    }
}

#[tokio::test]
async fn a_suspended_user_stays_suspended_and_keeps_the_token() {
    let app = start();
    app.register(ALICE).await;
    let operator = Operator::new(&app.env, Name::parse("ops").unwrap());
    let user = UserName::parse(ALICE).unwrap();
    let token = token(&app).await;
    users::suspend(&app.env, &operator, &user).await.unwrap();
    let before = app.all_entries().await;
    let response = complete(&app, &token, "another password").await;
    response.assert_problem(403, Code::AccountSuspended);
    assert!(app.all_entries().await == before);
    // A request reveals nothing.
    request(&app, ALICE).await.accepted();
    let token = app.mail_token(ALICE, KIND).await;
    users::resume(&app.env, &operator, &user).await.unwrap();
    complete(&app, &token, "another password").await.ok();
}

#[tokio::test]
async fn the_owner_of_an_occupied_address_takes_the_account_over() {
    let app = start();
    let squatter = app.register(ALICE).await;
    let token = token(&app).await;
    complete(&app, &token, "the owner's password").await.ok();
    let response = app.get("/v5/auth/logins").by(&squatter).send().await;
    response.assert_problem(401, Code::RevokedToken);
    log_in(&app, "password123", None)
        .await
        .assert_problem(401, Code::InvalidCredentials);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_recoveries_with_one_token_one_succeeds() {
    for _ in 0..4 {
        let app = Arc::new(start());
        app.register(ALICE).await;
        let token = token(&app).await;
        let (one, other) = tokio::join!(
            complete(&app, &token, "password-one"),
            complete(&app, &token, "password-two")
        );
        let mut statuses = [one.status.as_u16(), other.status.as_u16()];
        let winner = if one.status == 200 {
            "password-one"
        } else {
            "password-two"
        };
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 404]);
        log_in(&app, winner, None).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_recovery_and_a_password_change_one_succeeds() {
    for _ in 0..4 {
        let app = Arc::new(start());
        let alice = app.register(ALICE).await;
        let token = token(&app).await;
        let body = json!({ "currentPassword": "password123", "newPassword": "changed-password" });
        let (recovered, changed) = tokio::join!(
            complete(&app, &token, "recovered-password"),
            app.post("/v5/auth/password").by(&alice).json(&body).send()
        );
        let statuses = (recovered.status.as_u16(), changed.status.as_u16());
        let winner = match statuses {
            (200, 401) => "recovered-password",
            (404, 200) => "changed-password",
            _ => panic!("{statuses:?}"),
        };
        log_in(&app, winner, None).await.ok();
    }
}
