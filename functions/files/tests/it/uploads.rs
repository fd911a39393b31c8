//! Uploads in parts.

use std::time::Duration;

use axum::http::{HeaderName, Method};
use serde_json::{Value, json};
use testkit::{Code, Target as _, TestResponse};
use tokio::task::JoinSet;

use crate::{Workspace, etag};

const PART: usize = 64 << 10;

async fn begin(workspace: &Workspace, path: &str, size: usize) -> Value {
    let body = json!({ "path": path, "size": size, "partSize": PART });
    workspace.post("uploads", &body).send().await.created()
}

fn below(upload: &Value, rest: &str) -> String {
    format!("uploads/{}{rest}", upload["id"].as_str().unwrap())
}

async fn send(workspace: &Workspace, upload: &Value, part: usize, bytes: &[u8]) -> TestResponse {
    let request = workspace.request(Method::PUT, &below(upload, &format!("/parts/{part}")));
    request.body(bytes.to_vec()).send().await
}

/// The numbers of the parts that have arrived.
pub(crate) async fn arrived(workspace: &Workspace, upload: &Value) -> Vec<u64> {
    let upload = workspace.get(&below(upload, "")).send().await.ok();
    let parts = upload["parts"].as_array().unwrap().iter();
    let arrived = parts.filter(|part| part["arrived"] == true);
    arrived.map(|part| part["n"].as_u64().unwrap()).collect()
}

async fn commit(workspace: &Workspace, upload: &Value, body: &Value) -> TestResponse {
    workspace.post(&below(upload, "/commit"), body).send().await
}

#[tokio::test]
async fn parts_in_any_order_become_a_file() {
    let workspace = Workspace::start().await;
    let bytes: Vec<u8> = (0..=255).cycle().take(PART * 2 + 100).collect();
    let response = workspace
        .post(
            "uploads",
            &json!({ "path": "/a.bin", "size": bytes.len(), "partSize": PART }),
        )
        .send()
        .await;
    let location = response.header("location").unwrap().to_owned();
    let upload = response.created();
    assert_eq!(location, workspace.path(&below(&upload, "")));
    let expected = [(1, PART), (2, PART), (3, 100)];
    let expected = expected.map(|(n, size)| json!({ "n": n, "size": size, "arrived": false }));
    assert_eq!((&upload["parts"], &upload["partCount"]), (&json!(expected), &json!(3)));
    assert_eq!(upload["partSize"], PART);
    assert_eq!(workspace.get(&below(&upload, "")).send().await.ok(), upload);
    let parts: Vec<_> = bytes.chunks(PART).collect();
    for (number, arrived) in [(3, vec![3]), (1, vec![1, 3]), (2, vec![1, 2, 3])] {
        send(&workspace, &upload, number, parts[number - 1]).await.ok();
        assert_eq!(self::arrived(&workspace, &upload).await, arrived);
        // Repeated, as after a lost response.
        send(&workspace, &upload, number, parts[number - 1]).await.ok();
    }
    assert_eq!(
        workspace.read("/a.bin").await,
        None,
        "nothing is visible before the commit"
    );
    let entry = commit(&workspace, &upload, &json!({})).await.created();
    assert_eq!(
        (&entry["path"], &entry["size"]),
        (&json!("/a.bin"), &json!(bytes.len()))
    );
    let read = workspace.get("files/content?path=/a.bin").send().await;
    assert!(read.bytes == bytes);
    // Repeated, as after a lost response.
    assert_eq!(commit(&workspace, &upload, &json!({})).await.ok(), entry);
    let gone = send(&workspace, &upload, 1, parts[0]).await;
    gone.assert_problem(404, Code::NotFound);
}

#[tokio::test]
async fn a_replaced_part_counts_and_an_empty_file_has_no_parts() {
    let workspace = Workspace::start().await;
    let upload = begin(&workspace, "/a", 3).await;
    send(&workspace, &upload, 1, b"old").await.ok();
    send(&workspace, &upload, 1, b"new").await.ok();
    commit(&workspace, &upload, &json!({})).await.created();
    assert_eq!(workspace.read("/a").await.unwrap(), "new");
    let empty = begin(&workspace, "/empty", 0).await;
    commit(&workspace, &empty, &json!(null))
        .await
        .assert_problem(400, Code::MalformedBody);
    let path = workspace.path(&below(&empty, "/commit"));
    workspace.app.post(&path).by(&workspace.alice).send().await.created();
    assert_eq!(workspace.read("/empty").await.unwrap(), "");
}

#[tokio::test]
async fn a_commit_with_missing_parts_names_them_and_changes_nothing() {
    let workspace = Workspace::start().await;
    let upload = begin(&workspace, "/a", PART * 4).await;
    send(&workspace, &upload, 2, &vec![7; PART]).await.ok();
    let response = commit(&workspace, &upload, &json!({})).await;
    response.assert_invalid(&["/parts/1", "/parts/3", "/parts/4"]);
    assert_eq!(workspace.read("/a").await, None);
    for part in [1, 3, 4] {
        send(&workspace, &upload, part, &vec![7; PART]).await.ok();
    }
    commit(&workspace, &upload, &json!({})).await.created();
}

#[tokio::test]
async fn a_part_of_another_length_number_or_digest_is_rejected() {
    let workspace = Workspace::start().await;
    let upload = begin(&workspace, "/a", PART + 5).await;
    for (part, bytes) in [(1, PART - 1), (1, PART + 1), (1, 0), (2, 4), (2, 6), (2, PART)] {
        let response = send(&workspace, &upload, part, &vec![7; bytes]).await;
        response.assert_invalid(&[""]);
    }
    for number in ["0", "3", "65536", "-1", "+1", "x", "%00", "1.0"] {
        let request = workspace.request(Method::PUT, &below(&upload, &format!("/parts/{number}")));
        request.body("x").send().await.assert_problem(404, Code::NotFound);
    }
    let request = workspace
        .request(Method::PUT, &below(&upload, "/parts/2"))
        .body("hello");
    let wrong = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
    let digest = HeaderName::from_static("content-digest");
    request
        .header(digest, wrong)
        .send()
        .await
        .assert_invalid(&["/Content-Digest"]);
    commit(&workspace, &upload, &json!({}))
        .await
        .assert_invalid(&["/parts/1", "/parts/2"]);
}

#[tokio::test]
async fn a_file_with_another_digest_than_announced_is_not_made() {
    let workspace = Workspace::start().await;
    let digest = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";
    let body = json!({ "path": "/a", "size": 5, "digest": digest });
    let upload = workspace.post("uploads", &body).send().await.created();
    send(&workspace, &upload, 1, b"jello").await.ok();
    commit(&workspace, &upload, &json!({}))
        .await
        .assert_invalid(&["/digest"]);
    assert_eq!(workspace.read("/a").await, None);
    send(&workspace, &upload, 1, b"hello").await.ok();
    assert_eq!(
        commit(&workspace, &upload, &json!({})).await.created()["digest"],
        digest
    );
}

#[tokio::test]
async fn a_commit_checks_its_precondition() {
    let workspace = Workspace::start().await;
    let old = workspace.write("/a", "one").await;
    let new = workspace.write("/a", "two").await;
    let upload = begin(&workspace, "/a", 5).await;
    send(&workspace, &upload, 1, b"three").await.ok();
    for (body, status) in [
        (json!({ "ifMatch": etag(&old) }), 412),
        (json!({ "ifNoneMatch": "*" }), 412),
        (json!({ "ifMatch": 7 }), 422),
        (json!({ "parents": "x" }), 422),
    ] {
        assert_eq!(commit(&workspace, &upload, &body).await.status, status, "{body}");
    }
    assert_eq!(workspace.read("/a").await.unwrap(), "two");
    commit(&workspace, &upload, &json!({ "ifMatch": etag(&new) }))
        .await
        .ok();
    assert_eq!(workspace.read("/a").await.unwrap(), "three");
    let deep = begin(&workspace, "/x/y/z", 0).await;
    commit(&workspace, &deep, &json!({}))
        .await
        .assert_problem(404, Code::NotFound);
    commit(&workspace, &deep, &json!({ "parents": true })).await.created();
}

#[tokio::test]
async fn an_upload_ends_by_a_cancellation_or_after_a_day() {
    let workspace = Workspace::start().await;
    let cancelled = begin(&workspace, "/a", 5).await;
    workspace.delete(&below(&cancelled, "")).send().await.ok();
    let late = begin(&workspace, "/a", 5).await;
    workspace.app.clock.advance(Duration::from_hours(24));
    let alice = workspace.app.refresh(&workspace.alice).await;
    for upload in [&cancelled, &late] {
        let path = workspace.path(&below(upload, ""));
        for method in [Method::GET, Method::DELETE] {
            let response = workspace.app.request(method, &path).by(&alice).send().await;
            response.assert_problem(404, Code::NotFound);
        }
        let part = workspace
            .app
            .put(&format!("{path}/parts/1"))
            .by(&alice)
            .body("hello")
            .send()
            .await;
        part.assert_problem(404, Code::NotFound);
    }
}

#[tokio::test]
async fn a_client_that_has_lost_the_ids_finds_the_uploads_of_the_session() {
    let workspace = Workspace::start().await;
    begin(&workspace, "/late", 5).await;
    workspace.app.clock.advance(Duration::from_hours(12));
    let mut expected = Vec::new();
    for path in ["/a", "/b", "/c"] {
        let mut upload = begin(&workspace, path, 5).await;
        upload.as_object_mut().unwrap().remove("parts");
        expected.insert(0, upload);
    }
    let other = crate::create_session(&workspace.app, &workspace.alice).await;
    let other = format!("/v5/sessions/{other}/uploads");
    let body = json!({ "path": "/other", "size": 5 });
    let in_other = workspace
        .app
        .post(&other)
        .by(&workspace.alice)
        .json(&body)
        .send()
        .await
        .created();
    workspace.app.clock.advance(Duration::from_hours(12));
    let alice = workspace.app.refresh(&workspace.alice).await;
    let workspace = Workspace { alice, ..workspace };

    for limit in [1, 2, 3, 100] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = workspace
                .get(&format!("uploads?limit={limit}{cursor}"))
                .send()
                .await
                .ok();
            found.extend(page["uploads"].as_array().unwrap().clone());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found, expected, "{limit}");
    }
    let page = workspace.get("uploads?limit=1").send().await.ok();
    let cursor = page["nextCursor"].as_str().unwrap();
    for path in [
        format!("{other}?cursor={cursor}"),
        workspace.path("uploads?limit=0&cursor=x"),
    ] {
        let response = workspace.app.get(&path).by(&workspace.alice).send().await;
        assert_eq!(response.status, 422, "{path}");
    }
    let listed = workspace.app.get(&other).by(&workspace.alice).send().await.ok();
    assert_eq!(listed["uploads"][0]["id"], in_other["id"]);

    let bob = workspace.app.register("bob@example.com").await;
    let response = workspace.app.get(&other).by(&bob).send().await;
    response.assert_problem(404, Code::NotFound);
    let viewer = workspace
        .app
        .add_member(&bob, &workspace.alice, domain::Role::Viewer)
        .await;
    let response = workspace.app.get(&other).by(&viewer).send().await;
    response.assert_problem(403, Code::Forbidden);
}

#[tokio::test]
async fn a_draft_with_bad_values_is_rejected() {
    let workspace = Workspace::start().await;
    for (body, pointers) in [
        (json!({}), &["/path", "/size"][..]),
        (json!({ "path": "/", "size": -1 }), &["/path", "/size"]),
        (json!({ "path": "/a", "size": 1, "digest": "x" }), &["/digest"]),
        (json!({ "path": "/a", "size": 1, "partSize": 1 }), &["/partSize"]),
        (json!({ "path": "/a", "size": 1, "partSize": 1 << 30 }), &["/partSize"]),
        // Without an object store.
        (json!({ "path": "/a", "size": (4 << 20) + 1 }), &["/size"]),
    ] {
        workspace.post("uploads", &body).send().await.assert_invalid(pointers);
    }
    let unknown = below(&json!({ "id": "0190d0a0-7c3e-7a11-8f3e-0123456789ab" }), "");
    workspace.get(&unknown).send().await.assert_problem(404, Code::NotFound);
    let upload = begin(&workspace, "/a", 5).await;
    let sign = |body: Value| workspace.post(&below(&upload, "/parts/1/url"), &body).send();
    sign(json!({})).await.assert_invalid(&["/digest"]);
    let digest = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
    assert_eq!(sign(json!({ "digest": digest })).await.ok(), json!({ "request": null }));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_concurrent_commits_one_makes_the_file() {
    let workspace = std::sync::Arc::new(Workspace::start().await);
    let upload = begin(&workspace, "/a", 5).await;
    send(&workspace, &upload, 1, b"hello").await.ok();
    let mut requests = JoinSet::new();
    for _ in 0..10 {
        let (workspace, upload) = (workspace.clone(), upload.clone());
        requests.spawn(async move { commit(&workspace, &upload, &json!({})).await.status.as_u16() });
    }
    let mut statuses = requests.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200; 9], vec![201]].concat());
}
