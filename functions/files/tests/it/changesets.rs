//! Changesets that are applied.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testkit::{Code, Target as _};

use crate::{Workspace, etag};

#[tokio::test]
async fn operations_of_every_kind_are_applied_in_order() {
    let workspace = Workspace::start().await;
    let old = workspace.write("/b", "one old two").await;
    workspace.write("/c", "c").await;
    workspace.write("/f/g", "g").await;
    let operations = json!([
        { "op": "put", "path": "/a", "text": "größe" },
        { "op": "put", "path": "/new", "base64": STANDARD.encode([0, 159, 146, 150]), "ifNoneMatch": "*" },
        { "op": "edit", "path": "/b", "ifMatch": etag(&old), "edits": [
            { "find": "old", "replace": "new", "count": 1 }, { "offset": 0, "length": 3, "text": "ONE" },
        ] },
        { "op": "move", "path": "/c", "to": "/d" },
        { "op": "copy", "path": "/d", "to": "/e" },
        { "op": "delete", "path": "/f", "recursive": true },
        { "op": "mkdir", "path": "/g/h", "parents": true },
        { "op": "put", "path": "/i", "digest": old["digest"] },
    ]);
    let outcome = workspace.change(&operations).await.ok();
    let paths: Vec<_> = outcome["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["path"])
        .collect();
    let expected = json!(["/a", "/new", "/b", "/d", "/e", null, "/g/h", "/i"]);
    assert_eq!(json!(paths), expected);
    assert_eq!(workspace.names("/").await, ["a", "b", "d", "e", "g", "i", "new"]);
    assert_eq!(workspace.read("/a").await.unwrap(), "größe");
    assert_eq!(workspace.read("/b").await.unwrap(), "ONE new two");
    assert_eq!(workspace.read("/e").await.unwrap(), "c");
    assert_eq!(workspace.read("/i").await.unwrap(), "one old two");
    let bytes = workspace.get("files/content?path=/new").send().await.bytes;
    assert_eq!(bytes, [0, 159, 146, 150]);
    let stat = workspace.stat("/a").await.ok();
    assert_eq!(outcome["entries"][0]["etag"], stat["etag"]);
}

#[tokio::test]
async fn an_operation_sees_the_results_of_those_before_it() {
    let workspace = Workspace::start().await;
    let operations = json!([
        { "op": "mkdir", "path": "/a" },
        { "op": "put", "path": "/a/b", "text": "aaa" },
        { "op": "edit", "path": "/a/b", "edits": [{ "find": "a", "replace": "b", "count": 3 }] },
        { "op": "move", "path": "/a", "to": "/c" },
        { "op": "copy", "path": "/c/b", "to": "/c/d" },
        { "op": "delete", "path": "/c/b" },
        { "op": "put", "path": "/c/b", "text": "again", "ifNoneMatch": "*" },
    ]);
    workspace.change(&operations).await.ok();
    assert_eq!(workspace.names("/c").await, ["b", "d"]);
    assert_eq!(workspace.read("/c/b").await.unwrap(), "again");
    assert_eq!(workspace.read("/c/d").await.unwrap(), "bbb");
}

#[tokio::test]
async fn a_rehearsal_reports_the_outcome_and_writes_nothing() {
    let workspace = Workspace::start().await;
    workspace.write("/a", "one").await;
    let operations = json!([
        { "op": "put", "path": "/a", "text": "two" },
        { "op": "delete", "path": "/a" },
        { "op": "put", "path": "/b", "text": "three" },
    ]);
    let before = workspace.app.all_entries().await;
    let body = json!({ "operations": operations, "dryRun": true });
    let rehearsed = workspace.post("files/changesets", &body).send().await.ok();
    assert!(
        workspace.app.all_entries().await == before,
        "the rehearsal wrote something"
    );
    assert_eq!(workspace.change(&operations).await.ok(), rehearsed);
    assert_eq!(workspace.names("/").await, ["b"]);
    let rejected = json!({ "operations": [{ "op": "delete", "path": "/a" }], "dryRun": true });
    let rejected = workspace.post("files/changesets", &rejected).send().await;
    let problem = rejected.assert_problem(404, Code::NotFound);
    assert_eq!(problem["errors"][0]["pointer"], "/operations/0");
}

#[tokio::test]
async fn a_thousand_operations_are_one_commit() {
    let workspace = Workspace::start().await;
    let operations: Vec<Value> = (0..1000)
        .map(|number| json!({ "op": "put", "path": format!("/d/{number:03}"), "text": "x", "parents": true }))
        .collect();
    workspace.change(&json!(operations)).await.ok();
    assert_eq!(workspace.names("/d").await.len(), 1000);
}

#[tokio::test]
async fn unknown_members_are_ignored_and_null_counts_as_absent() {
    let workspace = Workspace::start().await;
    let operations = json!([{
        "op": "put", "path": "/a", "text": "x", "base64": null, "digest": null, "edits": null, "to": null,
        "ifMatch": null, "more": { "deep": [1] },
    }]);
    workspace.change(&operations).await.ok();
    assert_eq!(workspace.read("/a").await.unwrap(), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_never_sees_a_part_of_a_changeset() {
    let workspace = std::sync::Arc::new(Workspace::start().await);
    workspace.write("/a", "0").await;
    workspace.write("/b", "0").await;
    let writer = workspace.clone();
    let writing = tokio::spawn(async move {
        for number in 1..30 {
            let text = number.to_string();
            let operations = json!([
                { "op": "put", "path": "/a", "text": text }, { "op": "put", "path": "/b", "text": text },
            ]);
            writer.change(&operations).await.ok();
        }
    });
    while !writing.is_finished() {
        let page = workspace
            .app
            .get(&workspace.path("files?path=/"))
            .by(&workspace.alice)
            .send()
            .await
            .ok();
        assert_eq!(page["entries"][0]["etag"], page["entries"][1]["etag"]);
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
}
