use std::time::Duration;

use api::LOGOUT_AFTER_EXPIRY;
use axum::http::header;
use domain::access_tokens::Scope;
use domain::logins::TokenFamily;
use serde_json::json;
use testkit::{Actor, Code, Target as _, TestApp};

/// The lifetime of an access token.
const TTL: Duration = Duration::from_hours(24);

fn start() -> TestApp {
    TestApp::start(auth::router().merge(sessions::router()))
}

#[tokio::test]
async fn logging_out_ends_only_the_current_login() {
    let app = start();
    let phone = app.register("alice@example.com").await;
    let body = json!({ "email": "alice@example.com", "password": "password123" });
    let laptop = app.post("/v5/auth/login").json(&body).send().await.ok()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    app.get("/v5/sessions").by(&phone).send().await.ok();

    assert_eq!(app.post("/v5/auth/logout").by(&phone).send().await.ok(), json!({}));

    let rejected = app.get("/v5/sessions").by(&phone).send().await;
    assert_eq!(
        rejected.header("www-authenticate"),
        Some(r#"Bearer error="invalid_token""#)
    );
    rejected.assert_problem(401, Code::RevokedToken);
    app.get("/v5/sessions").bearer(&laptop).send().await.ok();
}

#[tokio::test]
async fn logging_out_twice_or_without_a_token_succeeds() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    app.post("/v5/auth/logout").by(&alice).send().await.ok();
    app.post("/v5/auth/logout").by(&alice).send().await.ok();
    assert_eq!(app.post("/v5/auth/logout").send().await.ok(), json!({}));
}

#[tokio::test]
async fn an_access_token_that_expired_within_the_last_hour_ends_its_login() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    app.clock.advance(TTL + LOGOUT_AFTER_EXPIRY);
    app.get("/v5/sessions")
        .by(&alice)
        .send()
        .await
        .assert_problem(401, Code::ExpiredToken);
    app.post("/v5/auth/logout").by(&alice).send().await.ok();
    assert_refused(&app, &alice.refresh_token()).await;
}

#[tokio::test]
async fn an_access_token_that_expired_long_ago_ends_nothing() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    app.clock.advance(TTL + LOGOUT_AFTER_EXPIRY + Duration::from_secs(1));
    let before = app.all_entries().await;
    for body in [None, Some(json!({})), Some(json!({ "refreshToken": null }))] {
        let mut call = app.post("/v5/auth/logout").by(&alice);
        if let Some(body) = &body {
            call = call.json(body);
        }
        call.send().await.assert_problem(401, Code::ExpiredToken);
    }
    assert!(app.all_entries().await == before);

    let body = json!({ "refreshToken": alice.refresh_token() });
    app.post("/v5/auth/logout").by(&alice).json(&body).send().await.ok();
    assert_refused(&app, &alice.refresh_token()).await;
}

async fn log_out_with(app: &TestApp, token: &str) {
    let body = json!({ "refreshToken": token });
    assert_eq!(app.post("/v5/auth/logout").json(&body).send().await.ok(), json!({}));
}

async fn assert_refused(app: &TestApp, token: &str) {
    let body = json!({ "refreshToken": token });
    let response = app.post("/v5/auth/refresh").json(&body).send().await;
    response.assert_problem(401, Code::InvalidRefreshToken);
}

async fn assert_revoked(app: &TestApp, actor: &Actor) {
    let response = app.get("/v5/sessions").by(actor).send().await;
    response.assert_problem(401, Code::RevokedToken);
}

#[tokio::test]
async fn a_refresh_token_ends_its_login_and_no_other() {
    let app = start();
    let phone = app.register("alice@example.com").await;
    let laptop = app.sign_in(&phone).await;
    log_out_with(&app, &phone.refresh_token()).await;
    assert_revoked(&app, &phone).await;
    assert_refused(&app, &phone.refresh_token()).await;
    app.get("/v5/sessions").by(&laptop).send().await.ok();

    // A client with both tokens, of different logins, ends both.
    let tablet = app.sign_in(&phone).await;
    let body = json!({ "refreshToken": tablet.refresh_token() });
    app.post("/v5/auth/logout").by(&laptop).json(&body).send().await.ok();
    assert_revoked(&app, &laptop).await;
    assert_revoked(&app, &tablet).await;
}

#[tokio::test]
async fn a_replaced_refresh_token_ends_its_login_within_and_after_its_grace_period() {
    let app = start();
    for seconds in [0, 31] {
        let alice = app.register(&format!("alice{seconds}@example.com")).await;
        app.refresh(&alice).await;
        app.clock.advance(Duration::from_secs(seconds));
        log_out_with(&app, &alice.refresh_token()).await;
        assert_revoked(&app, &alice).await;
    }
}

#[tokio::test]
async fn a_refresh_token_that_is_not_valid_is_no_error_and_ends_nothing() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let gone = app.sign_in(&alice).await;
    log_out_with(&app, &gone.refresh_token()).await;
    let login = &alice.signed_in.login;
    let (_, guess) = TokenFamily::start(&*app.env.rng, login.user, login.tenant, login.id);
    let before = app.all_entries().await;
    for token in ["", "junk", &alice.token, &guess.reveal(), &gone.refresh_token()] {
        log_out_with(&app, token).await;
    }
    assert!(app.all_entries().await == before);
}

#[tokio::test]
async fn a_body_is_optional_and_otherwise_a_json_object() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let text = |kind: &'static str, body: &'static str| {
        let call = app
            .post("/v5/auth/logout")
            .by(&alice)
            .header(header::CONTENT_TYPE, kind);
        call.body(body).send()
    };
    text("text/plain", "x")
        .await
        .assert_problem(415, Code::UnsupportedMediaType);
    text("application/json", "[]")
        .await
        .assert_problem(400, Code::MalformedBody);
    text("application/json", r#"{"refreshToken":1}"#)
        .await
        .assert_invalid(&["/refreshToken"]);
    app.get("/v5/sessions").by(&alice).send().await.ok();
    text("text/plain", "").await.ok();
    assert_revoked(&app, &alice).await;
}

#[tokio::test]
async fn logging_out_with_an_invalid_token_is_rejected() {
    let app = start();
    app.post("/v5/auth/logout")
        .bearer("junk")
        .send()
        .await
        .assert_problem(401, Code::InvalidToken);
}

#[tokio::test]
async fn a_personal_access_token_ends_nothing_not_even_the_login_of_a_refresh_token() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let (_, token) = app.access_token(&alice, Scope::all(), TTL).await;
    for body in [json!({}), json!({ "refreshToken": alice.refresh_token() })] {
        let request = app.post("/v5/auth/logout").bearer(&token).json(&body);
        request.send().await.assert_problem(403, Code::InsufficientScope);
    }
    app.get("/v5/sessions").by(&alice).send().await.ok();
    app.get("/v5/sessions").bearer(&token).send().await.ok();
}
