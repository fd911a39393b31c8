//! Restores and comparisons of snapshots, and copies of directories.

use axum::http::Method;
use domain::usage::Quotas;
use serde_json::{Value, json};
use testkit::Code;

use crate::Workspace;

async fn take(workspace: &Workspace) -> String {
    let snapshot = workspace.request(Method::POST, "snapshots").send().await.created();
    assert_eq!(snapshot["restore"], json!(null));
    snapshot["id"].as_str().unwrap().to_owned()
}

async fn restore(workspace: &Workspace, id: &str) -> testkit::TestResponse {
    let below = format!("snapshots/{id}/restore");
    workspace.request(Method::POST, &below).send().await
}

async fn diff(workspace: &Workspace, below: &str) -> Value {
    workspace.get(&format!("snapshots/{below}")).send().await.ok()
}

#[tokio::test]
async fn a_restore_is_accepted_and_the_snapshot_says_how_far_it_is() {
    let workspace = Workspace::start().await;
    workspace.write("/a.txt", "one").await;
    workspace.write("/d/e.txt", "two").await;
    let id = take(&workspace).await;
    workspace.write("/a.txt", "changed").await;
    workspace.delete("files?path=/d&recursive=true").send().await.ok();
    let response = restore(&workspace, &id).await;
    assert_eq!(response.status, 202, "{}", response.body);
    assert_eq!(response.body["data"]["restore"]["state"], "completed");
    let snapshot = workspace.get(&format!("snapshots/{id}")).send().await.ok();
    assert_eq!(snapshot, response.body["data"]);
    assert_eq!(snapshot["restore"]["requestedBy"], snapshot["createdBy"]);
    assert_eq!(workspace.read("/a.txt").await.as_deref(), Some("one"));
    assert_eq!(workspace.read("/d/e.txt").await.as_deref(), Some("two"));
    let trash = workspace.get("files/trash").send().await.ok();
    let path = trash["items"][0]["entry"]["path"]
        .as_str()
        .or(trash["items"][0]["path"].as_str());
    assert!(path.unwrap().starts_with("/replaced-"), "{trash}");
    let feed = workspace.get("files/changes").send().await.ok();
    let last = feed["changes"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["kind"], &last["path"]), (&json!("changed"), &json!("/")));
    assert_eq!(last["etag"], workspace.stat("/").await.ok()["etag"]);
    restore(&workspace, "x").await.assert_problem(404, Code::NotFound);
}

#[tokio::test]
async fn a_restore_beyond_the_quota_is_refused_and_changes_nothing() {
    let workspace = Workspace::with_quotas(|quotas: &mut Quotas| quotas.files = 4).await;
    workspace.write("/a.txt", "one").await;
    workspace.write("/b.txt", "two").await;
    let id = take(&workspace).await;
    workspace.write("/a.txt", "changed").await;
    let problem = restore(&workspace, &id).await.assert_problem(507, Code::QuotaExceeded);
    assert_eq!(problem["quota"]["name"], "files");
    assert_eq!(workspace.read("/a.txt").await.as_deref(), Some("changed"));
    let snapshot = workspace.get(&format!("snapshots/{id}")).send().await.ok();
    assert_eq!(snapshot["restore"]["state"], "failed");
}

#[tokio::test]
async fn a_comparison_lists_what_differs_in_pages() {
    let workspace = Workspace::start().await;
    workspace.write("/a.txt", "one").await;
    workspace.write("/b.txt", "two").await;
    let (one, unknown) = (take(&workspace).await, "0190d0a0-7c3e-7a11-8f3e-0123456789ab");
    workspace.write("/a.txt", "changed").await;
    workspace.delete("files?path=/b.txt").send().await.ok();
    workspace.write("/c.txt", "three").await;
    let other = take(&workspace).await;
    let expected = json!([
        { "path": "/a.txt", "kind": "changed" },
        { "path": "/b.txt", "kind": "deleted" },
        { "path": "/c.txt", "kind": "created" },
    ]);
    for to in [String::new(), format!("&to={other}")] {
        let all = diff(&workspace, &format!("{one}/diff?limit=10{to}")).await;
        assert_eq!(all, json!({ "changes": expected, "nextCursor": null }));
        let first = diff(&workspace, &format!("{one}/diff?limit=2{to}")).await;
        let cursor = first["nextCursor"].as_str().unwrap().to_owned();
        assert_eq!(
            first["changes"].as_array().unwrap()[..],
            expected.as_array().unwrap()[..2]
        );
        let second = diff(&workspace, &format!("{one}/diff?limit=2{to}&cursor={cursor}")).await;
        assert_eq!(second, json!({ "changes": [expected[2]], "nextCursor": null }));
        let foreign = format!("snapshots/{other}/diff?cursor={cursor}{to}");
        workspace.get(&foreign).send().await.assert_invalid(&["/cursor"]);
    }
    restore(&workspace, &one).await;
    assert_eq!(diff(&workspace, &format!("{one}/diff")).await["changes"], json!([]));
    let get = |query: String| workspace.get(&format!("snapshots/{one}/diff?{query}")).send();
    get(format!("to={unknown}")).await.assert_problem(404, Code::NotFound);
    get("to=x".to_owned()).await.assert_invalid(&["/to"]);
    get("limit=0".to_owned()).await.assert_invalid(&["/limit"]);
    get("cursor=!".to_owned()).await.assert_invalid(&["/cursor"]);
}

#[tokio::test]
async fn a_directory_is_copied_with_everything_in_it() {
    let workspace = Workspace::start().await;
    workspace.write("/a/b/c.txt", "one").await;
    workspace.write("/a/d.txt", "two").await;
    let body = json!({ "from": "/a", "to": "/z" });
    let entry = workspace.post("files/copy", &body).send().await.ok();
    assert_eq!((&entry["path"], &entry["kind"]), (&json!("/z"), &json!("directory")));
    assert_eq!(workspace.names("/z").await, ["b", "d.txt"]);
    assert_eq!(workspace.read("/z/b/c.txt").await.as_deref(), Some("one"));
    let again = workspace.post("files/copy", &body).send().await;
    again.assert_problem(409, Code::Exists);
    assert_eq!(workspace.get("snapshots").send().await.ok()["snapshots"], json!([]));
    let changeset = json!([{ "op": "copy", "path": "/a", "to": "/y" }]);
    workspace
        .change(&changeset)
        .await
        .assert_problem(409, Code::IsADirectory);
}
