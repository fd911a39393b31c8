//! What an undone change of the email leaves behind, and changes of an address that was never verified.

use std::time::Duration;

use domain::access_tokens::Scope;
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp, TestResponse, waiting_emails};

use crate::email_change::{NEW, OLD, assert_device_is_unknown, changed, log_in, register_verified, requested, send};
use crate::start;

async fn register(app: &TestApp, email: &str) -> TestResponse {
    let body = json!({ "email": email, "password": "password123" });
    let request = app.post("/v5/auth/register").json(&body);
    request.from_address("198.51.100.7").send().await
}

/// Recovers the account with the token of an email of this type to the old address.
async fn recover(app: &TestApp, kind: &str) -> Value {
    let token = app.mail_token(OLD, kind).await;
    let body = json!({ "token": token, "password": "another password" });
    app.post("/v5/auth/recovery/complete").json(&body).send().await.ok()
}

/// The types of the emails to this address, sorted.
async fn kinds(app: &TestApp, to: &str) -> Vec<String> {
    let emails = waiting_emails(&app.env.db).await;
    let emails = emails.iter().filter(|email| email["to"] == to);
    let mut kinds: Vec<_> = emails
        .map(|email| email["message"]["type"].as_str().unwrap().to_owned())
        .collect();
    kinds.sort();
    kinds
}

#[tokio::test]
async fn an_address_that_was_never_verified_is_free_after_a_change_and_cannot_undo_it() {
    let app = start();
    // Eve has registered the address of another person.
    let eve = app.register(OLD).await;
    let token = requested(&app, &eve, NEW).await;
    send(&app, "confirm", &token).await.ok();
    assert_eq!(kinds(&app, OLD).await, ["email.replaced", "email.verification"]);
    register(&app, OLD).await.created();
    // The new address is verified, so the next change can be undone.
    let undo = changed(&app, &eve, NEW, "third@example.com").await;
    register(&app, NEW).await.assert_problem(409, Code::EmailTaken);
    send(&app, "undo", &undo).await.ok();
}

#[tokio::test]
async fn after_an_undo_only_the_email_to_the_restored_address_opens_the_account() {
    let app = start();
    let alice = register_verified(&app, OLD).await;
    let undo = changed(&app, &alice, OLD, NEW).await;
    send(&app, "undo", &undo).await.ok();
    // The person who changed the email knew the password.
    log_in(&app, OLD).await.assert_problem(401, Code::InvalidCredentials);
    assert_eq!(recover(&app, "email.change_undone").await["user"]["email"], OLD);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_during_an_undo_ends_with_it() {
    for _ in 0..4 {
        let app = start();
        let alice = register_verified(&app, OLD).await;
        let undo = changed(&app, &alice, OLD, NEW).await;
        let (login, undone) = tokio::join!(log_in(&app, NEW), send(&app, "undo", &undo));
        undone.ok();
        if login.status == 200 {
            let token = login.body["data"]["token"].as_str().unwrap();
            let response = app.get("/v5/auth/logins").bearer(token).send().await;
            response.assert_problem(401, Code::RevokedToken);
        }
    }
}

#[tokio::test]
async fn a_tenant_with_the_name_of_the_email_is_renamed_with_it() {
    let app = start();
    let alice = register_verified(&app, OLD).await;
    let undo = changed(&app, &alice, OLD, NEW).await;
    assert_eq!(log_in(&app, NEW).await.ok()["tenant"]["name"], NEW);
    send(&app, "undo", &undo).await.ok();
    assert_eq!(recover(&app, "email.change_undone").await["tenant"]["name"], OLD);

    let body = json!({ "email": "bob@example.com", "password": "password123", "company": "Example Co" });
    let bob = app.post("/v5/auth/register").json(&body).send().await.created();
    let body = json!({ "email": "robert@example.com", "password": "password123" });
    let change = app.post("/v5/users/me/email").bearer(bob["token"].as_str().unwrap());
    change.json(&body).send().await.accepted();
    let token = app.mail_token("robert@example.com", "email.change").await;
    send(&app, "confirm", &token).await.ok();
    let data = log_in(&app, "robert@example.com").await.ok();
    assert_eq!(data["tenant"]["name"], "Example Co");
}

#[tokio::test]
async fn an_undo_revokes_personal_access_tokens() {
    let app = start();
    let alice = register_verified(&app, OLD).await;
    let undo = changed(&app, &alice, OLD, NEW).await;
    assert_revoked_by(&app, &alice, async || {
        send(&app, "undo", &undo).await.ok();
    })
    .await;
}

#[tokio::test]
async fn a_recovery_revokes_personal_access_tokens() {
    let app = start();
    let alice = app.register(OLD).await;
    let body = json!({ "email": OLD });
    app.post("/v5/auth/recovery").json(&body).send().await.accepted();
    assert_revoked_by(&app, &alice, async || {
        recover(&app, "password.recovery").await;
    })
    .await;
}

/// Checks that `end` revokes a personal access token. No operation here accepts one, so a live one lacks the scope.
async fn assert_revoked_by(app: &TestApp, actor: &Actor, end: impl AsyncFnOnce()) {
    let scopes = [Scope::ReadSessions];
    let (_, token) = app.access_token(actor, scopes, Duration::from_hours(24)).await;
    let call = || app.get("/v5/auth/logins").bearer(&token).send();
    call().await.assert_problem(403, Code::InsufficientScope);
    end().await;
    call().await.assert_problem(401, Code::InvalidToken);
}

#[tokio::test]
async fn an_undo_makes_devices_unknown_at_the_address_that_it_frees() {
    let app = start();
    let alice = register_verified(&app, OLD).await;
    let undo = changed(&app, &alice, OLD, NEW).await;
    let device = log_in(&app, NEW).await.ok()["deviceToken"].clone();
    send(&app, "undo", &undo).await.ok();
    register(&app, NEW).await.created();
    assert_device_is_unknown(&app, device.as_str().unwrap()).await;
}

#[tokio::test]
async fn an_undo_frees_the_addresses_of_later_changes() {
    let app = start();
    let alice = register_verified(&app, OLD).await;
    let undo = changed(&app, &alice, OLD, NEW).await;
    app.clock.advance(Duration::from_secs(1));
    changed(&app, &alice, NEW, "third@example.com").await;
    register(&app, NEW).await.assert_problem(409, Code::EmailTaken);
    send(&app, "undo", &undo).await.ok();
    for email in [NEW, "third@example.com"] {
        register(&app, email).await.created();
    }
}
