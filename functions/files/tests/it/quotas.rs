//! Quotas of files, bytes and snapshots.

use serde_json::json;
use testkit::Code;

use crate::Workspace;

#[tokio::test]
async fn a_quota_that_is_exceeded_within_a_changeset_applies_nothing_and_names_the_operation() {
    let workspace = Workspace::with_quotas(|quotas| quotas.files = 3).await;
    workspace.write("/a", "x").await;
    let put = |path: &str| json!({ "op": "put", "path": path, "text": "x" });
    let before = workspace.app.all_entries().await;
    let response = workspace
        .change(&json!([put("/b"), put("/a"), put("/c"), put("/d"), put("/e")]))
        .await;
    let problem = response.assert_problem(507, Code::QuotaExceeded);
    assert_eq!(problem["quota"], json!({ "name": "files", "used": 1, "limit": 3 }));
    assert_eq!(problem["errors"][0]["pointer"], "/operations/3");
    assert!(
        workspace.app.all_entries().await == before,
        "a rejected changeset wrote something"
    );
    workspace.change(&json!([put("/b"), put("/a"), put("/c")])).await.ok();
    let put = workspace
        .put("/d", b"x")
        .send()
        .await
        .assert_problem(507, Code::QuotaExceeded);
    assert_eq!(put["errors"], json!(null), "a single operation has no place");
    let mkdir = workspace
        .post("files/directories", &json!({ "path": "/d" }))
        .send()
        .await;
    mkdir.assert_problem(507, Code::QuotaExceeded);
}

#[tokio::test]
async fn bytes_that_are_too_many_are_not_stored() {
    let workspace = Workspace::with_quotas(|quotas| quotas.stored_bytes = 20_000).await;
    let put = workspace.put("/a", &vec![7; 30_000]).send().await;
    let problem = put.assert_problem(507, Code::QuotaExceeded);
    assert_eq!(problem["quota"]["name"], "storedBytes");
    assert_eq!(workspace.read("/a").await, None);
    // The bytes of equal contents are stored once.
    workspace.write("/a", vec![7; 15_000]).await;
    workspace.write("/b", vec![7; 15_000]).await;
}

#[tokio::test]
async fn snapshots_are_limited_and_deleting_one_makes_room() {
    let workspace = Workspace::with_quotas(|quotas| quotas.snapshots = 1).await;
    let take = || workspace.post("snapshots", &json!({})).send();
    let snapshot = take().await.created();
    let problem = take().await.assert_problem(507, Code::QuotaExceeded);
    assert_eq!(problem["quota"], json!({ "name": "snapshots", "used": 1, "limit": 1 }));
    let below = format!("snapshots/{}", snapshot["id"].as_str().unwrap());
    workspace.delete(&below).send().await.ok();
    take().await.created();
}
