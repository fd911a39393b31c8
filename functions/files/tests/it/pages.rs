//! Pages of a directory.

use serde_json::json;

use crate::{Workspace, names};

#[tokio::test]
async fn pages_lead_through_a_directory_in_the_order_of_names() {
    let workspace = Workspace::start().await;
    let all = ["B", "a", "a b", "a.txt", "b", "é", "日本"];
    let operations: Vec<_> = all
        .iter()
        .map(|name| json!({ "op": "put", "path": format!("/d/{name}"), "text": "x", "parents": true }))
        .collect();
    workspace.change(&json!(operations)).await.ok();
    for limit in [1, 2, 3, 7, 1000] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let below = format!("files?path=/d&limit={limit}{cursor}");
            let page = workspace.get(&below).send().await.ok();
            assert!(page["entries"].as_array().unwrap().len() <= limit);
            found.extend(names(&page["entries"]));
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found, all, "{limit}");
    }
}

#[tokio::test]
async fn a_cursor_belongs_to_its_directory_and_snapshot() {
    let workspace = Workspace::start().await;
    for name in ["/a/1", "/a/2", "/b/1", "/b/2"] {
        workspace.write(name, "x").await;
    }
    let snapshot = workspace.post("snapshots", &json!({})).send().await.created();
    let snapshot = snapshot["id"].as_str().unwrap();
    let page = workspace.get("files?path=/a&limit=1").send().await.ok();
    let cursor = page["nextCursor"].as_str().unwrap();
    workspace
        .get(&format!("files?path=/a&cursor={cursor}"))
        .send()
        .await
        .ok();
    let at = format!("files?path=/a&at={snapshot}&cursor={cursor}");
    let other = format!("files?path=/b&cursor={cursor}");
    let altered = format!("files?path=/a&cursor={}A", &cursor[..cursor.len() - 1]);
    let trash = format!("files/trash?cursor={cursor}");
    let changes = format!("files/changes?cursor={cursor}");
    let snapshots = format!("snapshots?cursor={cursor}");
    for below in [&at, &other, &altered, &trash, &changes, &snapshots] {
        workspace.get(below).send().await.assert_invalid(&["/cursor"]);
    }
    // Of another tenant's session.
    let bob = Workspace::start().await;
    bob.get(&format!("files?path=/&cursor={cursor}"))
        .send()
        .await
        .assert_invalid(&["/cursor"]);
}

#[tokio::test]
async fn a_limit_is_a_number_up_to_1000() {
    let workspace = Workspace::start().await;
    for below in ["files?path=/&", "files/trash?", "files/changes?"] {
        workspace.get(&format!("{below}limit=1000")).send().await.ok();
        for bad in ["0", "1001", "-1", "x", ""] {
            let response = workspace.get(&format!("{below}limit={bad}")).send().await;
            response.assert_invalid(&["/limit"]);
        }
    }
    workspace
        .get("snapshots?limit=101")
        .send()
        .await
        .assert_invalid(&["/limit"]);
    let response = workspace.get("files?path=&limit=0&cursor=!&at=x").send().await;
    response.assert_invalid(&["/path", "/at", "/limit", "/cursor"]);
}
