//! Writes per second, and logins per day.

use std::time::Duration;

use domain::usage::Quotas;
use serde_json::json;
use testkit::{Actor, Code, Target as _, TestApp};

use crate::{create, used, with_quotas, without_rate_limit};

/// Two writes per second, and thus twenty at once.
fn slow() -> TestApp {
    with_quotas(Quotas {
        writes_per_second: 2,
        ..Quotas::default()
    })
}

async fn use_up(app: &TestApp, actor: &Actor) {
    for number in 0..20 {
        create(app, actor, &format!("{number}"), None).await.created();
    }
}

#[tokio::test]
async fn a_tenant_that_writes_too_much_waits_as_long_as_the_response_says() {
    let app = slow();
    let (alice, bob) = (
        app.register("alice@example.com").await,
        app.register("bob@example.com").await,
    );
    use_up(&app, &alice).await;
    let refresh = json!({ "refreshToken": alice.refresh_token() });
    let list = app.get("/v5/sessions").by(&alice).send().await.ok();
    let path = format!("/v5/sessions/{}", list["sessions"][0]["id"].as_str().unwrap());
    for response in [
        create(&app, &alice, "one", None).await,
        app.patch(&path).by(&alice).json(&json!({ "name": "x" })).send().await,
        app.delete(&path).by(&alice).send().await,
    ] {
        assert_eq!(response.header("retry-after"), Some("1"));
        response.assert_problem(429, Code::TooManyAttempts);
    }
    create(&app, &bob, "one", None).await.created();
    // A stolen access token does not keep the owner from refreshing the login.
    app.post("/v5/auth/refresh").json(&refresh).send().await.ok();
    app.clock.advance(Duration::from_secs(1));
    create(&app, &alice, "one", None).await.created();
    create(&app, &alice, "two", None).await.created();
    let response = create(&app, &alice, "three", None).await;
    response.assert_problem(429, Code::TooManyAttempts);
    assert_eq!(used(&app, &alice).await["sessions"], 22);
}

#[tokio::test]
async fn a_user_who_logs_in_too_often_waits_and_wrong_passwords_use_up_nothing() {
    let app = with_quotas(Quotas {
        logins_per_day: 4,
        ..without_rate_limit()
    });
    let alice = app.register("alice@example.com").await;
    let log_in = |email: &str, password: &str| {
        let body = json!({ "email": email, "password": password });
        app.post("/v5/auth/login").json(&body).send()
    };
    for _ in 0..5 {
        let response = log_in("alice@example.com", "not this one").await;
        response.assert_problem(401, Code::InvalidCredentials);
    }
    for _ in 0..3 {
        log_in("alice@example.com", "password123").await.ok();
    }
    let change = json!({ "currentPassword": "password123", "newPassword": "another password" });
    app.post("/v5/auth/password").by(&alice).json(&change).send().await.ok();
    let events = used(&app, &app.register("bob@example.com").await).await;
    assert_eq!(events["auditEvents"], 1, "another user has their own");
    let response = log_in("alice@example.com", "another password").await;
    assert_eq!(response.header("retry-after"), Some("21600"), "a quarter of a day");
    response.assert_problem(429, Code::TooManyAttempts);
    log_in("bob@example.com", "password123").await.ok();
    app.clock.advance(Duration::from_secs(21_600));
    log_in("alice@example.com", "another password").await.ok();
    let response = log_in("alice@example.com", "another password").await;
    response.assert_problem(429, Code::TooManyAttempts);
}

#[tokio::test]
async fn a_right_password_for_a_new_email_or_a_deletion_counts_like_a_login() {
    let app = with_quotas(Quotas {
        logins_per_day: 4,
        ..without_rate_limit()
    });
    let alice = app.register("alice@example.com").await;
    let call = |path: &str, body: serde_json::Value| app.post(path).by(&alice).json(&body).send();
    let change = || {
        call(
            "/v5/users/me/email",
            json!({ "email": "new@example.com", "password": "password123" }),
        )
    };
    let delete = || call("/v5/users/me/deletion", json!({ "password": "password123" }));
    for _ in 0..2 {
        change().await.accepted();
        assert!(delete().await.status.is_success());
    }
    for response in [change().await, delete().await] {
        assert_eq!(response.header("retry-after"), Some("21600"), "a quarter of a day");
        response.assert_problem(429, Code::TooManyAttempts);
    }
}

#[tokio::test]
async fn a_right_password_of_a_login_counts_like_another_login() {
    let app = with_quotas(Quotas {
        logins_per_day: 4,
        ..without_rate_limit()
    });
    let alice = app.register("alice@example.com").await;
    let enter = |password: &str| {
        let body = json!({ "password": password });
        app.post("/v5/auth/reauthenticate").by(&alice).json(&body).send()
    };
    for _ in 0..4 {
        enter("not this one")
            .await
            .assert_problem(401, Code::InvalidCredentials);
        enter("password123").await.ok();
    }
    let response = enter("password123").await;
    assert_eq!(response.header("retry-after"), Some("21600"), "a quarter of a day");
    response.assert_problem(429, Code::TooManyAttempts);
}

#[tokio::test]
async fn requests_that_are_not_allowed_use_up_nothing() {
    let app = slow();
    let alice = app.register("alice@example.com").await;
    let stolen = app.sign_in(&alice).await;
    app.post("/v5/auth/logout").by(&stolen).send().await.ok();
    for _ in 0..30 {
        let response = create(&app, &stolen, "one", None).await;
        response.assert_problem(401, Code::RevokedToken);
        let refresh = json!({ "refreshToken": stolen.refresh_token() });
        let response = app.post("/v5/auth/refresh").json(&refresh).send().await;
        response.assert_problem(401, Code::InvalidRefreshToken);
    }
    use_up(&app, &alice).await;
}

#[tokio::test]
async fn without_quotas_writes_are_not_limited() {
    let app = TestApp::with_limits(crate::router(), |limits| limits.quotas = None);
    let alice = app.register("alice@example.com").await;
    for number in 0..600 {
        create(&app, &alice, &format!("{number}"), None).await.created();
    }
}
