//! Which tokens open the door.

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
        let call = app.get(PATH);
        let call = match value {
            Some(value) => call.header(AUTHORIZATION, value),
            None => call,
        };
        let answer = call.send().await;
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        answer.assert_problem(401, Code::MissingToken);
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
        let answer = app.get(PATH).header(AUTHORIZATION, value).send().await;
        assert_eq!(
            answer.header("www-authenticate"),
            Some(r#"Bearer error="invalid_token""#)
        );
        answer.assert_problem(401, Code::InvalidToken);
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
    let (ours, theirs) = (start(), TestApp::start(sessions::router()));
    let stranger = theirs.register("alice@example.com").await;
    // Same secret, issuer and audience, so it verifies; but no login of ours is behind it.
    ours.get(PATH)
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
    let place = domain::tenants::Membership {
        role: domain::Role::Viewer,
        ..alice.signed_in.membership.clone()
    };
    let key = domain::tenants::keys::membership(place.user, place.tenant);
    let value = domain::record::encode(&place).unwrap();
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
        "what was refused has left no trace"
    );
}

/// On its way from HS256 to `EdDSA`.
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
        // White space around it is the header's, and what no header can carry does not arrive.
        let token = &forgery.token;
        if token.trim() != token || HeaderValue::from_str(token).is_err() {
            continue;
        }
        let answer = app.get(PATH).bearer(token).send().await;
        let code = match forgery.rejection {
            Rejection::Invalid(_) => Code::InvalidToken,
            Rejection::Expired(_) => Code::ExpiredToken,
        };
        assert_eq!(
            (answer.body["code"].as_str(), answer.header("www-authenticate")),
            (Some(code.as_str()), Some(r#"Bearer error="invalid_token""#)),
            "{}",
            forgery.name
        );
        answer.assert_problem(401, code);
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
    let call = remote.post(PATH).by(&alice).json(&crate::body("one"));
    let session = call.send().await.created();
    assert_eq!(session["ownerId"], alice.signed_in.user.id.to_string());

    // An address that no machine has (RFC 5737): should it start in spite of what it lacks, it ends there.
    for private in ["", forged::PRIVATE_KEY] {
        let mut without = command();
        let output = without
            .env("HOST", "192.0.2.1")
            .env("JWT_PRIVATE_KEY", private)
            .output();
        let output = output.unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "without the key it started");
        assert!(text.contains("JWT_PUBLIC_KEY is not set"), "{text}");
    }
}
