use serde_json::json;
use testkit::{Code, Target as _, TestApp};

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
async fn logging_out_with_an_expired_token_succeeds() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    app.clock.advance(std::time::Duration::from_secs(86_400));
    app.get("/v5/sessions")
        .by(&alice)
        .send()
        .await
        .assert_problem(401, Code::ExpiredToken);
    app.post("/v5/auth/logout").by(&alice).send().await.ok();
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
