//! Files of more than 4 MiB, with an object store in a folder.

use std::path::Path;
use std::sync::Arc;

use api::content::digest_field;
use api::large_files::LargeFiles;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH, RANGE};
use axum::http::{HeaderName, Method};
use domain::contents::Digest;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Actor, Code, Target as _, TestApp, TestResponse};

use crate::uploads::arrived;
use crate::{Workspace, etag};

pub(crate) const MIB: usize = 1 << 20;

/// The size of a part.
pub(crate) const PART: usize = 2 * MIB;

/// Two parts, and a short one.
pub(crate) const SIZE: usize = 2 * PART + MIB;

/// A workspace whose large files are in a folder.
pub(crate) async fn start() -> (Workspace, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let router = files::router().merge(sessions::router());
    let app = TestApp::with_env(router, |env| {
        env.objects = Some(Arc::new(in_folder(folder.path(), env)));
    });
    (Workspace::on(app).await, folder)
}

pub(crate) fn in_folder(folder: &Path, env: &domain::Env) -> LargeFiles {
    let objects = format!("file:{}", folder.display());
    LargeFiles::open(&objects, &|_| None, env.clock.clone()).unwrap()
}

/// Bytes that differ from part to part.
pub(crate) fn bytes(seed: u8) -> Vec<u8> {
    let parts = (0..3).flat_map(|part| std::iter::repeat_n(seed + part, PART));
    parts.take(SIZE).collect()
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    digest_field(Digest::of(bytes).as_bytes())
}

pub(crate) async fn begin(workspace: &Workspace, path: &str) -> Value {
    let body = json!({ "path": path, "size": SIZE, "partSize": PART });
    workspace.post("uploads", &body).send().await.created()
}

pub(crate) fn below(upload: &Value, rest: &str) -> String {
    format!("uploads/{}{rest}", upload["id"].as_str().unwrap())
}

pub(crate) async fn send(workspace: &Workspace, upload: &Value, part: usize, bytes: &[u8]) -> TestResponse {
    let request = workspace.request(Method::PUT, &below(upload, &format!("/parts/{part}")));
    request.body(bytes.to_vec()).send().await
}

pub(crate) async fn send_all(workspace: &Workspace, upload: &Value, bytes: &[u8]) {
    for (number, part) in (1..).zip(bytes.chunks(PART)) {
        send(workspace, upload, number, part).await.ok();
    }
}

pub(crate) async fn commit(workspace: &Workspace, upload: &Value, body: &Value) -> TestResponse {
    workspace.post(&below(upload, "/commit"), body).send().await
}

/// Makes a large file.
pub(crate) async fn write(workspace: &Workspace, path: &str, bytes: &[u8]) -> Value {
    let upload = begin(workspace, path).await;
    send_all(workspace, &upload, bytes).await;
    let committed = commit(workspace, &upload, &json!({ "parents": true })).await;
    assert!(committed.status.is_success(), "{}", committed.body);
    committed.body["data"].clone()
}

pub(crate) async fn content(workspace: &Workspace, path: &str) -> Vec<u8> {
    let read = workspace.get(&format!("files/content?path={path}")).send().await;
    assert_eq!(read.status, 200, "{}", read.body);
    read.bytes
}

#[tokio::test]
async fn parts_become_a_file_that_is_read_whole_and_in_ranges() {
    let (workspace, _folder) = start().await;
    let bytes = bytes(1);
    let upload = begin(&workspace, "/a.bin").await;
    assert_eq!(
        (&upload["partCount"], &upload["mayHaveUrls"]),
        (&json!(3), &json!(true))
    );
    let parts: Vec<_> = bytes.chunks(PART).collect();
    for (number, so_far) in [(3, vec![3]), (1, vec![1, 3])] {
        send(&workspace, &upload, number, parts[number - 1]).await.ok();
        // Repeated, as after a lost response.
        send(&workspace, &upload, number, parts[number - 1]).await.ok();
        assert_eq!(arrived(&workspace, &upload).await, so_far);
    }
    commit(&workspace, &upload, &json!({}))
        .await
        .assert_invalid(&["/parts/2"]);
    // Another part with the same number replaces it.
    send(&workspace, &upload, 2, &vec![9; PART]).await.ok();
    send(&workspace, &upload, 2, parts[1]).await.ok();
    assert_eq!(
        workspace.read("/a.bin").await,
        None,
        "nothing is visible before the commit"
    );
    let entry = commit(&workspace, &upload, &json!({ "ifNoneMatch": "*" }))
        .await
        .created();
    assert_eq!(
        (&entry["size"], &entry["digest"]),
        (&json!(SIZE), &json!(digest(&bytes)))
    );
    assert_eq!(workspace.stat("/a.bin").await.ok(), entry);
    // Repeated, as after a lost response.
    assert_eq!(
        commit(&workspace, &upload, &json!({ "ifNoneMatch": "*" })).await.ok(),
        entry
    );
    workspace
        .get(&below(&upload, ""))
        .send()
        .await
        .assert_problem(404, Code::NotFound);

    let request = |method| workspace.request(method, "files/content?path=/a.bin");
    let whole = request(Method::GET).send().await;
    assert!(whole.bytes == bytes);
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        // Across the boundary of two parts, and to the end.
        ("bytes=2097151-2097152", PART - 1, PART),
        ("bytes=-5", SIZE - 5, SIZE - 1),
        ("bytes=1000000-3000000", 1_000_000, 3_000_000),
    ] {
        let part = request(Method::GET).header(RANGE, range).send().await;
        assert_eq!(part.status, 206, "{range}");
        assert!(part.bytes == bytes[first..=last], "{range}");
        assert_eq!(
            part.header("content-range"),
            Some(&*format!("bytes {first}-{last}/{SIZE}"))
        );
    }
    let beyond = request(Method::GET)
        .header(RANGE, &format!("bytes={SIZE}-"))
        .send()
        .await;
    assert_eq!(beyond.header("content-range"), Some(&*format!("bytes */{SIZE}")));
    beyond.assert_problem(416, Code::RangeNotSatisfiable);
    let head = request(Method::HEAD).send().await;
    assert_eq!(head.status, 200);
    assert!(head.bytes.is_empty());
    assert_eq!(head.header("content-length"), Some(&*SIZE.to_string()));
    for response in [&whole, &head] {
        assert_eq!(response.header("etag"), Some(etag(&entry)));
        assert_eq!(response.header("repr-digest"), entry["digest"].as_str());
    }
    let same = request(Method::GET).header(IF_NONE_MATCH, etag(&entry)).send().await;
    assert_eq!(same.status, 304);
    let other = request(Method::GET).header(IF_MATCH, "\"other\"").send().await;
    other.assert_problem(412, Code::PreconditionFailed);
}

#[tokio::test]
async fn a_part_of_another_length_number_or_digest_is_rejected() {
    let (workspace, _folder) = start().await;
    let upload = begin(&workspace, "/a").await;
    for (part, len) in [
        (1, PART - 1),
        (1, PART + 1),
        (1, 0),
        (3, MIB - 1),
        (3, MIB + 1),
        (3, PART),
    ] {
        send(&workspace, &upload, part, &vec![7; len])
            .await
            .assert_invalid(&[""]);
    }
    for part in [0, 4] {
        let response = send(&workspace, &upload, part, &[7; 9]).await;
        response.assert_problem(404, Code::NotFound);
    }
    let request = workspace.request(Method::PUT, &below(&upload, "/parts/1"));
    let request = request.header(HeaderName::from_static("content-digest"), &digest(b"other"));
    let response = request.body(vec![7; PART]).send().await;
    response.assert_invalid(&["/Content-Digest"]);
    assert!(arrived(&workspace, &upload).await.is_empty());
    for (size, part_size) in [(SIZE, MIB - 1), (SIZE, 5 * MIB), (SIZE, 0)] {
        let body = json!({ "path": "/a", "size": size, "partSize": part_size });
        let response = workspace.post("uploads", &body).send().await;
        response.assert_invalid(&["/partSize"]);
    }
    let body = json!({ "path": "/a", "size": (4_u64 << 30) + 1 });
    workspace.post("uploads", &body).send().await.assert_invalid(&["/size"]);
    // Without URLs, the API receives the parts.
    let body = json!({ "digest": digest(&[7; 9]) });
    let signed = workspace.post(&below(&upload, "/parts/1/url"), &body).send().await.ok();
    assert_eq!(signed, json!({ "request": null }));
}

#[tokio::test]
async fn a_commit_checks_its_precondition_and_the_upload_goes_on() {
    let (workspace, _folder) = start().await;
    let old = workspace.write("/a", "one").await;
    let new = workspace.write("/a", "two").await;
    let bytes = bytes(1);
    let upload = begin(&workspace, "/a").await;
    send_all(&workspace, &upload, &bytes).await;
    for body in [json!({ "ifMatch": etag(&old) }), json!({ "ifNoneMatch": "*" })] {
        let response = commit(&workspace, &upload, &body).await;
        response.assert_problem(412, Code::PreconditionFailed);
    }
    assert_eq!(workspace.read("/a").await.unwrap(), "two");
    let body = json!({ "ifMatch": etag(&new) });
    let large = commit(&workspace, &upload, &body).await.ok();
    assert!(content(&workspace, "/a").await == bytes);
    // A small file replaces a large one, under the large one's tag.
    let replacing = workspace.put("/a", b"three").header(IF_MATCH, etag(&new)).send().await;
    replacing.assert_problem(412, Code::PreconditionFailed);
    workspace
        .put("/a", b"three")
        .header(IF_MATCH, etag(&large))
        .send()
        .await
        .ok();
    assert_eq!(workspace.read("/a").await.unwrap(), "three");
}

#[tokio::test]
async fn two_tenants_with_the_same_content_share_no_object() {
    let (workspace, folder) = start().await;
    let bytes = bytes(1);
    let bob = workspace.app.register("bob@example.com").await;
    let session = crate::create_session(&workspace.app, &bob).await;
    let upload = begin(&workspace, "/a").await;
    send_all(&workspace, &upload, &bytes).await;
    let id = upload["id"].as_str().unwrap();
    // Bob knows the ids, in Alice's session and in his own.
    for session in [&workspace.session, &session] {
        refuse_to(&workspace.app, &bob, session, id).await;
    }
    commit(&workspace, &upload, &json!({})).await.created();
    refuse_to(&workspace.app, &bob, &session, id).await;
    let of_bob = Workspace {
        session,
        alice: bob,
        app: workspace.app,
    };
    let unknown = of_bob.get("files/content?path=/a").send().await;
    unknown.assert_problem(404, Code::NotFound);
    // Naming the digest of another tenant's content makes no file.
    let operation = json!([{ "op": "put", "path": "/a", "digest": digest(&bytes) }]);
    of_bob
        .change(&operation)
        .await
        .assert_invalid(&["/operations/0/digest"]);
    write(&of_bob, "/a", &bytes).await;
    assert!(content(&of_bob, "/a").await == bytes);
    assert_eq!(crate::files_in(folder.path()).len(), 2);
}

async fn refuse_to(app: &TestApp, actor: &Actor, session: &str, upload: &str) {
    let path = format!("/v5/sessions/{session}/uploads/{upload}");
    let requests = [
        app.get(&path),
        app.delete(&path),
        app.put(&format!("{path}/parts/1")).body(vec![7; PART]),
        app.post(&format!("{path}/commit")),
    ];
    for request in requests {
        request.by(actor).send().await.assert_problem(404, Code::NotFound);
    }
}
