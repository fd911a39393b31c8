//! The time of the last use.

use std::time::Duration;

use domain::access_tokens::Scope;
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp};

use super::{DAY, create_token, list_tokens, sessions, text};
use crate::start;

const HOUR: Duration = Duration::from_hours(1);
const MILLISECOND: Duration = Duration::from_millis(1);

async fn last_use(app: &TestApp, actor: &Actor) -> Value {
    list_tokens(app, actor).await[0]["lastUsedAt"].clone()
}

/// The number of transactions of a request with the token.
async fn transactions(app: &TestApp, token: &Value) -> u64 {
    let before = app.env.db.usage().transactions;
    sessions(app, token).await.ok();
    app.env.db.usage().transactions - before
}

#[tokio::test]
async fn a_use_is_written_at_most_once_an_hour() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let created = create_token(&app, &alice, &["sessions:read"]).await;
    assert_eq!(last_use(&app, &alice).await, Value::Null);
    let first = json!(app.env.clock.now());
    assert_eq!(transactions(&app, &created["token"]).await, 2);
    assert_eq!(last_use(&app, &alice).await, first);
    for pause in [Duration::ZERO, HOUR.saturating_sub(MILLISECOND)] {
        app.clock.advance(pause);
        assert_eq!(transactions(&app, &created["token"]).await, 1);
        assert_eq!(last_use(&app, &alice).await, first);
    }
    app.clock.advance(MILLISECOND);
    assert_eq!(transactions(&app, &created["token"]).await, 2);
    assert_eq!(last_use(&app, &alice).await, json!(app.env.clock.now()));
}

#[tokio::test]
async fn a_rejected_request_is_no_use() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let created = create_token(&app, &alice, &["sessions:read"]).await;
    let before = app.all_entries().await;
    let response = app.get("/v5/auth/logins").bearer(text(&created["token"])).send().await;
    response.assert_problem(403, Code::InsufficientScope);
    let draft = json!({ "name": "one", "workspacePath": "/one" });
    let write = app.post("/v5/sessions").bearer(text(&created["token"])).json(&draft);
    write.send().await.assert_problem(403, Code::InsufficientScope);
    assert!(app.all_entries().await == before);
    assert_eq!(last_use(&app, &alice).await, Value::Null);
}

#[tokio::test]
async fn concurrent_requests_with_one_token_succeed() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let (_, token) = app.access_token(&alice, Scope::all(), DAY).await;
    let token = &json!(token);
    let draft = &json!({ "name": "one", "workspacePath": "/one" });
    let requests = (0..20).map(|number| {
        let app = &app;
        async move {
            if number % 2 == 0 {
                sessions(app, token).await.ok();
            } else {
                let write = app.post("/v5/sessions").bearer(text(token)).json(draft);
                write.send().await.created();
            }
        }
    });
    futures_util::future::join_all(requests).await;
    assert_eq!(last_use(&app, &alice).await, json!(app.env.clock.now()));
}
