//! Who may use the files of a session.

use std::time::Duration;

use axum::http::Method;
use domain::Role;
use domain::access_tokens::Scope;
use serde_json::{Value, json};
use testkit::{Actor, Code, Content, Target as _, TestResponse};

use crate::Workspace;

const UNKNOWN: &str = "0190d0a0-7c3e-7a11-8f3e-0123456789ab";

/// Every request: the method, the path below the session, the body, and whether it writes.
fn requests(item: &str, snapshot: &str) -> Vec<(Method, String, Option<Content>, bool)> {
    let json = |body: Value| Some(Content::json(&body));
    let transfer = json!({ "from": "/a.txt", "to": "/b.txt" });
    let operations = json!({ "operations": [{ "op": "mkdir", "path": "/e" }] });
    vec![
        (Method::GET, "files?path=/".to_owned(), None, false),
        (Method::GET, "files/stat?path=/a.txt".to_owned(), None, false),
        (Method::GET, "files/content?path=/a.txt".to_owned(), None, false),
        (Method::GET, "files/trash".to_owned(), None, false),
        (Method::GET, "files/changes".to_owned(), None, false),
        (Method::GET, "files/search?q=secret".to_owned(), None, false),
        (Method::GET, "snapshots".to_owned(), None, false),
        (Method::GET, format!("snapshots/{snapshot}"), None, false),
        (Method::GET, format!("snapshots/{snapshot}/diff"), None, false),
        (
            Method::PUT,
            "files/content?path=/new.txt".to_owned(),
            Some(Content::bytes(b"x")),
            true,
        ),
        (
            Method::POST,
            "files/directories".to_owned(),
            json(json!({ "path": "/d" })),
            true,
        ),
        (Method::POST, "files/copy".to_owned(), json(transfer), true),
        (
            Method::POST,
            "files/move".to_owned(),
            json(json!({ "from": "/b.txt", "to": "/c.txt" })),
            true,
        ),
        (Method::POST, "files/changesets".to_owned(), json(operations), true),
        (Method::POST, format!("files/trash/{item}/restore"), None, true),
        (Method::POST, "snapshots".to_owned(), None, true),
        (Method::DELETE, "files?path=/a.txt".to_owned(), None, true),
        (Method::POST, format!("snapshots/{snapshot}/restore"), None, true),
        (Method::DELETE, "files/trash".to_owned(), None, true),
        (Method::DELETE, format!("snapshots/{snapshot}"), None, true),
    ]
}

/// A workspace with a file, an item in the trash, and a snapshot, with the ids of the last two.
async fn start() -> (Workspace, String, String) {
    let workspace = Workspace::start().await;
    workspace.write("/a.txt", "secret").await;
    workspace.write("/deleted.txt", "secret").await;
    workspace.delete("files?path=/deleted.txt").send().await.ok();
    let trash = workspace.get("files/trash").send().await.ok();
    let item = trash["items"][0]["id"].as_str().unwrap().to_owned();
    let snapshot = workspace.request(Method::POST, "snapshots").send().await.created();
    (workspace, item, snapshot["id"].as_str().unwrap().to_owned())
}

async fn send(
    workspace: &Workspace,
    session: &str,
    token: &str,
    (method, below, body, _): &(Method, String, Option<Content>, bool),
) -> TestResponse {
    let path = format!("/v5/sessions/{session}/{below}");
    let request = workspace.app.request(method.clone(), &path).bearer(token);
    match body {
        Some(body) => request.content(body).send().await,
        None => request.send().await,
    }
}

#[tokio::test]
async fn a_viewer_reads_and_does_not_write() {
    let (workspace, item, snapshot) = start().await;
    let viewer = workspace.app.register("viewer@example.com").await;
    let viewer = workspace.app.add_member(&viewer, &workspace.alice, Role::Viewer).await;
    let before = workspace.app.all_entries().await;
    for request in requests(&item, &snapshot) {
        let response = send(&workspace, &workspace.session, &viewer.token, &request).await;
        if request.3 {
            response.assert_problem(403, Code::Forbidden);
        } else {
            assert_eq!(response.status, 200, "{}: {}", request.1, response.body);
        }
    }
    assert!(workspace.app.all_entries().await == before, "a viewer wrote something");
    let member = workspace.app.register("member@example.com").await;
    let member = workspace.app.add_member(&member, &workspace.alice, Role::Member).await;
    for request in requests(&item, &snapshot) {
        let response = send(&workspace, &workspace.session, &member.token, &request).await;
        assert!(response.status.is_success(), "{}: {}", request.1, response.body);
    }
}

#[tokio::test]
async fn a_personal_access_token_needs_the_scope() {
    let (workspace, item, snapshot) = start().await;
    let token = async |scopes: &[Scope]| {
        let lifetime = Duration::from_hours(1);
        let scopes = scopes.iter().copied();
        workspace.app.access_token(&workspace.alice, scopes, lifetime).await.1
    };
    let (reader, writer) = (token(&[Scope::ReadFiles]).await, token(&[Scope::WriteFiles]).await);
    // Some changes also read, such as a copy.
    let both = token(&[Scope::ReadFiles, Scope::WriteFiles]).await;
    let other = token(&[Scope::WriteSessions]).await;
    for request in requests(&item, &snapshot) {
        let (allowed, scope) = if request.3 {
            (&both, "files:write")
        } else {
            (&reader, "files:read")
        };
        for lacking in [&other, if request.3 { &reader } else { &writer }] {
            let response = send(&workspace, &workspace.session, lacking, &request).await;
            let challenge = format!(r#"Bearer error="insufficient_scope", scope="{scope}""#);
            assert_eq!(response.header("www-authenticate"), Some(&*challenge), "{}", request.1);
            response.assert_problem(403, Code::InsufficientScope);
        }
        let response = send(&workspace, &workspace.session, allowed, &request).await;
        assert!(response.status.is_success(), "{}: {}", request.1, response.body);
    }
}

#[tokio::test]
async fn another_tenants_session_and_an_absent_one_have_equal_responses() {
    let (workspace, item, snapshot) = start().await;
    let bob = workspace.app.register("bob@example.com").await;
    let before = workspace.app.all_entries().await;
    let not_found = async |session: &str, request: &(Method, String, Option<Content>, bool)| {
        let response = send(&workspace, session, &bob.token, request).await;
        let mut headers = response.headers.clone();
        headers.remove("x-request-id");
        let mut problem = response.assert_problem(404, Code::NotFound);
        problem["requestId"] = "…".into();
        (headers, problem)
    };
    for request in requests(&item, &snapshot) {
        let foreign = not_found(&workspace.session, &request).await;
        for session in [UNKNOWN, "no-id", "%00"] {
            assert_eq!(foreign, not_found(session, &request).await, "{} {session}", request.1);
        }
    }
    assert!(
        workspace.app.all_entries().await == before,
        "a stranger wrote something"
    );
}

/// The id of a snapshot or an item belongs to its session.
#[tokio::test]
async fn ids_of_another_session_are_not_found() {
    let (workspace, item, snapshot) = start().await;
    let session = crate::create_session(&workspace.app, &workspace.alice).await;
    let get = |below: String| {
        let path = format!("/v5/sessions/{session}/{below}");
        workspace.app.get(&path).by(&workspace.alice).send()
    };
    for below in [
        format!("snapshots/{snapshot}"),
        format!("snapshots/{snapshot}/diff"),
        format!("files?path=/&at={snapshot}"),
        format!("files/content?path=/a.txt&at={snapshot}"),
    ] {
        get(below).await.assert_problem(404, Code::NotFound);
    }
    for below in [
        format!("files/trash/{item}/restore"),
        format!("snapshots/{snapshot}/restore"),
    ] {
        let path = format!("/v5/sessions/{session}/{below}");
        let restore = workspace.app.post(&path).by(&workspace.alice).send().await;
        restore.assert_problem(404, Code::NotFound);
    }
    let listed = get("files?path=/".to_owned()).await.ok();
    assert_eq!(listed["entries"], json!([]));
}

#[tokio::test]
async fn the_files_of_a_deleted_session_are_gone() {
    let (workspace, item, snapshot) = start().await;
    let path = format!("/v5/sessions/{}", workspace.session);
    workspace.app.delete(&path).by(&workspace.alice).send().await.ok();
    for request in requests(&item, &snapshot) {
        let response = send(&workspace, &workspace.session, &workspace.alice.token, &request).await;
        response.assert_problem(404, Code::NotFound);
    }
}

#[tokio::test]
async fn two_sessions_of_a_tenant_share_no_files() {
    let (workspace, ..) = start().await;
    let other = Actor::clone(&workspace.alice);
    let session = crate::create_session(&workspace.app, &other).await;
    let path = format!("/v5/sessions/{session}/files/content?path=/a.txt");
    let get = workspace.app.get(&path).by(&other).send().await;
    get.assert_problem(404, Code::NotFound);
}
