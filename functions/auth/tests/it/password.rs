use axum::http::StatusCode;
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp, TestResponse};

use crate::{events, start, strict};

async fn change(app: &TestApp, actor: &Actor, current: &str, new: &str) -> TestResponse {
    let body = json!({ "currentPassword": current, "newPassword": new });
    app.post("/v5/auth/password").by(actor).json(&body).send().await
}

async fn refresh(app: &TestApp, token: &Value) -> TestResponse {
    let body = json!({ "refreshToken": token });
    app.post("/v5/auth/refresh").json(&body).send().await
}

async fn log_in(app: &TestApp, password: &str) -> TestResponse {
    let body = json!({ "email": "alice@example.com", "password": password });
    app.post("/v5/auth/login").json(&body).send().await
}

#[tokio::test]
async fn a_password_change_ends_every_login_and_returns_a_new_one() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let phone = log_in(&app, "password123").await.ok();
    let data = change(&app, &alice, "password123", "password456").await.ok();
    for token in [&alice.token, phone["token"].as_str().unwrap()] {
        let response = app.get("/v5/auth/logins").bearer(token).send().await;
        response.assert_problem(401, Code::RevokedToken);
    }
    for token in [&json!(alice.refresh_token()), &phone["refreshToken"]] {
        let response = refresh(&app, token).await;
        response.assert_problem(401, Code::InvalidRefreshToken);
    }
    let token = data["token"].as_str().unwrap();
    let listed = app.get("/v5/auth/logins").bearer(token).send().await.ok();
    assert_eq!(listed["logins"].as_array().unwrap().len(), 1);
    assert_eq!(data["user"]["email"], "alice@example.com");
    refresh(&app, &data["refreshToken"]).await.ok();
    let events = events(&app).await;
    let [.., changed, opened, _] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(
        (&changed["action"]["type"], &changed["action"]["ended"]),
        (&json!("password.changed"), &json!(2))
    );
    assert_eq!(
        (&opened["action"]["type"], &opened["login"]),
        (&json!("login.opened"), &listed["logins"][0]["id"])
    );
    log_in(&app, "password123")
        .await
        .assert_problem(401, Code::InvalidCredentials);
    log_in(&app, "password456").await.ok();
}

#[tokio::test]
async fn the_current_password_is_no_new_one_and_costs_no_attempt() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    for _ in 0..15 {
        let response = change(&app, &alice, "password123", "password123").await;
        let problem = response.assert_invalid(&["/newPassword"]);
        assert_eq!(problem["errors"][0]["message"], "must differ from the current password");
    }
    // Typed differently, but the same after NFKC.
    let response = change(&app, &alice, "password123", "ｐassword123").await;
    response.assert_invalid(&["/newPassword"]);
    change(&app, &alice, "password123", "password456").await.ok();
}

#[tokio::test]
async fn wrong_current_passwords_are_rejected_and_throttled() {
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
