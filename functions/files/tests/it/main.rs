//! The files function's behaviour, through its real router on a real store.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]

mod access;
mod admission;
mod bad_paths;
mod bodies;
mod changes;
mod changeset_errors;
mod changesets;
mod conditions;
mod content;
mod directories;
mod front_doors;
mod large_files;
mod large_files_left;
mod large_files_urls;
mod pages;
mod quotas;
mod ranges;
mod restores;
mod safety;
mod search;
mod snapshots;
mod transfers;
mod trash;
mod uploads;

use std::path::{Path, PathBuf};

use axum::http::Method;
use domain::usage::Quotas;
use serde_json::{Value, json};
use testkit::{Actor, Target as _, TestApp, TestRequest, TestResponse};

/// An app with a session, and its owner.
struct Workspace {
    app: TestApp,
    alice: Actor,
    /// The id of the session.
    session: String,
}

impl Workspace {
    async fn start() -> Self {
        Self::on(TestApp::start(files::router().merge(sessions::router()))).await
    }

    async fn with_quotas(change: impl FnOnce(&mut Quotas)) -> Self {
        let router = files::router().merge(sessions::router());
        let app = TestApp::with_limits(router, |limits| change(limits.quotas.as_mut().unwrap()));
        Self::on(app).await
    }

    async fn on(app: TestApp) -> Self {
        let alice = app.register("alice@example.com").await;
        let session = create_session(&app, &alice).await;
        Self { app, alice, session }
    }

    /// The path of a request below the session.
    fn path(&self, below: &str) -> String {
        format!("/v5/sessions/{}/{below}", self.session)
    }

    /// A request of Alice below the session.
    fn request(&self, method: Method, below: &str) -> TestRequest<'_, TestApp> {
        self.app.request(method, &self.path(below)).by(&self.alice)
    }

    fn get(&self, below: &str) -> TestRequest<'_, TestApp> {
        self.request(Method::GET, below)
    }

    fn post(&self, below: &str, body: &Value) -> TestRequest<'_, TestApp> {
        self.request(Method::POST, below).json(body)
    }

    fn delete(&self, below: &str) -> TestRequest<'_, TestApp> {
        self.request(Method::DELETE, below)
    }

    fn put(&self, path: &str, content: &[u8]) -> TestRequest<'_, TestApp> {
        let below = format!("files/content?path={path}&parents=true");
        self.request(Method::PUT, &below).body(content.to_vec())
    }

    /// Writes a file and its directories, and returns its entry.
    async fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Value {
        let response = self.put(path, content.as_ref()).send().await;
        assert!(response.status.is_success(), "{}", response.body);
        response.body["data"].clone()
    }

    /// The content of a file; `None` if there is none.
    async fn read(&self, path: &str) -> Option<String> {
        let response = self.get(&format!("files/content?path={path}")).send().await;
        match response.status.as_u16() {
            200 => Some(String::from_utf8(response.bytes).unwrap()),
            404 => None,
            _ => panic!("{}", response.body),
        }
    }

    async fn mkdir(&self, path: &str) -> Value {
        let response = self.post("files/directories", &json!({ "path": path })).send().await;
        response.created()
    }

    async fn stat(&self, path: &str) -> TestResponse {
        self.get(&format!("files/stat?path={path}")).send().await
    }

    /// The names in a directory.
    async fn names(&self, path: &str) -> Vec<String> {
        let page = self.get(&format!("files?path={path}&limit=1000")).send().await.ok();
        names(&page["entries"])
    }

    async fn change(&self, operations: &Value) -> TestResponse {
        self.post("files/changesets", &json!({ "operations": operations }))
            .send()
            .await
    }
}

fn names(entries: &Value) -> Vec<String> {
    let entries = entries.as_array().unwrap().iter();
    entries
        .map(|entry| entry["name"].as_str().unwrap().to_owned())
        .collect()
}

fn etag(entry: &Value) -> &str {
    entry["etag"].as_str().unwrap()
}

async fn create_session(app: &TestApp, actor: &Actor) -> String {
    let draft = json!({ "name": "one", "workspacePath": "/one" });
    let session = app.post("/v5/sessions").by(actor).json(&draft).send().await.created();
    session["id"].as_str().unwrap().to_owned()
}

/// The files in a folder and those below it.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_in(&path));
        } else {
            files.push(path);
        }
    }
    files
}
