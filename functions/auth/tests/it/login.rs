use std::time::Duration;

use axum::http::HeaderMap;
use domain::password::{Hasher, Password};
use domain::users::{self, Email, User};
use domain::{Client, SystemRng};
use kv::faulty::{Latency, Plan};
use serde_json::json;
use testkit::{Code, Target as _, TestApp, TestStore};
use tokio::time::Instant;

use crate::{start, strict};

async fn stored(app: &TestApp, email: &str) -> User {
    let email = &Email::parse(email).unwrap();
    let read = app.env.db.run(|txn| async move {
        let id = users::store::find_id_by_email(&txn, email).await?.unwrap();
        users::store::find(&txn, id).await
    });
    read.await.unwrap().unwrap()
}

#[tokio::test]
async fn logging_in_opens_a_new_login_of_the_account() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    app.clock.advance(Duration::from_secs(60));
    let data = app
        .post("/api/v5/auth/login")
        .json(&json!({ "email": "Alice@example.com", "password": "password123" }))
        .send()
        .await
        .ok();
    assert_eq!(data["user"]["id"], alice.signed_in.user.id.to_string());
    assert_eq!(data["user"]["createdAt"], "2026-01-01T00:00:00.000Z");
    assert_eq!(data["tenant"]["id"], alice.signed_in.tenant.id.to_string());
    assert_eq!(data["tenant"]["role"], "owner");
    assert_eq!(data["expiresAt"], "2026-01-02T00:01:00.000Z");
    assert_ne!(data["token"], alice.token);
}

#[tokio::test]
async fn an_unknown_email_and_a_wrong_password_have_equal_responses() {
    let app = start();
    app.register("alice@example.com").await;
    let send = |email: &'static str, password: &'static str| {
        app.post("/v5/auth/login")
            .json(&json!({ "email": email, "password": password }))
            .send()
    };
    let unknown = send("bob@example.com", "password123").await;
    let wrong = send("alice@example.com", "password124").await;
    let (unknown_headers, wrong_headers) = (unknown.headers.clone(), wrong.headers.clone());
    let names = |headers: &HeaderMap| headers.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&unknown_headers), names(&wrong_headers));
    let mut unknown = unknown.assert_problem(401, Code::InvalidCredentials);
    let mut wrong = wrong.assert_problem(401, Code::InvalidCredentials);
    unknown["requestId"] = "…".into();
    wrong["requestId"] = "…".into();
    assert_eq!(unknown, wrong);
    // A password that no policy would allow is simply wrong.
    send("alice@example.com", "")
        .await
        .assert_problem(401, Code::InvalidCredentials);
}

/// Only the store takes time here: six trips for a login, right or wrong, and two if it is throttled.
#[tokio::test(start_paused = true)]
async fn only_a_failed_login_takes_a_multiple_of_25_ms() {
    for (trip, expected) in [(2, 25), (7, 50), (14, 100)] {
        let store = TestStore::lmdb();
        let trip = Duration::from_millis(trip);
        let plan = Plan {
            latency: Latency::of(trip),
            ..Plan::default()
        };
        let app = TestApp::on(auth::router(), store.open().with_faults(plan));
        app.register("alice@example.com").await;
        let timed = async |email: &str, password: &str| {
            let body = json!({ "email": email, "password": password });
            let start = Instant::now();
            let response = app.post("/v5/auth/login").json(&body).send().await;
            (response, start.elapsed())
        };
        let (response, time) = timed("alice@example.com", "password123").await;
        response.ok();
        assert_eq!(time, 6 * trip);
        for (email, password) in [
            ("alice@example.com", "password124"),
            ("unknown@example.com", "password123"),
        ] {
            let (response, time) = timed(email, password).await;
            response.assert_problem(401, Code::InvalidCredentials);
            assert_eq!(time, Duration::from_millis(expected), "{email}");
        }
        let (response, time) = timed("unknown@example.com", &"x".repeat(1025)).await;
        response.assert_invalid(&["/password"]);
        assert_eq!(time, Duration::ZERO);
        // One attempt has failed above, and ten are free.
        for _ in 0..9 {
            let (response, _) = timed("unknown@example.com", "password123").await;
            response.assert_problem(401, Code::InvalidCredentials);
        }
        let (response, time) = timed("unknown@example.com", "password123").await;
        response.assert_problem(429, Code::TooManyAttempts);
        assert_eq!(time, 2 * trip);
    }
}

#[tokio::test]
async fn composed_and_decomposed_passwords_are_equal() {
    let app = start();
    let body = |password: &str| json!({ "email": "test@example.com", "password": password });
    app.post("/v5/auth/register")
        .json(&body("A\u{30a}ngstro\u{308}m1"))
        .send()
        .await
        .created();
    app.post("/v5/auth/login").json(&body("Ångström1")).send().await.ok();
}

#[tokio::test]
async fn an_existing_password_logs_in_under_a_stricter_policy() {
    let app = strict();
    app.register("alice@example.com").await;
    let body = json!({ "email": "alice@example.com", "password": "password123" });
    app.post("/v5/auth/login").json(&body).send().await.ok();
    let body = json!({ "email": "bob@example.com", "password": "password123" });
    app.post("/v5/auth/register")
        .json(&body)
        .send()
        .await
        .assert_invalid(&["/password", "/password"]);
}

#[tokio::test]
async fn a_hash_with_outdated_parameters_is_renewed_at_the_next_login() {
    let app = start();
    app.register("alice@example.com").await;
    let mut user = stored(&app, "alice@example.com").await;
    let weak = Hasher::with_params(
        std::sync::Arc::new(SystemRng),
        argon2::Params::new(8192, 1, 1, None).unwrap(),
    );
    let admission = weak.admit(&Client::default(), &user.email).unwrap();
    let password = Password::claimed("password123").unwrap();
    user.password_hash = weak.hash(&admission, &password).await.unwrap();
    let outdated = &user;
    app.env
        .db
        .run(|txn| async move { users::store::put(&txn, outdated) })
        .await
        .unwrap();

    let body = json!({ "email": "alice@example.com", "password": "password123" });
    // Several concurrent logins may find the hash outdated, and all of them succeed.
    let (a, b, c) = tokio::join!(
        app.post("/v5/auth/login").json(&body).send(),
        app.post("/v5/auth/login").json(&body).send(),
        app.post("/v5/auth/login").json(&body).send(),
    );
    for response in [a, b, c] {
        response.ok();
    }
    let renewed = stored(&app, "alice@example.com").await.password_hash;
    assert_ne!(renewed, user.password_hash);
    let text = serde_json::to_string(&renewed).unwrap();
    assert!(text.contains("m=19456,t=2,p=1"), "{text}");
    app.post("/v5/auth/login").json(&body).send().await.ok();
    assert_eq!(
        stored(&app, "alice@example.com").await.password_hash,
        renewed,
        "a current hash is not renewed"
    );
}

#[tokio::test]
async fn both_members_are_required() {
    let app = start();
    app.post("/v5/auth/login")
        .json(&json!({}))
        .send()
        .await
        .assert_invalid(&["/email", "/password"]);
    let body = json!({ "email": "a@b", "password": "x".repeat(1025) });
    app.post("/v5/auth/login")
        .json(&body)
        .send()
        .await
        .assert_invalid(&["/password"]);
}
