//! Attempt limits apply to all processes of a deployment together.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::json;
use testkit::{Code, Process, Remote, Target as _, TestResponse, TestStore};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::process::gateway;

const PROCESSES: usize = 8;
const ATTEMPTS: usize = 200;
const FREE: usize = 20;

async fn log_in(remote: &Remote, password: &str) -> TestResponse {
    let body = json!({ "email": "alice@example.com", "password": password });
    remote.post("/v5/auth/login").json(&body).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_against_eight_processes_share_one_limit() {
    let store = TestStore::new();
    let processes: Vec<_> = (0..PROCESSES)
        .map(|_| {
            let mut command = gateway(&store);
            // No attempt expires during the test.
            command
                .env("THROTTLE_PAIR", format!("{FREE}/86400/86400"))
                .env("THROTTLE_ACCOUNT", "10000/86400/86400")
                .env("THROTTLE_ADDRESS", "10000/86400/86400");
            Process::start(command)
        })
        .collect();
    let remotes: Vec<_> = processes.iter().map(|process| Arc::new(process.remote())).collect();
    let account = json!({ "email": "alice@example.com", "password": "password123" });
    remotes[0]
        .post("/v5/auth/register")
        .json(&account)
        .send()
        .await
        .created();

    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for remote in remotes.iter().cycle().take(ATTEMPTS) {
        let remote = remote.clone();
        calls.spawn(async move { log_in(&remote, "a wrong one").await });
    }
    let (mut verified, mut unavailable) = (0, 0);
    for response in calls.join_all().await {
        if response.status == StatusCode::UNAUTHORIZED {
            // Only these attempts hashed a password.
            response.assert_problem(401, Code::InvalidCredentials);
            verified += 1;
        } else if cfg!(feature = "fdb") && response.status == StatusCode::SERVICE_UNAVAILABLE {
            // All attempts change the same counters, so on a slow cluster some do not finish by their deadline.
            response.assert_problem(503, Code::StoreUnavailable);
            unavailable += 1;
        } else {
            assert!(response.header("retry-after").is_some(), "{response:?}");
            response.assert_problem(429, Code::TooManyAttempts);
        }
    }
    // On a busy machine the test may outlast a wait, after which one more attempt is verified.
    let waited = usize::try_from(begun.elapsed().as_secs()).unwrap();
    assert!(
        verified <= FREE + waited && verified + unavailable >= FREE,
        "{verified} passwords were verified in {:?}, and {unavailable} attempts did not finish",
        begun.elapsed()
    );
    assert!(unavailable <= 10, "{unavailable} of 200 attempts did not finish");
}
