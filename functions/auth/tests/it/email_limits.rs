//! The limits of requests for emails: whom a client can keep from an email, and to whom it can have one sent.

use serde_json::json;
use testkit::{Actor, Code, Target as _, TestApp, TestResponse, waiting_emails};

use crate::start;

const ALICE: &str = "alice@example.com";
const RECOVERY: &str = "password.recovery";

async fn recover(app: &TestApp, email: &str) -> TestResponse {
    let body = json!({ "email": email });
    app.post("/v5/auth/recovery").json(&body).send().await
}

async fn change(app: &TestApp, actor: &Actor, email: &str) -> TestResponse {
    let body = json!({ "email": email, "password": "password123" });
    app.post("/v5/users/me/email").by(actor).json(&body).send().await
}

/// The number of emails of this type that wait for this address.
async fn count(app: &TestApp, to: &str, kind: &str) -> usize {
    let emails = waiting_emails(&app.env.db).await;
    let found = emails
        .iter()
        .filter(|email| email["to"] == to && email["message"]["type"] == kind);
    found.count()
}

#[tokio::test]
async fn changes_to_an_address_do_not_keep_its_owner_from_a_recovery() {
    let app = start();
    app.register(ALICE).await;
    for number in 0..4 {
        let eve = app.register(&format!("eve-{number}@example.com")).await;
        let response = change(&app, &eve, ALICE).await;
        assert_eq!(response.status, if number < 3 { 202 } else { 429 });
    }
    recover(&app, ALICE).await.accepted();
    assert_eq!(count(&app, ALICE, RECOVERY).await, 1);
}

#[tokio::test]
async fn a_right_password_costs_no_attempt_when_there_are_too_many_emails() {
    let app = start();
    let alice = app.register(ALICE).await;
    for number in 0..30 {
        let response = change(&app, &alice, "new@example.com").await;
        assert_eq!(response.status, if number < 3 { 202 } else { 429 });
    }
    let body = json!({ "password": "password123" });
    app.post("/v5/auth/reauthenticate")
        .by(&alice)
        .json(&body)
        .send()
        .await
        .ok();
}

#[tokio::test]
async fn recoveries_of_an_address_do_not_keep_an_account_from_a_change_to_it() {
    let app = start();
    let alice = app.register(ALICE).await;
    for _ in 0..10 {
        recover(&app, "new@example.com").await.accepted();
    }
    change(&app, &alice, "new@example.com").await.accepted();
    assert_eq!(count(&app, "new@example.com", "email.change").await, 1);
}

#[tokio::test]
async fn recoveries_from_a_site_do_not_limit_its_signed_in_users() {
    let app = start();
    let alice = app.register(ALICE).await;
    for number in 0..50 {
        recover(&app, &format!("unknown-{number}@example.com")).await.accepted();
    }
    let response = recover(&app, "another@example.com").await;
    response.assert_problem(429, Code::TooManyAttempts);
    let verification = app.post("/v5/auth/email/verification").by(&alice);
    verification.send().await.accepted();
    change(&app, &alice, "new@example.com").await.accepted();
}

#[tokio::test]
async fn signed_in_users_do_not_limit_the_recoveries_from_their_site() {
    let app = start();
    for number in 0..50 {
        let user = app.register(&format!("user-{number}@example.com")).await;
        let response = change(&app, &user, &format!("new-{number}@example.com")).await;
        response.accepted();
    }
    recover(&app, "user-0@example.com").await.accepted();
}

#[tokio::test]
async fn an_account_can_have_only_a_few_strangers_sent_an_email() {
    let app = start();
    let [alice, bob] = [app.register(ALICE).await, app.register("bob@example.com").await];
    for number in 0..3 {
        let response = change(&app, &alice, &format!("stranger-{number}@example.com")).await;
        response.accepted();
    }
    let response = change(&app, &alice, "stranger-3@example.com").await;
    assert_eq!(response.header("retry-after"), Some("1"));
    response.assert_problem(429, Code::TooManyAttempts);
    assert_eq!(count(&app, "stranger-3@example.com", "email.change").await, 0);
    // Emails to the own address have a limit of their own, and so has another account.
    let verification = app.post("/v5/auth/email/verification").by(&alice);
    verification.send().await.accepted();
    change(&app, &bob, "stranger-3@example.com").await.accepted();
}
