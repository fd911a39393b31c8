//! Suspended users: what they can do, and races of a suspension with requests.

use std::sync::Arc;

use axum::http::HeaderName;
use domain::operator::{Operator, UserName, users};
use domain::record;
use domain::tenants::Membership;
use domain::text::Name;
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp, TestRequest};

use crate::start;

fn operator(app: &TestApp) -> Operator {
    Operator::new(&app.env, Name::parse("ops").unwrap())
}

fn name(user: &Actor) -> UserName {
    UserName::Id(user.signed_in.user.id)
}

async fn suspend(app: &TestApp, user: &Actor) -> usize {
    users::suspend(&app.env, &operator(app), &name(user))
        .await
        .unwrap()
        .ended
}

fn log_in<'a>(app: &'a TestApp, password: &str) -> TestRequest<'a, TestApp> {
    let body = json!({ "email": "alice@example.com", "password": password });
    app.post("/v5/auth/login").json(&body)
}

#[tokio::test]
async fn only_the_right_password_reveals_a_suspension_and_the_email_stays_taken() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let before = log_in(&app, "a wrong one").send().await;
    assert_eq!(suspend(&app, &alice).await, 1);

    let after = log_in(&app, "a wrong one").send().await;
    for member in ["type", "title", "status", "detail", "code"] {
        assert_eq!(after.body[member], before.body[member]);
    }
    after.assert_problem(401, Code::InvalidCredentials);
    let response = log_in(&app, "password123").send().await;
    response.assert_problem(403, Code::AccountSuspended);
    let account = json!({ "email": "alice@example.com", "password": "password123" });
    let response = app.post("/v5/auth/register").json(&account).send().await;
    response.assert_problem(409, Code::EmailTaken);
    let body = json!({ "refreshToken": alice.refresh_token() });
    let response = app.post("/v5/auth/refresh").json(&body).send().await;
    response.assert_problem(401, Code::InvalidRefreshToken);

    assert!(users::resume(&app.env, &operator(&app), &name(&alice)).await.unwrap());
    let data = log_in(&app, "password123").send().await.ok();
    let token = data["token"].as_str().unwrap();
    app.get("/v5/auth/logins").bearer(token).send().await.ok();
}

#[tokio::test]
async fn a_repeated_registration_of_a_suspended_user_is_rejected_like_a_login() {
    let app = start();
    let account = json!({ "email": "alice@example.com", "password": "password123" });
    let register = || {
        let key = HeaderName::from_static("idempotency-key");
        app.post("/v5/auth/register").header(key, "one").json(&account)
    };
    register().send().await.created();
    let user = UserName::parse("alice@example.com").unwrap();
    users::suspend(&app.env, &operator(&app), &user).await.unwrap();
    register().send().await.assert_problem(403, Code::AccountSuspended);
}

#[tokio::test]
async fn refused_logins_of_a_suspended_user_are_throttled() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    suspend(&app, &alice).await;
    // The address is known to the account, so ten attempts are free.
    for _ in 0..10 {
        let response = log_in(&app, "password123").send().await;
        response.assert_problem(403, Code::AccountSuspended);
    }
    let response = log_in(&app, "password123").send().await;
    response.assert_problem(429, Code::TooManyAttempts);
}

/// Sends a request that verifies the password, and suspends the user after its first transaction, while the password is
/// hashed. Checks that no login of the user remains, and that the request has not succeeded.
async fn race(path: &str, body: impl Fn() -> Value, by_alice: bool, expected: (u16, Code)) {
    let app = Arc::new(start());
    let alice = app.register("alice@example.com").await;
    let before = app.all_entries().await;
    let request = tokio::spawn({
        let (app, alice, path, body) = (app.clone(), alice.clone(), path.to_owned(), body());
        async move {
            let request = app.post(&path).json(&body);
            let request = if by_alice { request.by(&alice) } else { request };
            request.send().await
        }
    });
    // The first transaction counts the attempt.
    while app.all_entries().await == before {
        tokio::task::yield_now().await;
    }
    suspend(&app, &alice).await;
    let response = request.await.unwrap();

    let logins = domain::logins::keys::logins(alice.signed_in.user.id);
    let own = domain::tenants::keys::membership(alice.signed_in.user.id, alice.signed_in.tenant.id);
    let entries = app.all_entries().await;
    let left: Vec<_> = entries
        .iter()
        .filter(|entry| entry.key.strip_prefix(&logins).is_some())
        .collect();
    assert!(left.is_empty(), "{path}: {left:?}");
    let membership = entries.iter().find(|entry| entry.key == own).unwrap();
    assert!(
        record::decode::<Membership>(&membership.value)
            .unwrap()
            .suspended_at
            .is_some()
    );
    response.assert_problem(expected.0, expected.1);
}

#[tokio::test]
async fn a_login_in_progress_is_refused() {
    let body = || json!({ "email": "alice@example.com", "password": "password123" });
    race("/v5/auth/login", body, false, (403, Code::AccountSuspended)).await;
}

#[tokio::test]
async fn a_reauthentication_in_progress_is_refused() {
    let body = || json!({ "password": "password123" });
    race("/v5/auth/reauthenticate", body, true, (401, Code::RevokedToken)).await;
}

#[tokio::test]
async fn a_password_change_in_progress_is_refused() {
    let body = || json!({ "currentPassword": "password123", "newPassword": "another password" });
    race("/v5/auth/password", body, true, (401, Code::RevokedToken)).await;
}
