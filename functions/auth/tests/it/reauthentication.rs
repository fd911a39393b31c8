use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp, TestResponse};

use crate::start;

const TEN_MINUTES: Duration = Duration::from_secs(600);
const SECOND: Duration = Duration::from_secs(1);

async fn reauthenticate(app: &TestApp, actor: &Actor, password: &str) -> TestResponse {
    let body = json!({ "password": password });
    app.post("/v5/auth/reauthenticate").by(actor).json(&body).send().await
}

async fn log_out_everywhere(app: &TestApp, actor: &Actor) -> TestResponse {
    app.post("/v5/auth/logout-all").by(actor).send().await
}

async fn end(app: &TestApp, actor: &Actor, login: &Actor) -> TestResponse {
    let path = format!("/v5/auth/logins/{}", login.signed_in.login.id);
    app.delete(&path).by(actor).send().await
}

#[tokio::test]
async fn ending_logins_requires_a_password_entered_within_the_last_ten_minutes() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let phone = app.sign_in(&alice).await;
    app.clock.advance(TEN_MINUTES + SECOND);
    let before = app.all_entries().await;
    for response in [
        log_out_everywhere(&app, &alice).await,
        end(&app, &alice, &phone).await,
        end(&app, &alice, &alice).await,
    ] {
        response.assert_problem(403, Code::ReauthenticationRequired);
    }
    assert!(app.all_entries().await == before);

    assert_eq!(reauthenticate(&app, &alice, "password123").await.ok(), json!({}));
    app.clock.advance(TEN_MINUTES);
    end(&app, &alice, &phone).await.ok();
    app.clock.advance(SECOND);
    let response = log_out_everywhere(&app, &alice).await;
    response.assert_problem(403, Code::ReauthenticationRequired);
    reauthenticate(&app, &alice, "password123").await.ok();
    assert_eq!(log_out_everywhere(&app, &alice).await.ok(), json!({ "ended": 1 }));
}

#[tokio::test]
async fn a_registration_and_a_login_count_for_ten_minutes_and_a_refresh_does_not() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    app.clock.advance(TEN_MINUTES);
    let phone = app.sign_in(&alice).await;
    let tablet = app.sign_in(&alice).await;
    end(&app, &alice, &tablet).await.ok();
    app.clock.advance(TEN_MINUTES);
    end(&app, &phone, &alice).await.ok();
    app.clock.advance(SECOND);
    let refreshed = app.refresh(&phone).await;
    let response = log_out_everywhere(&app, &refreshed).await;
    response.assert_problem(403, Code::ReauthenticationRequired);
}

#[tokio::test]
async fn a_password_entered_in_one_login_does_not_count_in_another() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let phone = app.sign_in(&alice).await;
    app.clock.advance(TEN_MINUTES + SECOND);
    reauthenticate(&app, &phone, "password123").await.ok();
    let response = log_out_everywhere(&app, &alice).await;
    response.assert_problem(403, Code::ReauthenticationRequired);
}

#[tokio::test]
async fn a_wrong_password_is_rejected_and_throttled_and_proves_nothing() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    app.clock.advance(TEN_MINUTES + SECOND);
    for _ in 0..10 {
        let response = reauthenticate(&app, &alice, "a wrong one").await;
        response.assert_problem(401, Code::InvalidCredentials);
    }
    let response = reauthenticate(&app, &alice, "password123").await;
    assert_eq!(response.header("retry-after"), Some("1"));
    response.assert_problem(429, Code::TooManyAttempts);
    let response = log_out_everywhere(&app, &alice).await;
    response.assert_problem(403, Code::ReauthenticationRequired);
    app.clock.advance(SECOND);
    reauthenticate(&app, &alice, "password123").await.ok();
    log_out_everywhere(&app, &alice).await.ok();
}

#[tokio::test]
async fn a_live_token_and_a_password_are_required() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let send = |body: Value| app.post("/v5/auth/reauthenticate").by(&alice).json(&body).send();
    send(json!({})).await.assert_invalid(&["/password"]);
    send(json!({ "password": 1 })).await.assert_invalid(&["/password"]);
    app.post("/v5/auth/logout").by(&alice).send().await.ok();
    let response = reauthenticate(&app, &alice, "password123").await;
    response.assert_problem(401, Code::RevokedToken);
}
