use serde_json::json;
use testkit::{Code, Target as _};

use crate::{body, start};

#[tokio::test]
async fn a_created_session_belongs_to_the_caller_and_has_a_location() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let response = app
        .post("/api/v5/sessions")
        .by(&alice)
        .json(&json!({ "name": "  My Project ", "workspacePath": "/workspace//test/", "tenantId": "ignored" }))
        .send()
        .await;
    let location = response.header("location").unwrap().to_owned();
    let session = response.created();
    assert_eq!(
        session,
        json!({
            "id": session["id"],
            "tenantId": alice.signed_in.tenant.id.to_string(),
            "ownerId": alice.signed_in.user.id.to_string(),
            "name": "My Project",
            "workspacePath": "/workspace/test",
            "createdAt": "2026-01-01T00:00:00.000Z",
            "updatedAt": "2026-01-01T00:00:00.000Z",
        })
    );
    assert_eq!(
        location,
        format!("/api/v5/sessions/{}", session["id"].as_str().unwrap())
    );
    assert_eq!(app.get(&location).by(&alice).send().await.ok(), session);
}

#[tokio::test]
async fn invalid_values_are_reported() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let send = |body| app.post("/v5/sessions").by(&alice).json(&body).send();
    send(json!({})).await.assert_invalid(&["/name", "/workspacePath"]);
    send(json!({ "name": 1, "workspacePath": true }))
        .await
        .assert_invalid(&["/name", "/workspacePath"]);
    send(json!({ "name": " ", "workspacePath": "a" }))
        .await
        .assert_invalid(&["/name", "/workspacePath"]);
    send(json!({ "name": "ü".repeat(201), "workspacePath": "/a/../b" }))
        .await
        .assert_invalid(&["/name", "/workspacePath"]);
    send(json!({ "name": "ü".repeat(200), "workspacePath": "/a\u{0}" }))
        .await
        .assert_invalid(&["/workspacePath"]);
    assert_eq!(
        app.get("/v5/sessions").by(&alice).send().await.ok()["sessions"],
        json!([])
    );
}

#[tokio::test]
async fn a_caller_is_rejected_before_the_body_is_read() {
    let app = start();
    app.post("/v5/sessions")
        .json(&json!({}))
        .send()
        .await
        .assert_problem(401, Code::MissingToken);
}

#[tokio::test]
async fn two_sessions_may_have_equal_values() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let first = app
        .post("/v5/sessions")
        .by(&alice)
        .json(&body("twin"))
        .send()
        .await
        .created();
    let second = app
        .post("/v5/sessions")
        .by(&alice)
        .json(&body("twin"))
        .send()
        .await
        .created();
    assert_ne!(first["id"], second["id"]);
}
