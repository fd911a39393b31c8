//! Making, listing and deleting directories.

use serde_json::json;
use testkit::Code;

use crate::Workspace;

#[tokio::test]
async fn a_directory_is_made_once() {
    let workspace = Workspace::start().await;
    let first = workspace.mkdir("/src").await;
    assert_eq!((&first["kind"], &first["size"]), (&json!("directory"), &json!(0)));
    assert_eq!((&first["mediaType"], &first["digest"]), (&json!(null), &json!(null)));
    assert_eq!(workspace.stat("/src").await.ok(), first);
    let make = |path: &str, parents: bool| {
        let body = json!({ "path": path, "parents": parents });
        workspace.post("files/directories", &body).send()
    };
    make("/src", false).await.assert_problem(409, Code::Exists);
    assert_eq!(make("/src", true).await.ok(), first);
    make("/a/b/c", false).await.assert_problem(404, Code::NotFound);
    make("/a/b/c", true).await.created();
    workspace.write("/file", "x").await;
    make("/file", false).await.assert_problem(409, Code::Exists);
    make("/file/a", true).await.assert_problem(409, Code::NotADirectory);
    assert_eq!(workspace.names("/").await, ["a", "file", "src"]);
}

#[tokio::test]
async fn a_body_with_bad_values_makes_nothing() {
    let workspace = Workspace::start().await;
    for (body, pointers) in [
        (json!({}), &["/path"][..]),
        (json!({ "path": 7, "parents": "yes" }), &["/path", "/parents"]),
        (json!({ "path": "a" }), &["/path"]),
        (json!({ "path": "/a\u{0}" }), &["/path"]),
    ] {
        let response = workspace.post("files/directories", &body).send().await;
        response.assert_invalid(pointers);
    }
    assert!(workspace.names("/").await.is_empty());
}

#[tokio::test]
async fn the_root_directory_exists_and_stays() {
    let workspace = Workspace::start().await;
    let root = workspace.stat("/").await.ok();
    assert_eq!(
        (&root["path"], &root["name"], &root["kind"]),
        (&json!("/"), &json!(""), &json!("directory"))
    );
    workspace
        .delete("files?path=/&recursive=true")
        .send()
        .await
        .assert_invalid(&["/path"]);
    let transfer = |from: &str, to: &str| json!({ "from": from, "to": to, "overwrite": true });
    workspace.mkdir("/a").await;
    for below in ["files/move", "files/copy"] {
        workspace
            .post(below, &transfer("/", "/b"))
            .send()
            .await
            .assert_invalid(&["/from"]);
        workspace
            .post(below, &transfer("/a", "/"))
            .send()
            .await
            .assert_invalid(&["/to"]);
    }
    let made = workspace
        .post("files/directories", &json!({ "path": "/" }))
        .send()
        .await;
    assert!([409, 422].contains(&made.status.as_u16()), "{}", made.body);
    assert_eq!(workspace.names("/").await, ["a"]);
}

#[tokio::test]
async fn a_directory_with_entries_is_deleted_only_recursively() {
    let workspace = Workspace::start().await;
    workspace.write("/a/b/c.txt", "x").await;
    workspace.mkdir("/empty").await;
    for below in ["files?path=/a", "files?path=/a&recursive=false"] {
        workspace.delete(below).send().await.assert_problem(409, Code::NotEmpty);
    }
    workspace
        .delete("files?path=/a&recursive=maybe")
        .send()
        .await
        .assert_invalid(&["/recursive"]);
    workspace.delete("files?path=/empty").send().await.ok();
    assert_eq!(workspace.names("/").await, ["a"]);
    workspace.delete("files?path=/a&recursive=true").send().await.ok();
    assert!(workspace.names("/").await.is_empty());
    workspace.stat("/a/b/c.txt").await.assert_problem(404, Code::NotFound);
    workspace
        .delete("files?path=/a")
        .send()
        .await
        .assert_problem(404, Code::NotFound);
}

#[tokio::test]
async fn a_file_is_no_directory() {
    let workspace = Workspace::start().await;
    workspace.write("/file", "x").await;
    workspace
        .get("files?path=/file")
        .send()
        .await
        .assert_problem(409, Code::NotADirectory);
    for below in [
        "files?path=/file/a",
        "files/stat?path=/file/a",
        "files/content?path=/file/a",
    ] {
        let response = workspace.get(below).send().await;
        response.assert_problem(409, Code::NotADirectory);
    }
    workspace
        .get("files?path=/none")
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    workspace.stat("/none/a").await.assert_problem(404, Code::NotFound);
}
