//! Repeated registrations with an `Idempotency-Key`.

use axum::http::HeaderName;
use serde_json::{Value, json};
use testkit::{Code, Target as _, TestApp, TestResponse};
use tokio::task::JoinSet;

use crate::start;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

async fn register(app: &TestApp, key: &str, body: &Value) -> TestResponse {
    app.post("/v5/auth/register").header(KEY, key).json(body).send().await
}

fn account(email: &str) -> Value {
    json!({ "email": email, "password": "password123", "firstName": "Ada" })
}

#[tokio::test]
async fn a_repeated_registration_opens_a_new_login_of_the_same_account() {
    let app = start();
    let first = register(&app, "key", &account("ada@example.com")).await;
    assert_eq!(first.header("idempotency-replayed"), None);
    let first = first.created();
    let repeated = register(&app, "key", &account("Ada@Example.com")).await;
    assert_eq!(repeated.header("idempotency-replayed"), Some("true"));
    let repeated = repeated.created();
    assert_eq!(
        (&repeated["user"], &repeated["tenant"]),
        (&first["user"], &first["tenant"])
    );
    assert_ne!(repeated["token"], first["token"]);
    assert_ne!(repeated["refreshToken"], first["refreshToken"]);
    for data in [&first, &repeated] {
        let token = data["token"].as_str().unwrap();
        let logins = app.get("/v5/auth/logins").bearer(token).send().await.ok();
        assert_eq!(logins["logins"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn the_same_key_with_another_registration_is_rejected() {
    let app = start();
    register(&app, "key", &account("ada@example.com")).await.created();
    let mut other = account("ada@example.com");
    other["firstName"] = "Eve".into();
    register(&app, "key", &other)
        .await
        .assert_problem(422, Code::IdempotencyMismatch);
    let mut other = account("ada@example.com");
    other["password"] = "password124".into();
    register(&app, "key", &other)
        .await
        .assert_problem(422, Code::IdempotencyMismatch);
    register(&app, "another", &account("ada@example.com"))
        .await
        .assert_problem(409, Code::EmailTaken);
    // The key of another email is independent.
    register(&app, "key", &account("eve@example.com")).await.created();
}

#[tokio::test]
async fn a_replay_after_a_password_change_is_reported_as_a_changed_password() {
    let app = start();
    let ada = account("ada@example.com");
    let created = register(&app, "key", &ada).await.created();
    let change = json!({ "currentPassword": ada["password"], "newPassword": "another passphrase" });
    let token = created["token"].as_str().unwrap();
    let changed = app.post("/v5/auth/password").bearer(token).json(&change).send().await;
    changed.ok();
    let response = register(&app, "key", &ada).await;
    let detail = response.body["detail"].as_str().unwrap();
    assert!(
        detail.contains("has another password by now") && !detail.contains("body"),
        "{detail}"
    );
    response.assert_problem(422, Code::IdempotencyMismatch);
}

#[tokio::test]
async fn guesses_with_an_idempotency_key_are_throttled_like_logins() {
    let app = start();
    register(&app, "key", &account("ada@example.com")).await.created();
    let mut guess = account("ada@example.com");
    guess["password"] = "password124".into();
    for _ in 0..10 {
        register(&app, "key", &guess)
            .await
            .assert_problem(422, Code::IdempotencyMismatch);
    }
    register(&app, "key", &account("ada@example.com"))
        .await
        .assert_problem(429, Code::TooManyAttempts);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_concurrent_registrations_with_one_key_return_one_account() {
    let app = std::sync::Arc::new(start());
    let mut requests = JoinSet::new();
    for _ in 0..5 {
        let app = app.clone();
        requests.spawn(async move { register(&app, "key", &account("ada@example.com")).await });
    }
    let responses = requests.join_all().await;
    let fresh = responses
        .iter()
        .filter(|response| response.header("idempotency-replayed").is_none());
    assert_eq!(fresh.count(), 1);
    let users: Vec<_> = responses
        .into_iter()
        .map(|response| response.created()["user"]["id"].clone())
        .collect();
    assert!(users.iter().all(|user| *user == users[0]), "{users:?}");
}

#[tokio::test]
async fn the_stored_outcome_of_a_registration_has_neither_token_nor_password() {
    let app = start();
    let created = register(&app, "key", &account("ada@example.com")).await.created();
    let range = kv::Range::below(&kv::Key::of(&("idempotency", "register")));
    let entries = app.all_entries().await;
    let outcomes: Vec<_> = entries.iter().filter(|entry| range.contains(&entry.key)).collect();
    assert_eq!(outcomes.len(), 1);
    let record: Value = serde_json::from_slice(&outcomes[0].value).unwrap();
    let mut outcome = record["data"]["outcome"].clone();
    assert_eq!(outcome["user"].take(), created["user"]["id"]);
    let expected = json!({ "user": null, "firstName": "Ada", "lastName": null, "company": null });
    assert_eq!(outcome, expected);
    let members: Vec<_> = record["data"].as_object().unwrap().keys().collect();
    assert_eq!(members, ["outcome", "until"]);
}
