//! Verifying the address of an account, and the tokens that do not.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Code, Target as _, TestApp, TestResponse, waiting_emails};

use crate::{events, start};

const KIND: &str = "email.verification";

async fn verify(app: &TestApp, token: &str) -> TestResponse {
    let body = json!({ "token": token });
    app.post("/v5/auth/email/verify").json(&body).send().await
}

async fn log_in(app: &TestApp) -> Value {
    let body = json!({ "email": "alice@example.com", "password": "password123" });
    app.post("/v5/auth/login").json(&body).send().await.ok()
}

#[tokio::test]
async fn a_new_account_is_verified_with_the_token_of_its_email_once() {
    let app = start();
    app.register("alice@example.com").await;
    assert_eq!(log_in(&app).await["user"]["emailVerified"], false);
    let token = app.mail_token("alice@example.com", KIND).await;
    assert_eq!(verify(&app, &token).await.ok(), json!({}));
    assert_eq!(log_in(&app).await["user"]["emailVerified"], true);
    verify(&app, &token).await.assert_problem(404, Code::NotFound);
    let types: Vec<_> = events(&app)
        .await
        .iter()
        .map(|event| event["action"]["type"].clone())
        .collect();
    assert_eq!(
        types.iter().filter(|kind| *kind == "email.verified").count(),
        1,
        "{types:?}"
    );
}

#[tokio::test]
async fn no_method_but_post_uses_a_token() {
    let app = start();
    app.register("alice@example.com").await;
    let token = app.mail_token("alice@example.com", KIND).await;
    for path in ["verify", "confirm", "undo"] {
        let path = format!("/v5/auth/email/{path}?token={token}");
        app.get(&path).send().await.assert_problem(405, Code::MethodNotAllowed);
        let head = app.request(axum::http::Method::HEAD, &path).send().await;
        assert_eq!(head.status, 405);
    }
    verify(&app, &token).await.ok();
}

#[tokio::test]
async fn a_token_that_is_truncated_foreign_expired_or_for_something_else_is_rejected() {
    let app = start();
    app.register("alice@example.com").await;
    app.register("bob@example.com").await;
    let [alice, bob] = [
        app.mail_token("alice@example.com", KIND).await,
        app.mail_token("bob@example.com", KIND).await,
    ];
    // Alice's id with Bob's secret: the first 16 of the 48 bytes are the id.
    let foreign = format!("{}{}", &alice[..33], &bob[33..]);
    let before = app.all_entries().await;
    for token in [
        &alice[..alice.len() - 1],
        &alice[1..],
        &format!("{alice}A"),
        &format!(" {alice}"),
        &foreign,
        "",
        "coditect_mt_",
        "marked\r\nBcc: eve@example.com",
        &"x".repeat(1024),
    ] {
        verify(&app, token).await.assert_problem(404, Code::NotFound);
    }
    verify(&app, &"x".repeat(1025)).await.assert_invalid(&["/token"]);
    let send = |body: Value| app.post("/v5/auth/email/verify").json(&body).send();
    send(json!({})).await.assert_invalid(&["/token"]);
    send(json!({ "token": 7 })).await.assert_invalid(&["/token"]);
    let completion = json!({ "token": alice, "password": "another password" });
    let response = app.post("/v5/auth/recovery/complete").json(&completion).send().await;
    response.assert_problem(404, Code::NotFound);
    for path in ["/v5/auth/email/confirm", "/v5/auth/email/undo"] {
        let response = app.post(path).json(&json!({ "token": alice })).send().await;
        response.assert_problem(404, Code::NotFound);
    }
    assert!(app.all_entries().await == before, "a rejected token has no effect");
    app.clock.advance(Duration::from_secs(24 * 3600));
    verify(&app, &alice).await.assert_problem(404, Code::NotFound);
}

#[tokio::test]
async fn the_email_is_sent_again_a_few_times_and_replaces_the_token() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let send = || app.post("/v5/auth/email/verification").by(&alice).send();
    let first = app.mail_token("alice@example.com", KIND).await;
    send().await.accepted();
    let second = app.mail_token("alice@example.com", KIND).await;
    assert_ne!(first, second);
    verify(&app, &first).await.assert_problem(404, Code::NotFound);
    for _ in 0..2 {
        send().await.accepted();
    }
    let limited = send().await;
    assert_eq!(limited.header("retry-after"), Some("1"));
    limited.assert_problem(429, Code::TooManyAttempts);
    let last = app.mail_token("alice@example.com", KIND).await;
    verify(&app, &last).await.ok();
    let count = waiting_emails(&app.env.db).await.len();
    app.clock.advance(Duration::from_secs(7200));
    send().await.accepted();
    assert_eq!(
        waiting_emails(&app.env.db).await.len(),
        count,
        "a verified address gets no email"
    );
}

#[tokio::test]
async fn without_emails_there_are_no_tokens() {
    let app = TestApp::without_outbox(auth::router());
    let alice = app.register("alice@example.com").await;
    app.post("/v5/auth/email/verification")
        .by(&alice)
        .send()
        .await
        .accepted();
    let body = json!({ "email": "alice@example.com" });
    app.post("/v5/auth/recovery").json(&body).send().await.accepted();
    let entries = app.all_entries().await;
    let tokens = entries
        .iter()
        .filter(|entry| format!("{:?}", entry.key).contains("mail_tokens"));
    assert_eq!(tokens.count(), 0);
}
