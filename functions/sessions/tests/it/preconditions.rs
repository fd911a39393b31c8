//! Entity tags and conditional requests.

use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::{Method, StatusCode};
use serde_json::json;
use testkit::{Code, Target as _, TestResponse};
use tokio::task::JoinSet;

use crate::{create, path, start};

fn tag(response: &TestResponse) -> String {
    response.header("etag").unwrap().to_owned()
}

#[tokio::test]
async fn every_response_with_a_session_has_its_version() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let draft = json!({ "name": "one", "workspacePath": "/one" });
    let created = app.post("/v5/sessions").by(&alice).json(&draft).send().await;
    let path = created.header("location").unwrap().to_owned();
    let first = tag(&created);
    assert_eq!(tag(&app.get(&path).by(&alice).send().await), first);
    let changed = app.patch(&path).by(&alice).json(&json!({ "name": "two" })).send().await;
    let second = tag(&changed);
    assert_ne!(second, first);
    assert_eq!(tag(&app.get(&path).by(&alice).send().await), second);
    let unchanged = app.patch(&path).by(&alice).json(&json!({ "name": "two" })).send().await;
    assert_eq!(tag(&unchanged), second);
}

#[tokio::test]
async fn a_current_version_is_not_sent_again() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let path = path(&create(&app, &alice, "one").await);
    let first = tag(&app.get(&path).by(&alice).send().await);
    for method in [Method::GET, Method::HEAD] {
        let known = app
            .request(method, &path)
            .by(&alice)
            .header(IF_NONE_MATCH, &first)
            .send()
            .await;
        assert_eq!((known.status, tag(&known)), (StatusCode::NOT_MODIFIED, first.clone()));
        let sent = app.get(&path).by(&alice).send().await;
        assert_eq!(known.header("content-length"), sent.header("content-length"));
        assert_eq!(known.header("content-type"), None, "the response has no body");
    }
    app.patch(&path)
        .by(&alice)
        .json(&json!({ "name": "two" }))
        .send()
        .await
        .ok();
    let response = app.get(&path).by(&alice).header(IF_NONE_MATCH, &first).send().await;
    assert_eq!(response.ok()["name"], "two");
    // A user without access does not learn the version either.
    let bob = app.register("bob@example.com").await;
    app.get(&path)
        .by(&bob)
        .header(IF_NONE_MATCH, "*")
        .send()
        .await
        .assert_problem(404, Code::NotFound);
}

#[tokio::test]
async fn changing_or_deleting_a_stale_version_is_rejected() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let path = path(&create(&app, &alice, "one").await);
    let first = tag(&app.get(&path).by(&alice).send().await);
    let rename = json!({ "name": "two" });
    let rename_if = |tag: &str| app.patch(&path).by(&alice).header(IF_MATCH, tag).json(&rename).send();
    let second = tag(&rename_if(&first).await);
    for stale in [&first, "nonsense", "W/\"2\""] {
        rename_if(stale).await.assert_problem(412, Code::PreconditionFailed);
        let delete = app.delete(&path).by(&alice).header(IF_MATCH, stale).send().await;
        delete.assert_problem(412, Code::PreconditionFailed);
    }
    rename_if("*").await.ok();
    app.delete(&path).by(&alice).header(IF_MATCH, &second).send().await.ok();
    rename_if("*").await.assert_problem(404, Code::NotFound);
}

/// RFC 9110, section 13: both headers apply to all methods, and `If-Match` is evaluated first.
#[tokio::test]
async fn both_conditional_headers_apply_to_reads_and_changes() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let path = path(&create(&app, &alice, "one").await);
    let version = tag(&app.get(&path).by(&alice).send().await);

    let read = |expected: &str, excluded: &str| {
        let request = app.get(&path).by(&alice).header(IF_MATCH, expected);
        request.header(IF_NONE_MATCH, excluded).send()
    };
    read(&version, "\"0\"").await.ok();
    read("*", "\"0\"").await.ok();
    assert_eq!(read(&version, &version).await.status, StatusCode::NOT_MODIFIED);
    for excluded in ["\"0\"", &version] {
        let rejected = read("\"0\"", excluded).await;
        rejected.assert_problem(412, Code::PreconditionFailed);
    }

    let rename = json!({ "name": "two" });
    for excluded in ["*", &version] {
        let change = app.patch(&path).by(&alice).header(IF_NONE_MATCH, excluded);
        let change = change.json(&rename).send().await;
        change.assert_problem(412, Code::PreconditionFailed);
        let delete = app
            .delete(&path)
            .by(&alice)
            .header(IF_NONE_MATCH, excluded)
            .send()
            .await;
        delete.assert_problem(412, Code::PreconditionFailed);
    }
    let change = app.patch(&path).by(&alice).header(IF_NONE_MATCH, "\"0\"").json(&rename);
    change.send().await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_concurrent_changes_of_one_version_one_succeeds() {
    let app = std::sync::Arc::new(start());
    let alice = app.register("alice@example.com").await;
    let path = path(&create(&app, &alice, "one").await);
    let first = tag(&app.get(&path).by(&alice).send().await);
    let mut requests = JoinSet::new();
    for number in 0..50 {
        let (app, alice, path, first) = (app.clone(), alice.clone(), path.clone(), first.clone());
        requests.spawn(async move {
            let rename = json!({ "name": format!("name {number}") });
            let response = app
                .patch(&path)
                .by(&alice)
                .header(IF_MATCH, &first)
                .json(&rename)
                .send()
                .await;
            if response.status == StatusCode::OK {
                return 1;
            }
            response.assert_problem(412, Code::PreconditionFailed);
            0
        });
    }
    assert_eq!(requests.join_all().await.iter().sum::<i32>(), 1);
}
