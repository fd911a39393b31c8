//! Moving and copying.

use serde_json::json;
use testkit::{Code, TestResponse};
use tokio::task::JoinSet;

use crate::{Workspace, etag};

async fn transfer(workspace: &Workspace, below: &str, from: &str, to: &str) -> TestResponse {
    let body = json!({ "from": from, "to": to });
    workspace.post(&format!("files/{below}"), &body).send().await
}

#[tokio::test]
async fn a_directory_moves_with_everything_below_it() {
    let workspace = Workspace::start().await;
    workspace.write("/a/b/c.txt", "x").await;
    let before = workspace.stat("/a").await.ok();
    let moved = transfer(&workspace, "move", "/a", "/d").await.ok();
    assert_eq!((&moved["path"], &moved["etag"]), (&json!("/d"), &before["etag"]));
    assert_eq!(workspace.read("/d/b/c.txt").await.unwrap(), "x");
    workspace.stat("/a").await.assert_problem(404, Code::NotFound);
    workspace.stat("/a/b/c.txt").await.assert_problem(404, Code::NotFound);
    transfer(&workspace, "move", "/d/b", "/b").await.ok();
    assert_eq!(workspace.names("/").await, ["b", "d"]);
}

#[tokio::test]
async fn a_copy_is_independent() {
    let workspace = Workspace::start().await;
    let entry = workspace.write("/a.txt", "one").await;
    let copy = transfer(&workspace, "copy", "/a.txt", "/b.txt").await.ok();
    assert_eq!(etag(&copy), etag(&entry));
    workspace.write("/a.txt", "two").await;
    workspace.delete("files?path=/a.txt").send().await.ok();
    assert_eq!(workspace.read("/b.txt").await.unwrap(), "one");
}

#[tokio::test]
async fn a_taken_path_is_replaced_only_on_request() {
    let workspace = Workspace::start().await;
    let target = workspace.write("/b.txt", "two").await;
    for below in ["move", "copy"] {
        workspace.write("/a.txt", "one").await;
        transfer(&workspace, below, "/a.txt", "/b.txt")
            .await
            .assert_problem(409, Code::Exists);
        let url = format!("files/{below}");
        let body = |more: serde_json::Value| {
            let mut body = json!({ "from": "/a.txt", "to": "/b.txt" });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        let other = body(json!({ "overwriteIfMatch": "\"1\"" }));
        workspace
            .post(&url, &other)
            .send()
            .await
            .assert_problem(412, Code::PreconditionFailed);
        assert_eq!(workspace.read("/b.txt").await.unwrap(), "two");
        let current = body(json!({ "overwrite": false, "overwriteIfMatch": etag(&target) }));
        workspace.post(&url, &current).send().await.ok();
        assert_eq!(workspace.read("/b.txt").await.unwrap(), "one");
        workspace.write("/a.txt", "three").await;
        workspace
            .post(&url, &body(json!({ "overwrite": true })))
            .send()
            .await
            .ok();
        assert_eq!(workspace.read("/b.txt").await.unwrap(), "three");
        // The latest items first.
        let trash = workspace.get("files/trash").send().await.ok();
        let replaced = [0, 1].map(|index| &trash["items"][index]["entry"]);
        assert_eq!(replaced.map(|entry| &entry["path"]), ["/b.txt"; 2], "{below}");
        assert_eq!(etag(replaced[1]), etag(&target), "{below}");
        workspace.write("/b.txt", "two").await;
    }
}

#[tokio::test]
async fn a_transfer_needs_its_source_and_the_directory_of_its_target() {
    let workspace = Workspace::start().await;
    workspace.write("/a.txt", "one").await;
    for below in ["move", "copy"] {
        transfer(&workspace, below, "/none", "/b")
            .await
            .assert_problem(404, Code::NotFound);
        transfer(&workspace, below, "/a.txt", "/none/b")
            .await
            .assert_problem(404, Code::NotFound);
        transfer(&workspace, below, "/a.txt", "/a.txt/b")
            .await
            .assert_problem(409, Code::NotADirectory);
        let body = json!({ "from": 1, "parents": "x", "overwrite": 2, "overwriteIfMatch": [] });
        let response = workspace.post(&format!("files/{below}"), &body).send().await;
        response.assert_invalid(&["/from", "/to", "/overwrite", "/overwriteIfMatch", "/parents"]);
    }
    let parents = json!({ "from": "/a.txt", "to": "/x/y/a.txt", "parents": true });
    workspace.post("files/move", &parents).send().await.ok();
    assert_eq!(workspace.read("/x/y/a.txt").await.unwrap(), "one");
}

#[tokio::test]
async fn a_directory_cannot_contain_itself() {
    let workspace = Workspace::start().await;
    workspace.write("/a/b/c.txt", "x").await;
    for to in ["/a/b/d", "/a/d"] {
        transfer(&workspace, "move", "/a", to)
            .await
            .assert_problem(409, Code::Cycle);
    }
    assert_eq!(workspace.read("/a/b/c.txt").await.unwrap(), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_concurrent_moves_into_each_other_one_is_rejected() {
    for _ in 0..10 {
        let workspace = std::sync::Arc::new(Workspace::start().await);
        workspace.mkdir("/a").await;
        workspace.mkdir("/b").await;
        let mut requests = JoinSet::new();
        for (from, to) in [("/a", "/b/a"), ("/b", "/a/b")] {
            let workspace = workspace.clone();
            requests.spawn(async move { transfer(&workspace, "move", from, to).await });
        }
        let (done, rejected): (Vec<_>, Vec<_>) = requests
            .join_all()
            .await
            .into_iter()
            .partition(|response| response.status == 200);
        assert_eq!((done.len(), rejected.len()), (1, 1));
        // The directory of the second one has moved away, or is below what it moves.
        let rejected = rejected.into_iter().next().unwrap();
        assert!([404, 409].contains(&rejected.status.as_u16()), "{}", rejected.body);
        assert_eq!(workspace.names("/").await.len(), 1);
    }
}
