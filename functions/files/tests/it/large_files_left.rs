//! What remains in the object store, after the janitor has run: nothing that no file needs.

use std::path::PathBuf;
use std::time::Duration;

use axum::http::Method;
use domain::sweep::sweep;
use serde_json::json;
use testkit::{Code, Target as _};

use crate::large_files::{PART, SIZE, begin, below, bytes, commit, content, digest, send, send_all, start, write};
use crate::{Workspace, files_in};

/// Runs the janitor until what became due is gone.
async fn clean(workspace: &Workspace) {
    for _ in 0..3 {
        workspace.app.clock.advance(Duration::from_mins(2));
        sweep(&workspace.app.env, Duration::from_secs(60)).await.unwrap();
    }
}

#[tokio::test]
async fn a_cancelled_upload_leaves_nothing() {
    let (workspace, folder) = start().await;
    let upload = begin(&workspace, "/a").await;
    send_all(&workspace, &upload, &bytes(1)).await;
    assert!(files_in(folder.path()).len() >= 3);
    workspace.delete(&below(&upload, "")).send().await.ok();
    let late = send(&workspace, &upload, 1, &vec![7; PART]).await;
    late.assert_problem(404, Code::NotFound);
    let late = commit(&workspace, &upload, &json!({})).await;
    late.assert_problem(404, Code::NotFound);
    clean(&workspace).await;
    assert_eq!(files_in(folder.path()), Vec::<PathBuf>::new());
    let usage = domain::check::check(&workspace.app.env, 10, |_| ()).await.unwrap();
    assert_eq!(usage.findings, []);
}

#[tokio::test]
async fn an_upload_that_is_never_committed_leaves_nothing_after_a_day() {
    let (workspace, folder) = start().await;
    let upload = begin(&workspace, "/a").await;
    send(&workspace, &upload, 2, &vec![7; PART]).await.ok();
    clean(&workspace).await;
    assert!(!files_in(folder.path()).is_empty(), "the client may continue");
    workspace.app.clock.advance(Duration::from_hours(24));
    clean(&workspace).await;
    assert_eq!(files_in(folder.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_file_with_another_digest_than_announced_leaves_nothing() {
    let (workspace, folder) = start().await;
    let body = json!({ "path": "/a", "size": SIZE, "partSize": PART, "digest": digest(b"other") });
    let upload = workspace.post("uploads", &body).send().await.created();
    send_all(&workspace, &upload, &bytes(1)).await;
    let refused = commit(&workspace, &upload, &json!({})).await;
    refused.assert_invalid(&["/digest"]);
    assert_eq!(workspace.read("/a").await, None);
    let gone = workspace.get(&below(&upload, "")).send().await;
    gone.assert_problem(404, Code::NotFound);
    clean(&workspace).await;
    assert_eq!(files_in(folder.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn an_object_is_deleted_with_the_last_file_that_has_it() {
    let (workspace, folder) = start().await;
    let bytes = bytes(1);
    let first = write(&workspace, "/a", &bytes).await;
    // The same content again: its second object is not kept.
    assert_eq!(write(&workspace, "/b", &bytes).await["etag"], first["etag"]);
    let copying = json!({ "from": "/a", "to": "/c" });
    workspace.post("files/copy", &copying).send().await.ok();
    clean(&workspace).await;
    assert_eq!(files_in(folder.path()).len(), 1);
    let empty_trash = || workspace.request(Method::DELETE, "files/trash").send();
    for path in ["/a", "/b"] {
        workspace.delete(&format!("files?path={path}")).send().await.ok();
        empty_trash().await.ok();
        clean(&workspace).await;
        assert!(content(&workspace, "/c").await == bytes);
    }
    workspace.delete("files?path=/c").send().await.ok();
    clean(&workspace).await;
    assert_eq!(files_in(folder.path()).len(), 1, "it can be restored from the trash");
    empty_trash().await.ok();
    clean(&workspace).await;
    assert_eq!(files_in(folder.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn the_deletion_of_a_session_deletes_its_uploads_and_objects() {
    let (workspace, folder) = start().await;
    write(&workspace, "/a", &bytes(1)).await;
    let upload = begin(&workspace, "/b").await;
    send(&workspace, &upload, 1, &vec![7; PART]).await.ok();
    let path = format!("/v5/sessions/{}", workspace.session);
    workspace.app.delete(&path).by(&workspace.alice).send().await.ok();
    clean(&workspace).await;
    assert_eq!(files_in(folder.path()), Vec::<PathBuf>::new());
}
