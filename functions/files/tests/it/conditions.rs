//! Preconditions of changes, for people and for programs.

use std::time::Duration;

use axum::http::Method;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use domain::access_tokens::Scope;
use serde_json::json;
use testkit::{Code, Target as _};
use tokio::task::JoinSet;

use crate::{Workspace, etag};

#[tokio::test]
async fn a_stale_version_is_not_replaced_moved_or_deleted() {
    let workspace = Workspace::start().await;
    let old = workspace.write("/a.txt", "one").await;
    let new = workspace.write("/a.txt", "two").await;
    let transfer = json!({ "from": "/a.txt", "to": "/b.txt" });
    let requests = |tag: &str| {
        [
            workspace.put("/a.txt", b"three").header(IF_MATCH, tag),
            workspace.post("files/move", &transfer).header(IF_MATCH, tag),
            workspace.post("files/copy", &transfer).header(IF_MATCH, tag),
            workspace.delete("files?path=/a.txt").header(IF_MATCH, tag),
        ]
    };
    for stale in [etag(&old), "nonsense", "\"1\"", "", &format!("W/{}", etag(&new))] {
        for request in requests(stale) {
            request.send().await.assert_problem(412, Code::PreconditionFailed);
        }
    }
    assert_eq!(workspace.names("/").await, ["a.txt"]);
    assert_eq!(workspace.read("/a.txt").await.unwrap(), "two");
    for current in [etag(&new), "*"] {
        let put = workspace.put("/a.txt", b"two").header(IF_MATCH, current).send().await;
        put.ok();
    }
    workspace
        .delete("files?path=/a.txt")
        .header(IF_MATCH, etag(&new))
        .send()
        .await
        .ok();
}

#[tokio::test]
async fn if_none_match_lets_a_file_be_created_but_not_replaced() {
    let workspace = Workspace::start().await;
    let create = || workspace.put("/a.txt", b"one").header(IF_NONE_MATCH, "*").send();
    let entry = create().await.created();
    create().await.assert_problem(412, Code::PreconditionFailed);
    let known = workspace
        .put("/a.txt", b"two")
        .header(IF_NONE_MATCH, etag(&entry))
        .send()
        .await;
    known.assert_problem(412, Code::PreconditionFailed);
    let other = workspace
        .put("/a.txt", b"two")
        .header(IF_NONE_MATCH, "\"1\"")
        .send()
        .await;
    other.ok();
    let absent = workspace.put("/b.txt", b"one").header(IF_MATCH, "*").send().await;
    absent.assert_problem(412, Code::PreconditionFailed);
    let both = workspace
        .put("/a.txt", b"x")
        .header(IF_MATCH, "*")
        .header(IF_NONE_MATCH, "\"1\"");
    both.send().await.assert_invalid(&["/If-None-Match"]);
    assert_eq!(workspace.read("/a.txt").await.unwrap(), "two");
}

#[tokio::test]
async fn a_known_version_is_not_sent_again() {
    let workspace = Workspace::start().await;
    let entry = workspace.write("/a.txt", "one").await;
    for method in [Method::GET, Method::HEAD] {
        let request = workspace.request(method, "files/content?path=/a.txt");
        let known = request.header(IF_NONE_MATCH, etag(&entry)).send().await;
        assert_eq!(known.status, 304);
        assert!(known.bytes.is_empty());
    }
    let bob = workspace.app.register("bob@example.com").await;
    let path = workspace.path("files/content?path=/a.txt");
    let foreign = workspace
        .app
        .get(&path)
        .by(&bob)
        .header(IF_NONE_MATCH, "*")
        .send()
        .await;
    foreign.assert_problem(404, Code::NotFound);
}

#[tokio::test]
async fn a_program_replaces_only_the_version_that_it_names() {
    let workspace = Workspace::start().await;
    let entry = workspace.write("/a.txt", "one").await;
    workspace.write("/b.txt", "two").await;
    let lifetime = Duration::from_hours(1);
    let (_, token) = workspace
        .app
        .access_token(&workspace.alice, [Scope::ReadFiles, Scope::WriteFiles], lifetime)
        .await;
    let put = |path: &str| {
        let below = workspace.path(&format!("files/content?path={path}"));
        workspace.app.put(&below).bearer(&token).body("three")
    };
    put("/new.txt").send().await.created();
    put("/a.txt")
        .send()
        .await
        .assert_problem(428, Code::PreconditionRequired);
    let differs = put("/a.txt").header(IF_NONE_MATCH, "\"1\"").send().await;
    differs.assert_problem(428, Code::PreconditionRequired);
    let any = put("/a.txt").header(IF_MATCH, "*").send().await;
    any.assert_problem(428, Code::PreconditionRequired);
    let create = put("/a.txt").header(IF_NONE_MATCH, "*").send().await;
    create.assert_problem(412, Code::PreconditionFailed);
    let post = |below: &str, body: serde_json::Value| {
        let path = workspace.path(&format!("files/{below}"));
        workspace.app.post(&path).bearer(&token).json(&body).send()
    };
    let over = json!({ "from": "/b.txt", "to": "/a.txt", "overwrite": true });
    post("move", over.clone())
        .await
        .assert_problem(428, Code::PreconditionRequired);
    post("copy", over).await.assert_problem(428, Code::PreconditionRequired);
    let any = json!({ "from": "/b.txt", "to": "/a.txt", "overwriteIfMatch": "*" });
    for operation in ["move", "copy"] {
        post(operation, any.clone())
            .await
            .assert_problem(428, Code::PreconditionRequired);
    }
    let operations = json!({ "operations": [
        { "op": "put", "path": "/c.txt", "text": "x" }, { "op": "put", "path": "/a.txt", "text": "x" },
    ] });
    let problem = post("changesets", operations)
        .await
        .assert_problem(428, Code::PreconditionRequired);
    assert_eq!(problem["errors"][0]["pointer"], "/operations/1");
    assert_eq!(workspace.read("/a.txt").await.unwrap(), "one");
    assert_eq!(workspace.read("/c.txt").await, None);

    put("/a.txt").header(IF_MATCH, etag(&entry)).send().await.ok();
    let entry = workspace.stat("/a.txt").await.ok();
    let matching = json!({ "from": "/b.txt", "to": "/a.txt", "overwriteIfMatch": etag(&entry) });
    post("move", matching).await.ok();
    assert_eq!(workspace.read("/a.txt").await.unwrap(), "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_concurrent_replacements_of_one_version_one_succeeds() {
    let workspace = std::sync::Arc::new(Workspace::start().await);
    let entry = workspace.write("/a.txt", "one").await;
    let mut requests = JoinSet::new();
    for number in 0..20 {
        let (workspace, tag) = (workspace.clone(), etag(&entry).to_owned());
        requests.spawn(async move {
            let content = format!("content {number}");
            let put = workspace.put("/a.txt", content.as_bytes()).header(IF_MATCH, &tag);
            put.send().await.status.as_u16()
        });
    }
    let mut statuses = requests.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200], vec![412; 19]].concat());
}
