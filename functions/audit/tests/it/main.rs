//! The audit function together with `auth` and `sessions`, whose events it lists, on a real store.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]

mod events;
mod front_doors;
mod isolation;
mod pages;
mod resume;
mod selection;
mod unknown_actions;

use serde_json::{Value, json};
use testkit::{Actor, Target as _, TestApp, TestResponse};

fn start() -> TestApp {
    TestApp::start(router())
}

fn router() -> api::Router {
    audit::router().merge(auth::router()).merge(sessions::router())
}

/// A page of the audit log.
struct Page {
    events: Vec<Value>,
    next: Option<String>,
}

impl Page {
    fn types(&self) -> Vec<&str> {
        self.events
            .iter()
            .map(|event| event["type"].as_str().unwrap())
            .collect()
    }
}

async fn page(app: &TestApp, actor: &Actor, cursor: Option<&str>, limit: usize) -> Page {
    let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
    let path = format!("/v5/audit?limit={limit}{cursor}");
    let mut data = app.get(&path).by(actor).send().await.ok();
    Page {
        events: serde_json::from_value(data["events"].take()).unwrap(),
        next: data["nextCursor"].as_str().map(str::to_owned),
    }
}

/// All events after `cursor`, and the last cursor.
async fn rest(app: &TestApp, actor: &Actor, cursor: Option<&str>, limit: usize) -> Page {
    let mut all = page(app, actor, cursor, limit).await;
    loop {
        let more = page(app, actor, all.next.as_deref(), limit).await;
        if more.events.is_empty() {
            assert_eq!(more.next, all.next, "without new events the cursor stays the same");
            return all;
        }
        all.events.extend(more.events);
        all.next = more.next;
    }
}

async fn create(app: &TestApp, actor: &Actor, name: &str) -> TestResponse {
    let draft = json!({ "name": name, "workspacePath": "/workspace" });
    app.post("/v5/sessions").by(actor).json(&draft).send().await
}
