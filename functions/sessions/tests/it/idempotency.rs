//! Repeated requests with an `Idempotency-Key`.

use std::time::Duration;

use axum::http::{HeaderName, StatusCode};
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp, TestResponse};
use tokio::task::JoinSet;

use crate::start;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

async fn create(app: &TestApp, actor: &Actor, key: &str, body: &Value) -> TestResponse {
    app.post("/v5/sessions")
        .by(actor)
        .header(KEY, key)
        .json(body)
        .send()
        .await
}

fn draft(name: &str) -> Value {
    json!({ "name": name, "workspacePath": "/workspace" })
}

async fn count(app: &TestApp, actor: &Actor) -> usize {
    let page = app.get("/v5/sessions").by(actor).send().await.ok();
    page["sessions"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_repeated_request_has_the_same_response() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let first = create(&app, &alice, "key", &draft("one")).await;
    assert_eq!(first.header("idempotency-replayed"), None);
    app.clock.advance(Duration::from_secs(60));
    // The second body is the same request in another spelling.
    for (key, body) in [
        ("key", draft("one")),
        (
            "\"key\"",
            json!({ "workspacePath": "/workspace/", "name": " one ", "more": 1 }),
        ),
    ] {
        let repeated = create(&app, &alice, key, &body).await;
        assert_eq!(repeated.header("idempotency-replayed"), Some("true"));
        assert_eq!(repeated.status, StatusCode::CREATED);
        for header in ["location", "etag", "content-type"] {
            assert_eq!(repeated.header(header), first.header(header), "{header}");
        }
        assert_eq!(repeated.body, first.body);
    }
    assert_eq!(count(&app, &alice).await, 1);
}

#[tokio::test]
async fn a_replay_returns_the_first_response_after_changes_and_404_after_the_deletion() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let first = create(&app, &alice, "key", &draft("one")).await;
    let path = first.header("location").unwrap().to_owned();
    app.patch(&path)
        .by(&alice)
        .json(&json!({ "name": "two" }))
        .send()
        .await
        .ok();
    assert_eq!(create(&app, &alice, "key", &draft("one")).await.body, first.body);
    app.delete(&path).by(&alice).send().await.ok();
    create(&app, &alice, "key", &draft("one"))
        .await
        .assert_problem(404, Code::NotFound);
    create(&app, &alice, "key", &draft("two"))
        .await
        .assert_problem(422, Code::IdempotencyMismatch);
    assert_eq!(count(&app, &alice).await, 0);
    create(&app, &alice, "another", &draft("one")).await.created();
}

#[tokio::test]
async fn the_same_key_with_another_body_is_rejected() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    create(&app, &alice, "key", &draft("one")).await.created();
    create(&app, &alice, "key", &draft("two"))
        .await
        .assert_problem(422, Code::IdempotencyMismatch);
    create(&app, &alice, "another key", &draft("two"))
        .await
        .assert_invalid(&["/Idempotency-Key"]);
    create(&app, &alice, "another-key", &draft("two")).await.created();
    assert_eq!(count(&app, &alice).await, 2);
}

#[tokio::test]
async fn a_key_belongs_to_its_caller() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let bob = app.register("bob@example.com").await;
    let hers = create(&app, &alice, "key", &draft("one")).await.created();
    let his = create(&app, &bob, "key", &draft("one")).await.created();
    assert_ne!(hers["id"], his["id"]);
    // In another tenant the same user is another caller, and the permission check precedes the replay.
    let colleague = app.add_member(&bob, &alice, domain::Role::Member).await;
    let theirs = create(&app, &colleague, "key", &draft("one")).await.created();
    assert_ne!(theirs["id"], hers["id"]);
    let viewer = app.add_member(&bob, &alice, domain::Role::Viewer).await;
    create(&app, &viewer, "key", &draft("one"))
        .await
        .assert_problem(403, Code::Forbidden);
}

#[tokio::test]
async fn a_rejected_request_does_not_use_up_its_key() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    create(&app, &alice, "key", &json!({}))
        .await
        .assert_invalid(&["/name", "/workspacePath"]);
    create(&app, &alice, "key", &draft("one")).await.created();
}

#[tokio::test]
async fn a_key_expires_after_a_day_and_its_outcome_is_swept() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let first = create(&app, &alice, "key", &draft("one")).await.created();
    app.clock.advance(Duration::from_millis(24 * 3_600_000 - 1));
    let alice = app.refresh(&alice).await;
    assert_eq!(create(&app, &alice, "key", &draft("one")).await.created(), first);
    app.clock.advance(Duration::from_millis(1));
    let second = create(&app, &alice, "key", &draft("two")).await.created();
    assert_ne!(second["id"], first["id"]);
    // Sweeping the expired outcome must not remove the new one.
    app.clock.advance(Duration::from_secs(3600));
    domain::sweep::sweep(&app.env, Duration::MAX).await.unwrap();
    assert_eq!(create(&app, &alice, "key", &draft("two")).await.created(), second);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_thirty_concurrent_requests_with_one_key_one_is_executed() {
    let app = std::sync::Arc::new(start());
    let alice = app.register("alice@example.com").await;
    let mut requests = JoinSet::new();
    for _ in 0..30 {
        let (app, alice) = (app.clone(), alice.clone());
        requests.spawn(async move { create(&app, &alice, "key", &draft("one")).await });
    }
    let responses = requests.join_all().await;
    let fresh = responses
        .iter()
        .filter(|response| response.header("idempotency-replayed").is_none());
    assert_eq!(fresh.count(), 1);
    let body = responses[0].body.clone();
    for response in responses {
        assert_eq!(response.body, body);
        response.created();
    }
    assert_eq!(count(&app, &alice).await, 1);
}
