use axum::http::StatusCode;
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp, TestResponse};

use crate::{start, strict};

async fn change(app: &TestApp, actor: &Actor, current: &str, new: &str) -> TestResponse {
    let body = json!({ "currentPassword": current, "newPassword": new });
    app.post("/v5/auth/password").by(actor).json(&body).send().await
}

async fn log_in(app: &TestApp, password: &str) -> TestResponse {
    let body = json!({ "email": "alice@example.com", "password": password });
    app.post("/v5/auth/login").json(&body).send().await
}

#[tokio::test]
async fn a_changed_password_replaces_the_old_one_and_ends_all_other_logins() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let phone = log_in(&app, "password123").await.ok();
    let data = change(&app, &alice, "password123", "password456").await.ok();
    assert_eq!(data, json!({ "ended": 1 }));
    app.get("/v5/auth/logins").by(&alice).send().await.ok();
    app.get("/v5/auth/logins")
        .bearer(phone["token"].as_str().unwrap())
        .send()
        .await
        .assert_problem(401, Code::RevokedToken);
    let body = json!({ "refreshToken": phone["refreshToken"] });
    app.post("/v5/auth/refresh")
        .json(&body)
        .send()
        .await
        .assert_problem(401, Code::InvalidRefreshToken);
    log_in(&app, "password123")
        .await
        .assert_problem(401, Code::InvalidCredentials);
    log_in(&app, "password456").await.ok();
}

#[tokio::test]
async fn the_current_password_is_required_and_guesses_are_throttled() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    for _ in 0..10 {
        change(&app, &alice, "a wrong one", "password456")
            .await
            .assert_problem(401, Code::InvalidCredentials);
    }
    let response = change(&app, &alice, "password123", "password456").await;
    assert_eq!(response.header("retry-after"), Some("1"));
    response.assert_problem(429, Code::TooManyAttempts);
    log_in(&app, "password123").await.ok();
    app.clock.advance(std::time::Duration::from_secs(1));
    change(&app, &alice, "password123", "password456").await.ok();
}

#[tokio::test]
async fn a_new_password_must_satisfy_the_policy_and_differ_from_account_data() {
    let app = strict();
    let alice = app.register("wonderland@example.com").await;
    let response = change(&app, &alice, "password123", "short").await;
    let problem = response.assert_invalid(&["/newPassword"]);
    assert_eq!(problem["errors"][0]["message"], "must have at least 15 characters");
    change(&app, &alice, "password123", "wonderlandwonderland1")
        .await
        .assert_problem(422, Code::ValidationFailed);
    change(&app, &alice, "password123", "correct horse battery velvet")
        .await
        .ok();
}

#[tokio::test]
async fn both_members_and_a_token_are_required() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let send = |body: Value| app.post("/v5/auth/password").by(&alice).json(&body).send();
    send(json!({}))
        .await
        .assert_invalid(&["/currentPassword", "/newPassword"]);
    app.post("/v5/auth/password")
        .json(&json!({}))
        .send()
        .await
        .assert_problem(401, Code::MissingToken);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_concurrent_password_changes_one_succeeds() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let (one, other) = tokio::join!(
        change(&app, &alice, "password123", "password-one"),
        change(&app, &alice, "password123", "password-two"),
    );
    let statuses = [one.status, other.status];
    assert!(
        statuses.contains(&StatusCode::OK) && statuses.contains(&StatusCode::UNAUTHORIZED),
        "{statuses:?}"
    );
    let winner = if one.status == StatusCode::OK {
        "password-one"
    } else {
        "password-two"
    };
    log_in(&app, winner).await.ok();
}
