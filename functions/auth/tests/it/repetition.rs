//! Another request hashes a password anew while it is verified. It is verified again, and this is still one attempt and
//! one login of the day.

use domain::throttle::{Rule, Rules};
use domain::usage::Quotas;
use kv::{Entry, Key};
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp, TestResponse, after_verification, hash_anew};

use crate::start;

const ALICE: &str = "alice@example.com";

/// An app whose first request finds Alice's password hashed anew, and which would reject a second attempt or login.
fn interrupted(app: &TestApp, alice: &Actor, bob: &Actor) -> TestApp {
    let hash_anew = hash_anew(app.env.db.clone(), alice.signed_in.user.id, bob.signed_in.user.id);
    TestApp::on_with_env(auth::router(), app.env.db.clone(), |env| {
        after_verification(env, hash_anew);
        env.limits.throttle.as_mut().unwrap().pair = Rule {
            free: 1,
            ..Rules::default().pair
        };
        env.limits.quotas = Some(Quotas {
            logins_per_day: 1,
            ..Quotas::default()
        });
    })
}

/// The counters of attempts at passwords.
async fn attempts(app: &TestApp) -> Vec<Entry> {
    let kinds = ["pair", "known", "account", "address", "login"].map(|kind| Key::of(&("throttles", kind)));
    let is_attempt = |entry: &Entry| kinds.iter().any(|kind| entry.key.strip_prefix(kind).is_some());
    let mut entries = app.all_entries().await;
    entries.retain(is_attempt);
    entries
}

/// Checks that the login of the day is used up, and that not the number of attempts is the reason.
fn assert_second_login_is_rejected(response: TestResponse) {
    assert_eq!(response.header("retry-after"), Some("86400"), "a day");
    response.assert_problem(429, Code::TooManyAttempts);
}

/// Checks a request of Alice with her password, which changes neither her password nor her logins.
async fn assert_is_one_attempt(path: &str, body: Value) {
    let app = start();
    let alice = app.register(ALICE).await;
    let bob = app.register("bob@example.com").await;
    let send = async |app: &TestApp| app.post(path).by(&alice).json(&body).send().await;
    // The first one creates the counters.
    let response = send(&app).await;
    assert!(response.status.is_success(), "{path}: {}", response.body);
    let before = attempts(&app).await;
    assert!(!before.is_empty());

    let interrupted = interrupted(&app, &alice, &bob);
    let response = send(&interrupted).await;
    assert!(response.status.is_success(), "{path}: {}", response.body);
    assert_eq!(interrupted.env.hasher.verifications(), 2);
    assert!(attempts(&app).await == before, "{path}");
    assert_second_login_is_rejected(send(&interrupted).await);
}

#[tokio::test]
async fn a_repeated_reauthentication_is_one_attempt() {
    assert_is_one_attempt("/v5/auth/reauthenticate", json!({ "password": "password123" })).await;
}

#[tokio::test]
async fn a_repeated_change_of_the_email_is_one_attempt() {
    let body = json!({ "email": "new@example.com", "password": "password123" });
    assert_is_one_attempt("/v5/users/me/email", body).await;
}

#[tokio::test]
async fn a_repeated_login_is_one_attempt() {
    let body = json!({ "email": ALICE, "password": "password123" });
    assert_is_one_attempt("/v5/auth/login", body).await;
}

#[tokio::test]
async fn a_repeated_password_change_is_one_attempt() {
    let app = start();
    let alice = app.register(ALICE).await;
    let bob = app.register("bob@example.com").await;
    let interrupted = interrupted(&app, &alice, &bob);
    let change = json!({ "currentPassword": "password123", "newPassword": "another password" });
    let response = interrupted.post("/v5/auth/password").by(&alice).json(&change).send();
    response.await.ok();
    assert_eq!(interrupted.env.hasher.verifications(), 2);
    let login = json!({ "email": ALICE, "password": "another password" });
    let response = interrupted.post("/v5/auth/login").json(&login).send().await;
    assert_second_login_is_rejected(response);
}
