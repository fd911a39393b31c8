//! Personal access tokens.

mod bad_input;
mod creation;
mod last_use;
mod requests;
mod sweep;

use std::time::Duration;

use axum::http::HeaderName;
use serde_json::{Value, json};
use testkit::{Actor, Target as _, TestApp, TestResponse};

const TOKENS: &str = "/v5/users/me/tokens";
const DAY: Duration = Duration::from_hours(24);

/// Creates a token with these scopes.
async fn create_token(app: &TestApp, actor: &Actor, scopes: &[&str]) -> Value {
    let draft = json!({ "name": "CI", "scopes": scopes });
    app.post(TOKENS).by(actor).json(&draft).send().await.created()
}

/// Creates a token with this idempotency key.
async fn create_with_key(app: &TestApp, actor: &Actor, key: &str, draft: &Value) -> TestResponse {
    let key_header = HeaderName::from_static("idempotency-key");
    app.post(TOKENS)
        .by(actor)
        .header(key_header, key)
        .json(draft)
        .send()
        .await
}

async fn list_tokens(app: &TestApp, actor: &Actor) -> Vec<Value> {
    let data = app.get(TOKENS).by(actor).send().await.ok();
    data["tokens"].as_array().unwrap().clone()
}

async fn revoke(app: &TestApp, actor: &Actor, id: &Value) -> TestResponse {
    let path = format!("{TOKENS}/{}", text(id));
    app.delete(&path).by(actor).send().await
}

async fn sessions(app: &TestApp, token: &Value) -> TestResponse {
    app.get("/v5/sessions").bearer(text(token)).send().await
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
