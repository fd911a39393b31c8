//! Which tokens open the door.

use std::time::Duration;

use axum::http::header::AUTHORIZATION;
use testkit::{Code, Target as _, TestApp};

use crate::start;

const PATH: &str = "/v5/sessions";

#[tokio::test]
async fn without_a_token_the_answer_asks_for_one() {
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
async fn a_token_that_is_none_of_ours_is_refused() {
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
async fn the_scheme_is_read_without_regard_to_case() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    app.get(PATH)
        .header(AUTHORIZATION, &format!("bearer {}", alice.token))
        .send()
        .await
        .ok();
}

#[tokio::test]
async fn a_token_lives_as_long_as_it_says() {
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
async fn a_token_of_another_deployment_is_refused() {
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
async fn a_viewer_may_read_and_not_write() {
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
