//! Changing the email of an account: confirmation, undo, and races.

use std::time::Duration;

use domain::operator::{Operator, UserName, users};
use domain::text::Name;
use serde_json::json;
use testkit::{Actor, Code, Target as _, TestApp, TestResponse, waiting_emails};

use crate::start;

/// The time after which an account can have another email sent.
const HOUR: Duration = Duration::from_hours(1);

pub const OLD: &str = "alice@example.com";
pub const NEW: &str = "new@example.com";

async fn change(app: &TestApp, actor: &Actor, email: &str, password: &str) -> TestResponse {
    let body = json!({ "email": email, "password": password });
    app.post("/v5/users/me/email").by(actor).json(&body).send().await
}

pub async fn send(app: &TestApp, what: &str, token: &str) -> TestResponse {
    let body = json!({ "token": token });
    app.post(&format!("/v5/auth/email/{what}")).json(&body).send().await
}

pub async fn log_in(app: &TestApp, email: &str) -> TestResponse {
    let body = json!({ "email": email, "password": "password123" });
    app.post("/v5/auth/login").json(&body).send().await
}

/// Registers an account, and verifies its address.
pub async fn register_verified(app: &TestApp, email: &str) -> Actor {
    let actor = app.register(email).await;
    let token = app.mail_token(email, "email.verification").await;
    send(app, "verify", &token).await.ok();
    actor
}

/// Requests the change, and returns the token of the email to the new address.
pub async fn requested(app: &TestApp, actor: &Actor, email: &str) -> String {
    change(app, actor, email, "password123").await.accepted();
    app.mail_token(email, "email.change").await
}

/// Changes the email from a verified address, and returns the token with which the old one undoes that.
pub async fn changed(app: &TestApp, actor: &Actor, from: &str, to: &str) -> String {
    let token = requested(app, actor, to).await;
    send(app, "confirm", &token).await.ok();
    app.mail_token(from, "email.changed").await
}

/// Checks that the account with the new address has no attempts for this device alone.
pub async fn assert_device_is_unknown(app: &TestApp, device: &str) {
    let attempt = |device: Option<&str>| {
        let body = json!({ "email": NEW, "password": "a wrong one", "deviceToken": device });
        app.post("/v5/auth/login").json(&body).send()
    };
    for _ in 0..10 {
        attempt(None).await;
    }
    attempt(Some(device)).await.assert_problem(429, Code::TooManyAttempts);
}

/// Uses the token of the email that the restored address gets after an undo.
async fn recover(app: &TestApp, email: &str) -> TestResponse {
    let token = app.mail_token(email, "email.change_undone").await;
    let body = json!({ "token": token, "password": "another password" });
    app.post("/v5/auth/recovery/complete").json(&body).send().await
}

/// Checks that the account has this email again after an undo.
async fn recovered(app: &TestApp, email: &str) {
    let data = recover(app, email).await.ok();
    assert_eq!(data["user"]["email"], email);
}

#[tokio::test]
async fn nothing_changes_until_the_new_address_confirms() {
    let app = start();
    let alice = app.register(OLD).await;
    let token = requested(&app, &alice, NEW).await;
    log_in(&app, NEW).await.assert_problem(401, Code::InvalidCredentials);
    log_in(&app, OLD).await.ok();
    assert_eq!(send(&app, "confirm", &token).await.ok(), json!({}));
    log_in(&app, OLD).await.assert_problem(401, Code::InvalidCredentials);
    let data = log_in(&app, NEW).await.ok();
    assert_eq!(
        (&data["user"]["email"], &data["user"]["emailVerified"]),
        (&json!(NEW), &json!(true))
    );
    // The login goes on.
    app.get("/v5/auth/logins").by(&alice).send().await.ok();
    send(&app, "confirm", &token).await.assert_problem(404, Code::NotFound);
}

#[tokio::test]
async fn a_request_needs_the_password_and_another_address() {
    let app = start();
    let alice = app.register(OLD).await;
    let response = change(&app, &alice, NEW, "a wrong one").await;
    response.assert_problem(401, Code::InvalidCredentials);
    change(&app, &alice, " ALICE@example.com", "password123")
        .await
        .assert_invalid(&["/email"]);
    change(&app, &alice, "new@example.com\r\nBcc: eve@example.com", "password123")
        .await
        .assert_invalid(&["/email"]);
    let emails = waiting_emails(&app.env.db).await;
    assert!(emails.iter().all(|email| email["to"] == OLD), "{emails:?}");
    let response = app.post("/v5/users/me/email").json(&json!({})).send().await;
    response.assert_problem(401, Code::MissingToken);
    // Wrong passwords count with those of a password change.
    for _ in 0..9 {
        change(&app, &alice, NEW, "a wrong one").await;
    }
    let body = json!({ "currentPassword": "password123", "newPassword": "another password" });
    let response = app.post("/v5/auth/password").by(&alice).json(&body).send().await;
    response.assert_problem(429, Code::TooManyAttempts);
}

#[tokio::test]
async fn a_newer_request_replaces_an_older_one() {
    let app = start();
    let alice = app.register(OLD).await;
    let first = requested(&app, &alice, "first@example.com").await;
    let second = requested(&app, &alice, NEW).await;
    send(&app, "confirm", &first).await.assert_problem(404, Code::NotFound);
    send(&app, "confirm", &second).await.ok();
    let third = requested(&app, &alice, "third@example.com").await;
    app.clock.advance(Duration::from_secs(24 * 3600));
    send(&app, "confirm", &third).await.assert_problem(404, Code::NotFound);
}

#[tokio::test]
async fn only_the_owner_of_a_taken_address_learns_that_it_is_taken() {
    let app = start();
    let alice = app.register(OLD).await;
    app.register(NEW).await;
    let token = requested(&app, &alice, NEW).await;
    send(&app, "confirm", &token)
        .await
        .assert_problem(409, Code::EmailTaken);
    log_in(&app, OLD).await.ok();
}

#[tokio::test]
async fn the_old_address_undoes_the_change_for_seven_days_and_ends_every_login() {
    let app = start();
    let alice = register_verified(&app, OLD).await;
    let undo = changed(&app, &alice, OLD, NEW).await;
    let thief = log_in(&app, NEW).await.ok();
    app.clock.advance(Duration::from_secs(7 * 24 * 3600 - 1));
    assert_eq!(send(&app, "undo", &undo).await.ok(), json!({}));
    let response = app
        .get("/v5/auth/logins")
        .bearer(thief["token"].as_str().unwrap())
        .send()
        .await;
    assert_eq!(response.status, 401);
    log_in(&app, NEW).await.assert_problem(401, Code::InvalidCredentials);
    send(&app, "undo", &undo).await.assert_problem(404, Code::NotFound);
    // The person who changed the email knew the password.
    recovered(&app, OLD).await;
    // The other address is free.
    app.register(NEW).await;
}

#[tokio::test]
async fn an_undo_ends_the_logins_that_are_alive() {
    let app = start();
    let alice = register_verified(&app, OLD).await;
    let undo = changed(&app, &alice, OLD, NEW).await;
    send(&app, "undo", &undo).await.ok();
    let response = app.get("/v5/auth/logins").by(&alice).send().await;
    response.assert_problem(401, Code::RevokedToken);
}

#[tokio::test]
async fn after_seven_days_there_is_no_undo_and_the_old_address_is_free() {
    let app = start();
    let alice = register_verified(&app, OLD).await;
    let undo = changed(&app, &alice, OLD, NEW).await;
    let account = json!({ "email": OLD, "password": "password123" });
    let register = || app.post("/v5/auth/register").json(&account).send();
    register().await.assert_problem(409, Code::EmailTaken);
    let bob = app.register("bob@example.com").await;
    let token = requested(&app, &bob, OLD).await;
    send(&app, "confirm", &token)
        .await
        .assert_problem(409, Code::EmailTaken);
    app.clock.advance(Duration::from_secs(7 * 24 * 3600));
    send(&app, "undo", &undo).await.assert_problem(404, Code::NotFound);
    register().await.created();
}

#[tokio::test]
async fn a_second_change_does_not_take_the_first_undo_away() {
    let app = start();
    let alice = register_verified(&app, OLD).await;
    let first = changed(&app, &alice, OLD, NEW).await;
    app.clock.advance(Duration::from_secs(1));
    let second = changed(&app, &alice, NEW, "third@example.com").await;
    send(&app, "undo", &first).await.ok();
    recovered(&app, OLD).await;
    // The same person made both changes.
    send(&app, "undo", &second).await.assert_problem(404, Code::NotFound);
}

#[tokio::test]
async fn an_undo_of_the_last_change_keeps_the_earlier_ones() {
    let app = start();
    let alice = register_verified(&app, OLD).await;
    let first = changed(&app, &alice, OLD, NEW).await;
    app.clock.advance(Duration::from_secs(1));
    let second = changed(&app, &alice, NEW, "third@example.com").await;
    send(&app, "undo", &second).await.ok();
    recovered(&app, NEW).await;
    send(&app, "undo", &first).await.ok();
    recovered(&app, OLD).await;
}

#[tokio::test]
async fn a_user_can_change_back_to_an_old_address_and_changes_are_limited() {
    let app = start();
    let alice = register_verified(&app, OLD).await;
    changed(&app, &alice, OLD, NEW).await;
    changed(&app, &alice, NEW, OLD).await;
    log_in(&app, OLD).await.ok();
    let mut from = OLD.to_owned();
    for number in 0..3 {
        let to = format!("{number}@example.com");
        app.clock.advance(HOUR);
        changed(&app, &alice, &from, &to).await;
        from = to;
    }
    // The addresses that can undo a change: the first two, and three of the others.
    app.clock.advance(HOUR);
    changed(&app, &alice, &from, "last@example.com").await;
    app.clock.advance(HOUR);
    let token = requested(&app, &alice, "beyond@example.com").await;
    send(&app, "confirm", &token)
        .await
        .assert_problem(429, Code::TooManyAttempts);
}

#[tokio::test]
async fn recovery_and_a_password_change_cancel_a_requested_change() {
    let app = start();
    let alice = app.register(OLD).await;
    let bob = app.register("bob@example.com").await;
    let token = requested(&app, &alice, NEW).await;
    let body = json!({ "currentPassword": "password123", "newPassword": "another password" });
    app.post("/v5/auth/password").by(&alice).json(&body).send().await.ok();
    send(&app, "confirm", &token).await.assert_problem(404, Code::NotFound);

    let token = requested(&app, &bob, "robert@example.com").await;
    let body = json!({ "email": "bob@example.com" });
    app.post("/v5/auth/recovery").json(&body).send().await.accepted();
    let recovery = app.mail_token("bob@example.com", "password.recovery").await;
    let body = json!({ "token": recovery, "password": "another password" });
    app.post("/v5/auth/recovery/complete").json(&body).send().await.ok();
    send(&app, "confirm", &token).await.assert_problem(404, Code::NotFound);
}

#[tokio::test]
async fn a_recovery_token_of_the_old_address_ends_with_the_change() {
    let app = start();
    let alice = register_verified(&app, OLD).await;
    let body = json!({ "email": OLD });
    app.post("/v5/auth/recovery").json(&body).send().await.accepted();
    let recovery = app.mail_token(OLD, "password.recovery").await;
    changed(&app, &alice, OLD, NEW).await;
    let body = json!({ "token": recovery, "password": "another password" });
    let response = app.post("/v5/auth/recovery/complete").json(&body).send().await;
    response.assert_problem(404, Code::NotFound);
}

#[tokio::test]
async fn the_account_trusts_no_device_at_the_new_address() {
    let app = start();
    // Bob had the address before.
    let bob = register_verified(&app, NEW).await;
    let device = bob.signed_in.refresh_token.device_token().reveal();
    changed(&app, &bob, NEW, "bob@example.com").await;
    app.clock.advance(Duration::from_secs(7 * 24 * 3600));
    let alice = register_verified(&app, OLD).await;
    changed(&app, &alice, OLD, NEW).await;
    assert_device_is_unknown(&app, &device).await;
}

#[tokio::test]
async fn a_suspended_user_cannot_confirm_and_can_undo() {
    let app = start();
    let alice = register_verified(&app, OLD).await;
    let undo = changed(&app, &alice, OLD, NEW).await;
    let token = requested(&app, &alice, "third@example.com").await;
    let operator = Operator::new(&app.env, Name::parse("ops").unwrap());
    let user = UserName::Id(alice.signed_in.user.id);
    users::suspend(&app.env, &operator, &user).await.unwrap();
    send(&app, "confirm", &token)
        .await
        .assert_problem(403, Code::AccountSuspended);
    send(&app, "undo", &undo).await.ok();
    recover(&app, OLD).await.assert_problem(403, Code::AccountSuspended);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_accounts_that_change_to_one_address_one_succeeds() {
    for _ in 0..4 {
        let app = start();
        let (alice, bob) = (app.register(OLD).await, app.register("bob@example.com").await);
        let first = requested(&app, &alice, NEW).await;
        app.clock.advance(Duration::from_secs(2));
        let second = requested(&app, &bob, NEW).await;
        let (one, other) = tokio::join!(send(&app, "confirm", &first), send(&app, "confirm", &second));
        let mut statuses = [one.status.as_u16(), other.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
        log_in(&app, NEW).await.ok();
    }
}
