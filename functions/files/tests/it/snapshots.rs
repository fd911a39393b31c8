//! Snapshots.

use axum::http::Method;
use axum::http::header::RANGE;
use serde_json::json;
use testkit::Code;

use crate::{Workspace, names};

#[tokio::test]
async fn a_snapshot_shows_the_files_as_they_were() {
    let workspace = Workspace::start().await;
    workspace.write("/a.txt", "one").await;
    workspace.write("/d/e.txt", "two").await;
    let response = workspace.post("snapshots", &json!({ "name": "before" })).send().await;
    let location = response.header("location").unwrap().to_owned();
    let snapshot = response.created();
    assert_eq!(snapshot["name"], "before");
    let id = snapshot["id"].as_str().unwrap();
    assert_eq!(location, workspace.path(&format!("snapshots/{id}")));

    workspace.write("/a.txt", "changed").await;
    workspace.write("/new.txt", "new").await;
    workspace
        .post("files/move", &json!({ "from": "/d", "to": "/moved" }))
        .send()
        .await
        .ok();
    let page = workspace.get(&format!("files?path=/&at={id}")).send().await.ok();
    assert_eq!(names(&page["entries"]), ["a.txt", "d"]);
    let content = |path: &str| workspace.get(&format!("files/content?path={path}&at={id}"));
    assert_eq!(content("/a.txt").send().await.bytes, b"one");
    assert_eq!(content("/d/e.txt").send().await.bytes, b"two");
    let part = content("/a.txt").header(RANGE, "bytes=1-").send().await;
    assert_eq!((part.status.as_u16(), &*part.bytes), (206, &b"ne"[..]));
    content("/new.txt").send().await.assert_problem(404, Code::NotFound);
    let stat = workspace
        .get(&format!("files/stat?path=/a.txt&at={id}"))
        .send()
        .await
        .ok();
    assert_eq!(stat["size"], 3);
}

#[tokio::test]
async fn snapshots_are_listed_newest_first_and_deleted() {
    let workspace = Workspace::start().await;
    let mut ids = Vec::new();
    for name in ["one", "two", "three"] {
        let snapshot = workspace
            .post("snapshots", &json!({ "name": name }))
            .send()
            .await
            .created();
        ids.push(snapshot["id"].as_str().unwrap().to_owned());
    }
    let unnamed = workspace.request(Method::POST, "snapshots").send().await.created();
    assert_eq!(unnamed["name"], json!(null));
    let first = workspace.get("snapshots?limit=2").send().await.ok();
    let next = format!("snapshots?limit=2&cursor={}", first["nextCursor"].as_str().unwrap());
    let second = workspace.get(&next).send().await.ok();
    assert_eq!(second["nextCursor"], json!(null));
    let listed: Vec<_> = [&first, &second]
        .iter()
        .flat_map(|page| page["snapshots"].as_array().unwrap())
        .map(|snapshot| &snapshot["name"])
        .collect();
    assert_eq!(json!(listed), json!([null, "three", "two", "one"]));

    let below = format!("snapshots/{}", ids[0]);
    assert_eq!(workspace.get(&below).send().await.ok()["name"], "one");
    workspace.delete(&below).send().await.ok();
    workspace.get(&below).send().await.assert_problem(404, Code::NotFound);
    workspace
        .delete(&below)
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    let at = format!("files?path=/&at={}", ids[0]);
    workspace.get(&at).send().await.assert_problem(404, Code::NotFound);
}

#[tokio::test]
async fn an_unknown_snapshot_is_not_found_and_a_bad_name_or_id_is_named() {
    let workspace = Workspace::start().await;
    let unknown = "0190d0a0-7c3e-7a11-8f3e-0123456789ab";
    for id in [unknown, "x", "%00"] {
        let below = format!("snapshots/{id}");
        workspace.get(&below).send().await.assert_problem(404, Code::NotFound);
        workspace
            .delete(&below)
            .send()
            .await
            .assert_problem(404, Code::NotFound);
    }
    for below in ["files?path=/", "files/stat?path=/", "files/content?path=/a"] {
        let get = |at: &str| workspace.get(&format!("{below}&at={at}")).send();
        get(unknown).await.assert_problem(404, Code::NotFound);
        get("x").await.assert_invalid(&["/at"]);
    }
    for name in [json!(""), json!(7), json!("a\u{0}")] {
        let response = workspace.post("snapshots", &json!({ "name": name })).send().await;
        response.assert_invalid(&["/name"]);
    }
}
