//! The trash.

use serde_json::{Value, json};
use testkit::Code;

use crate::Workspace;

async fn items(workspace: &Workspace) -> Vec<Value> {
    let page = workspace.get("files/trash").send().await.ok();
    assert_eq!(page["nextCursor"], json!(null));
    page["items"].as_array().unwrap().clone()
}

fn restore(item: &Value) -> String {
    format!("files/trash/{}/restore", item["id"].as_str().unwrap())
}

#[tokio::test]
async fn what_is_deleted_is_in_the_trash_and_can_be_restored() {
    let workspace = Workspace::start().await;
    let entry = workspace.write("/a/b.txt", "x").await;
    assert!(items(&workspace).await.is_empty());
    workspace.delete("files?path=/a/b.txt").send().await.ok();
    let trash = items(&workspace).await;
    assert_eq!(trash.len(), 1);
    assert_eq!(trash[0]["entry"]["path"], "/a/b.txt");
    assert_eq!(trash[0]["entry"]["etag"], entry["etag"]);
    assert_eq!(trash[0]["deletedBy"], workspace.alice.signed_in.user.id.to_string());
    let restored = workspace.post(&restore(&trash[0]), &json!({})).send().await.ok();
    assert_eq!(restored["path"], "/a/b.txt");
    assert_eq!(workspace.read("/a/b.txt").await.unwrap(), "x");
    assert!(items(&workspace).await.is_empty());
    let again = workspace.post(&restore(&trash[0]), &json!({})).send().await;
    again.assert_problem(404, Code::NotFound);
}

#[tokio::test]
async fn a_directory_is_restored_with_everything_below_it_and_its_directories() {
    let workspace = Workspace::start().await;
    workspace.write("/a/b/c/d.txt", "x").await;
    workspace.delete("files?path=/a/b&recursive=true").send().await.ok();
    workspace.delete("files?path=/a").send().await.ok();
    let trash = items(&workspace).await;
    let paths: Vec<_> = trash.iter().map(|item| &item["entry"]["path"]).collect();
    assert_eq!(paths, ["/a", "/a/b"], "the latest first");
    workspace.post(&restore(&trash[1]), &json!({})).send().await.ok();
    assert_eq!(workspace.read("/a/b/c/d.txt").await.unwrap(), "x");
    let taken = workspace.post(&restore(&trash[0]), &json!({})).send().await;
    taken.assert_problem(409, Code::Exists);
    assert_eq!(items(&workspace).await.len(), 1, "nothing is lost");
}

#[tokio::test]
async fn a_replaced_file_can_be_restored_elsewhere_only_after_a_move() {
    let workspace = Workspace::start().await;
    workspace.write("/a", "one").await;
    workspace.delete("files?path=/a").send().await.ok();
    workspace.write("/a", "two").await;
    let trash = items(&workspace).await;
    workspace
        .post(&restore(&trash[0]), &json!({}))
        .send()
        .await
        .assert_problem(409, Code::Exists);
    workspace
        .post("files/move", &json!({ "from": "/a", "to": "/b" }))
        .send()
        .await
        .ok();
    workspace.post(&restore(&trash[0]), &json!({})).send().await.ok();
    assert_eq!(workspace.read("/a").await.unwrap(), "one");
    assert_eq!(workspace.read("/b").await.unwrap(), "two");
}

#[tokio::test]
async fn an_emptied_trash_has_no_items() {
    let workspace = Workspace::start().await;
    workspace.write("/a/b", "x").await;
    workspace.delete("files?path=/a&recursive=true").send().await.ok();
    let trash = items(&workspace).await;
    workspace.delete("files/trash").send().await.ok();
    assert!(items(&workspace).await.is_empty());
    workspace
        .post(&restore(&trash[0]), &json!({}))
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    workspace.delete("files/trash").send().await.ok();
}

#[tokio::test]
async fn pages_lead_through_the_trash_and_unknown_items_are_not_found() {
    let workspace = Workspace::start().await;
    for name in ["/1", "/2", "/3"] {
        workspace.write(name, "x").await;
        workspace.delete(&format!("files?path={name}")).send().await.ok();
    }
    let first = workspace.get("files/trash?limit=2").send().await.ok();
    let next = format!("files/trash?limit=2&cursor={}", first["nextCursor"].as_str().unwrap());
    let second = workspace.get(&next).send().await.ok();
    let paths: Vec<_> = [&first, &second]
        .iter()
        .flat_map(|page| page["items"].as_array().unwrap())
        .map(|item| item["entry"]["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["/3", "/2", "/1"]);
    for unknown in ["0190d0a0-7c3e-7a11-8f3e-0123456789ab", "x", "%00"] {
        let below = format!("files/trash/{unknown}/restore");
        let response = workspace.post(&below, &json!({})).send().await;
        response.assert_problem(404, Code::NotFound);
    }
}
