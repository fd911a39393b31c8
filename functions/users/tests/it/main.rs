//! The function `users` together with `auth`, `audit` and `sessions`, whose data it shows and changes, on a real store.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]

mod account;
mod avatar;
mod dead_letters;
mod deletion;
mod exact;
mod exports;
mod front_doors;
mod full_disk;
mod legacy;
mod new_device;
mod rate;
mod tokens;
mod usage;

use axum::http::HeaderName;
use domain::usage::Quotas;
use serde_json::{Map, Value, json};
use testkit::{Actor, Target as _, TestApp, TestResponse};

fn router() -> api::Router {
    users::router()
        .merge(auth::router())
        .merge(audit::router())
        .merge(sessions::router())
}

fn start() -> TestApp {
    TestApp::start(router())
}

fn with_quotas(quotas: Quotas) -> TestApp {
    TestApp::with_limits(router(), |limits| limits.quotas = Some(quotas))
}

/// Quotas with a rate of writes that no test reaches: the clock of the tests stands still.
fn without_rate_limit() -> Quotas {
    Quotas {
        writes_per_second: 1_000_000,
        ..Quotas::default()
    }
}

async fn create(app: &TestApp, actor: &Actor, name: &str, key: Option<&str>) -> TestResponse {
    let draft = json!({ "name": name, "workspacePath": "/workspace" });
    let request = app.post("/v5/sessions").by(actor).json(&draft);
    match key {
        Some(key) => {
            request
                .header(HeaderName::from_static("idempotency-key"), key)
                .send()
                .await
        }
        None => request.send().await,
    }
}

/// The amount in use of each quota.
async fn used(app: &TestApp, actor: &Actor) -> Map<String, Value> {
    let data = app.get("/v5/users/me/usage").by(actor).send().await.ok();
    let quotas = data["quotas"].as_array().unwrap().iter();
    quotas
        .map(|quota| (quota["name"].as_str().unwrap().to_owned(), quota["used"].clone()))
        .collect()
}
