use std::time::Duration;

use axum::http::header;
use domain::logins::MAX_LOGINS;
use serde_json::{Value, json};
use testkit::{Code, Target as _, TestApp};

use crate::start;

async fn log_in(app: &TestApp, email: &str, agent: &str) -> Value {
    app.post("/v5/auth/login")
        .header(header::USER_AGENT, agent)
        .json(&json!({ "email": email, "password": "password123" }))
        .send()
        .await
        .ok()
}

fn token(data: &Value) -> &str {
    data["token"].as_str().unwrap()
}

async fn list(app: &TestApp, token: &str) -> Vec<Value> {
    let data = app.get("/v5/auth/logins").bearer(token).send().await.ok();
    data["logins"].as_array().unwrap().clone()
}

async fn assert_revoked(app: &TestApp, token: &str) {
    app.get("/v5/auth/logins")
        .bearer(token)
        .send()
        .await
        .assert_problem(401, Code::RevokedToken);
}

#[tokio::test]
async fn the_callers_logins_are_listed_newest_first() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    app.register("bob@example.com").await;
    app.clock.advance(Duration::from_secs(60));
    let phone = log_in(&app, "alice@example.com", "phone/1").await;
    let mut logins = list(&app, token(&phone)).await;
    assert_eq!(logins.len(), 2);
    assert_eq!(logins[1]["id"], alice.signed_in.login.id.to_string());
    assert_eq!(logins[1]["current"], false);
    logins[0]["id"] = "…".into();
    logins[0]["ip"] = "…".into();
    assert_eq!(
        logins[0],
        json!({
            "id": "…",
            "createdAt": "2026-01-01T00:01:00.000Z",
            "lastUsedAt": "2026-01-01T00:01:00.000Z",
            "expiresAt": "2026-01-31T00:01:00.000Z",
            "userAgent": "phone/1",
            "ip": "…",
            "current": true,
        })
    );
}

#[tokio::test]
async fn ending_a_login_revokes_its_tokens_immediately() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let phone = log_in(&app, "alice@example.com", "phone").await;
    let path = format!("/v5/auth/logins/{}", alice.signed_in.login.id);
    app.delete(&path).bearer(token(&phone)).send().await.ok();
    assert_revoked(&app, &alice.token).await;
    app.delete(&path)
        .bearer(token(&phone))
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    assert_eq!(list(&app, token(&phone)).await.len(), 1);
}

#[tokio::test]
async fn another_users_login_is_not_found() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let bob = app.register("bob@example.com").await;
    for id in [
        &alice.signed_in.login.id.to_string(),
        "0190d0a0-7c3e-7a11-8f3e-0123456789ab",
        "nonsense",
    ] {
        app.delete(&format!("/v5/auth/logins/{id}"))
            .by(&bob)
            .send()
            .await
            .assert_problem(404, Code::NotFound);
    }
    assert_eq!(list(&app, &alice.token).await.len(), 1);
}

#[tokio::test]
async fn a_login_can_end_itself() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let path = format!("/v5/auth/logins/{}", alice.signed_in.login.id);
    app.delete(&path).by(&alice).send().await.ok();
    assert_revoked(&app, &alice.token).await;
}

#[tokio::test]
async fn logging_out_everywhere_ends_all_logins_of_the_caller_only() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let bob = app.register("bob@example.com").await;
    let phone = log_in(&app, "alice@example.com", "phone").await;
    let data = app.post("/v5/auth/logout-all").bearer(token(&phone)).send().await.ok();
    assert_eq!(data, json!({ "ended": 2 }));
    for token in [&alice.token, token(&phone)] {
        assert_revoked(&app, token).await;
        let repeated = app.post("/v5/auth/logout-all").bearer(token).send().await;
        repeated.assert_problem(401, Code::RevokedToken);
    }
    assert_eq!(list(&app, &bob.token).await.len(), 1);
}

#[tokio::test]
async fn an_expired_login_is_neither_listed_nor_counted() {
    let app = start();
    app.register("alice@example.com").await;
    app.clock.advance(Duration::from_hours(31 * 24));
    let phone = log_in(&app, "alice@example.com", "phone").await;
    assert_eq!(list(&app, token(&phone)).await.len(), 1);
    let data = app.post("/v5/auth/logout-all").bearer(token(&phone)).send().await.ok();
    assert_eq!(data["ended"], 1);
}

#[tokio::test]
async fn a_login_above_the_limit_evicts_the_least_recently_used_login() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let second = log_in(&app, "alice@example.com", "second").await;
    app.clock.advance(Duration::from_secs(1));
    let body = json!({ "refreshToken": alice.refresh_token() });
    app.post("/v5/auth/refresh").json(&body).send().await.ok();
    let mut last = Value::Null;
    for _ in 2..=MAX_LOGINS {
        last = log_in(&app, "alice@example.com", "another").await;
    }
    let logins = list(&app, token(&last)).await;
    assert_eq!(logins.len(), MAX_LOGINS);
    assert_revoked(&app, token(&second)).await;
    list(&app, &alice.token).await;
}

#[tokio::test]
async fn expired_logins_are_evicted_before_less_recently_used_logins() {
    const DAY: Duration = Duration::from_hours(24);
    let app = start();
    let mut old = app.register("alice@example.com").await;
    for _ in 0..3 {
        app.clock.advance(28 * DAY);
        old = app.refresh(&old).await;
    }
    for _ in 1..MAX_LOGINS {
        app.sign_in(&old).await;
    }
    app.clock.advance(DAY);
    old = app.refresh(&old).await;
    app.clock.advance(5 * DAY);
    assert!(!old.signed_in.login.is_alive(app.env.clock.now()));
    let last = log_in(&app, "alice@example.com", "last").await;
    assert_eq!(list(&app, token(&last)).await.len(), MAX_LOGINS);
}
