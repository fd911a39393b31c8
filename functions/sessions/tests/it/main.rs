//! The sessions function's behaviour, through its real router on a real store.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]

mod create;
mod front_doors;
mod idempotency;
mod isolation;
mod list;
mod one;
mod preconditions;
mod search_texts;
mod tokens;
mod walk;

use serde_json::{Value, json};
use testkit::{Actor, Target as _, TestApp};

fn start() -> TestApp {
    TestApp::start(sessions::router())
}

fn body(name: &str) -> Value {
    json!({ "name": name, "workspacePath": format!("/workspace/{name}") })
}

async fn create(app: &TestApp, actor: &Actor, name: &str) -> Value {
    app.post("/v5/sessions")
        .by(actor)
        .json(&body(name))
        .send()
        .await
        .created()
}

fn path(session: &Value) -> String {
    format!("/v5/sessions/{}", session["id"].as_str().expect("a session has an id"))
}
