//! Access tokens that the function accepts and rejects.

use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::AUTHORIZATION;
use domain::Clock as _;
use jwt::{Rejection, forged};
use testkit::{Code, Process, Target as _, TestApp, TestStore};

use crate::start;

const PATH: &str = "/v5/sessions";

#[tokio::test]
async fn a_response_without_a_token_asks_for_one() {
    let app = start();
    for value in [None, Some("Basic YTpi"), Some("Token abc")] {
        let request = app.get(PATH);
        let request = match value {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        };
        let response = request.send().await;
        assert_eq!(response.header("www-authenticate"), Some("Bearer"));
        response.assert_problem(401, Code::MissingToken);
    }
}

#[tokio::test]
async fn invalid_tokens_are_rejected() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let touched = alice.token.replace('.', "x.");
    for value in [
        "Bearer",
        "Bearer ",
        "Bearer junk",
        "Bearer a.b.c",
        &format!("Bearer {touched}"),
    ] {
        let response = app.get(PATH).header(AUTHORIZATION, value).send().await;
        assert_eq!(
            response.header("www-authenticate"),
            Some(r#"Bearer error="invalid_token""#)
        );
        response.assert_problem(401, Code::InvalidToken);
    }
    let twice = app.get(PATH).by(&alice).header(AUTHORIZATION, "Bearer junk");
    twice.send().await.assert_problem(401, Code::InvalidToken);
}

#[tokio::test]
async fn the_authentication_scheme_is_case_insensitive() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    app.get(PATH)
        .header(AUTHORIZATION, &format!("bearer {}", alice.token))
        .send()
        .await
        .ok();
}

#[tokio::test]
async fn a_token_is_valid_until_its_expiry() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    app.clock.advance(Duration::from_secs(86_399));
    app.get(PATH).by(&alice).send().await.ok();
    app.clock.advance(Duration::from_secs(1));
    app.get(PATH)
        .by(&alice)
        .send()
        .await
        .assert_problem(401, Code::ExpiredToken);
}

#[tokio::test]
async fn a_token_of_another_deployment_is_rejected() {
    let (app, other_app) = (start(), TestApp::start(sessions::router()));
    let stranger = other_app.register("alice@example.com").await;
    // The token verifies, because secret, issuer and audience are equal, but its login is not in this store.
    app.get(PATH)
        .by(&stranger)
        .send()
        .await
        .assert_problem(401, Code::RevokedToken);
}

#[tokio::test]
async fn a_viewer_may_read_but_not_write() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let session = crate::create(&app, &alice, "one").await;
    let membership = domain::tenants::Membership {
        role: domain::Role::Viewer,
        ..alice.signed_in.membership.clone()
    };
    let key = domain::tenants::keys::membership(membership.user, membership.tenant);
    let value = domain::record::encode(&membership).unwrap();
    let (key, value) = (&key, &value);
    app.env.db.run(|txn| async move { txn.set(key, value) }).await.unwrap();

    app.get(PATH).by(&alice).send().await.ok();
    app.get(&crate::path(&session)).by(&alice).send().await.ok();
    app.post(PATH)
        .by(&alice)
        .json(&crate::body("two"))
        .send()
        .await
        .assert_problem(403, Code::Forbidden);
    let change = serde_json::json!({ "name": "x" });
    app.patch(&crate::path(&session))
        .by(&alice)
        .json(&change)
        .send()
        .await
        .assert_problem(403, Code::Forbidden);
    app.delete(&crate::path(&session))
        .by(&alice)
        .send()
        .await
        .assert_problem(403, Code::Forbidden);
    let listed = app.get(PATH).by(&alice).send().await.ok();
    assert_eq!(
        listed["sessions"],
        serde_json::json!([session]),
        "rejected requests change nothing"
    );
}

/// The token settings during a migration from HS256 to `EdDSA`.
fn migrating() -> jwt::Settings {
    jwt::Settings {
        signing: Some(forged::signing_key()),
        verifying: forged::verifying_keys(),
        ..TestApp::token_settings()
    }
}

#[tokio::test]
async fn every_forged_token_is_rejected_with_its_code() {
    let store = TestStore::new();
    let app = TestApp::with_tokens(sessions::router(), store.open(), migrating());
    let alice = app.register("alice@example.com").await;
    let now = app.clock.now().as_seconds();
    let (_, claims) = app.token(&alice, 86_400);
    for token in forged::genuine_tokens(&claims) {
        app.get(PATH).bearer(&token).send().await.ok();
    }

    let mut sent = 0;
    for forgery in forged::forgeries(&claims, now) {
        // A header strips white space around its value, and cannot carry some bytes.
        let token = &forgery.token;
        if token.trim() != token || HeaderValue::from_str(token).is_err() {
            continue;
        }
        let response = app.get(PATH).bearer(token).send().await;
        let code = match forgery.rejection {
            Rejection::Invalid(_) => Code::InvalidToken,
            Rejection::Expired { .. } => Code::ExpiredToken,
        };
        assert_eq!(
            (response.body["code"].as_str(), response.header("www-authenticate")),
            (Some(code.as_str()), Some(r#"Bearer error="invalid_token""#)),
            "{}",
            forgery.name
        );
        response.assert_problem(401, code);
        sent += 1;
    }
    assert!(sent > 500, "{sent}");
}

#[tokio::test]
async fn the_process_needs_only_the_public_key() {
    let store = TestStore::new();
    let app = TestApp::with_tokens(sessions::router(), store.open(), migrating());
    let today = domain::SystemClock.now().as_seconds() - app.clock.now().as_seconds();
    app.clock.advance(Duration::from_secs(today.unsigned_abs()));
    let alice = app.register("alice@example.com").await;

    let command = || {
        let mut command = Process::command(env!("CARGO_BIN_EXE_sessions"));
        command.envs(store.env()).env_remove("JWT_SECRET");
        command.env("JWT_ALGORITHM", "EdDSA");
        command
    };
    let mut with_key = command();
    with_key.env("JWT_PUBLIC_KEY", forged::PUBLIC_KEY);
    let process = Process::start(with_key);
    let remote = process.remote();
    let request = remote.post(PATH).by(&alice).json(&crate::body("one"));
    let session = request.send().await.created();
    assert_eq!(session["ownerId"], alice.signed_in.user.id.to_string());

    // No machine has this address (RFC 5737), so a program that does not check its keys fails here.
    for private in ["", forged::PRIVATE_KEY] {
        let mut without = command();
        let output = without
            .env("HOST", "192.0.2.1")
            .env("JWT_PRIVATE_KEY", private)
            .output();
        let output = output.unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "the process started without the key");
        assert!(text.contains("JWT_PUBLIC_KEY is not set"), "{text}");
    }
}
