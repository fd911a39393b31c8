//! The feed of changes.

use std::time::Duration;

use api::Code;
use domain::sweep::sweep;
use serde_json::{Value, json};
use testkit::TestApp;

use crate::Workspace;

async fn after(workspace: &Workspace, cursor: &str) -> (Vec<Value>, String) {
    let below = if cursor.is_empty() {
        "files/changes".to_owned()
    } else {
        format!("files/changes?cursor={cursor}")
    };
    let page = workspace.get(&below).send().await.ok();
    let cursor = page["nextCursor"].as_str().unwrap().to_owned();
    (page["changes"].as_array().unwrap().clone(), cursor)
}

#[tokio::test]
async fn every_change_is_in_the_feed_once_and_in_order() {
    let workspace = Workspace::start().await;
    let (nothing, start) = after(&workspace, "").await;
    assert!(nothing.is_empty());
    let entry = workspace.write("/a.txt", "one").await;
    workspace.write("/a.txt", "two").await;
    workspace
        .post("files/move", &json!({ "from": "/a.txt", "to": "/b.txt" }))
        .send()
        .await
        .ok();
    workspace.delete("files?path=/b.txt").send().await.ok();
    let (changes, end) = after(&workspace, "").await;
    let kinds: Vec<_> = changes
        .iter()
        .map(|change| (&change["kind"], &change["path"]))
        .collect();
    assert_eq!(
        json!(kinds),
        json!([
            ["created", "/a.txt"],
            ["changed", "/a.txt"],
            ["moved", "/b.txt"],
            ["deleted", "/b.txt"]
        ])
    );
    assert_eq!(changes[0]["etag"], entry["etag"]);
    assert_eq!(changes[2]["from"], "/a.txt");
    assert_eq!(changes[3]["etag"], json!(null));
    let user = workspace.alice.signed_in.user.id.to_string();
    assert_eq!(changes[0]["by"], json!({ "userId": user }));
    assert_eq!(
        after(&workspace, &start).await.0,
        changes,
        "an empty feed has a cursor, too"
    );
    assert!(after(&workspace, &end).await.0.is_empty());
    workspace.write("/c.txt", "x").await;
    let (changes, _) = after(&workspace, &end).await;
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0]["path"], "/c.txt");
}

#[tokio::test]
async fn pages_lead_through_the_feed_without_gaps() {
    let workspace = Workspace::start().await;
    let operations: Vec<_> = (0..10)
        .map(|number| json!({ "op": "mkdir", "path": format!("/{number}") }))
        .collect();
    workspace.change(&json!(operations)).await.ok();
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = workspace
            .get(&format!("files/changes?limit=3{cursor}"))
            .send()
            .await
            .ok();
        let changes = page["changes"].as_array().unwrap();
        if changes.is_empty() {
            break;
        }
        found.extend(changes.iter().map(|change| change["path"].as_str().unwrap().to_owned()));
        cursor = format!("&cursor={}", page["nextCursor"].as_str().unwrap());
    }
    let expected: Vec<_> = (0..10).map(|number| format!("/{number}")).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_wait_ends_at_once_if_there_is_a_change_and_is_at_most_20_seconds() {
    let workspace = Workspace::start().await;
    workspace.write("/a", "x").await;
    let page = workspace.get("files/changes?wait=20").send().await.ok();
    assert_eq!(page["changes"].as_array().unwrap().len(), 1);
    for bad in ["21", "-1", "1.5", "x", ""] {
        let response = workspace.get(&format!("files/changes?wait={bad}")).send().await;
        response.assert_invalid(&["/wait"]);
    }
}

#[tokio::test]
async fn a_cursor_from_which_changes_are_missing_has_expired() {
    let router = files::router().merge(sessions::router());
    let app = TestApp::with_limits(router, |limits| {
        limits.throttle = None;
        limits.file_changes.count = 2;
    });
    let workspace = Workspace::on(app).await;
    let (_, start) = after(&workspace, "").await;
    for number in 0..5 {
        workspace.mkdir(&format!("/{number}")).await;
    }
    let (_, end) = after(&workspace, "").await;
    let swept = sweep(&workspace.app.env, Duration::from_secs(60)).await.unwrap();
    assert_eq!(swept.file_changes, 3);
    workspace
        .get(&format!("files/changes?cursor={start}"))
        .send()
        .await
        .assert_problem(422, Code::CursorExpired);
    assert_eq!(after(&workspace, "").await.0.len(), 2);
    assert_eq!(after(&workspace, &end).await.0.len(), 0);
}
