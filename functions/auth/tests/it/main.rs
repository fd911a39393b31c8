//! The auth function's behaviour, through its real router on a real store.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]

mod bodies;
mod cookie_origins;
mod cookies;
mod email_change;
mod email_limits;
mod email_undo;
mod fairness;
mod front_doors;
mod idempotency;
mod keys;
mod log;
mod login;
mod logins;
mod logout;
mod password;
mod reauthentication;
mod recovery;
mod refresh;
mod register;
mod repetition;
mod source;
mod suspension;
mod throttle;
mod verification;

use domain::password::Policy;
use serde_json::Value;
use testkit::TestApp;

fn start() -> TestApp {
    TestApp::start(auth::router())
}

fn strict() -> TestApp {
    TestApp::with_password_policy(auth::router(), Policy::STRICT)
}

/// The records of all audit events, in the order of each tenant's log.
async fn events(app: &TestApp) -> Vec<Value> {
    let entries = app.all_entries().await.into_iter();
    let records = entries.filter_map(|entry| serde_json::from_slice::<Value>(&entry.value).ok());
    let mut data = records.map(|mut record| record["data"].take());
    data.by_ref().filter(|data| data["action"].is_object()).collect()
}
