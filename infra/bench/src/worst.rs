//! Whether the most expensive input delays other requests: searches in the longest names, and strict policy checks of
//! the longest passwords.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::programs::{Connection, Server, temporary_folder};
use crate::report::{Goal, Row};
use crate::stats::{millis, quantile_of};

/// Number of connections that send the most expensive request.
const CONNECTIONS: usize = 8;

/// Number of sessions that a page of a search examines at most.
const SESSIONS: usize = 1000;

/// The highest p99 of `/health` meanwhile, in ms.
const LIMIT: f64 = 10.0;

/// Searches that match nothing, in sessions with the longest names and paths.
pub(crate) async fn search(seconds: u64) -> Vec<Row> {
    let folder = temporary_folder();
    let gateway = Server::gateway(folder.path(), &[("THROTTLE", "off")]);
    let client = reqwest::Client::new();
    let account = json!({ "email": "a@example.com", "password": "password123" });
    let registered = gateway.post(&client, "/v5/auth/register", None, &account).await;
    let token = registered["token"].as_str().expect("the response has a token");
    // Three bytes each, and expensive to compose.
    let draft = json!({ "name": "\u{1ea4}".repeat(200), "workspacePath": format!("/{}", "\u{1ea4}".repeat(341)) });
    for _ in 0..SESSIONS {
        gateway.post(&client, "/v5/sessions", Some(token), &draft).await;
    }
    let url = format!("{}/v5/sessions?q=needle", gateway.address());
    let request = client.get(url).bearer_auth(token);
    let row = health_under(&gateway, "worst search", request, 200, seconds).await;
    gateway.stop();
    vec![row]
}

/// Registrations that the strict policy rejects last, with the password and the names that normalisation expands most.
pub(crate) async fn policy(seconds: u64) -> Vec<Row> {
    let folder = temporary_folder();
    let gateway = Server::gateway(folder.path(), &[("THROTTLE", "off"), ("PASSWORD_POLICY", "strict")]);
    let name = "\u{fdfa}".repeat(200);
    let body: Value = json!({
        "email": "a@example.com",
        "password": "\u{fdfa}".repeat(341),
        "firstName": name,
        "lastName": name,
        "company": name,
    });
    let url = format!("{}/v5/auth/register", gateway.address());
    let request = reqwest::Client::new().post(url).json(&body);
    let row = health_under(&gateway, "worst policy check", request, 422, seconds).await;
    gateway.stop();
    vec![row]
}

/// The p99 of `/health` while all connections repeat `request`, whose responses have this status.
async fn health_under(
    gateway: &Server,
    name: &str,
    request: reqwest::RequestBuilder,
    status: u16,
    seconds: u64,
) -> Row {
    let is_over = Arc::new(AtomicBool::new(false));
    let address = gateway.address().to_owned();
    let watch = tokio::task::spawn_blocking({
        let is_over = is_over.clone();
        move || health_times(&address, &is_over)
    });
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut load = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let request = request.try_clone().expect("the body is in memory");
        load.spawn(async move {
            let mut count = 0_usize;
            while Instant::now() < end {
                let response = request.try_clone().expect("the body is in memory").send().await;
                let response = response.expect("the gateway responds");
                assert_eq!(response.status().as_u16(), status);
                response.bytes().await.expect("the body arrives");
                count += 1;
            }
            count
        });
    }
    let requests: usize = load.join_all().await.into_iter().sum();
    is_over.store(true, Relaxed);
    let times = watch.await.expect("the gateway responds to every request");
    assert!(
        requests > CONNECTIONS && times.len() > 100,
        "too few requests for a p99"
    );
    Row::single(
        format!("{name} on {CONNECTIONS} connections, p99 of /health"),
        "ms",
        quantile_of(&times, 0.99),
        ("10 ms", LIMIT),
        Goal::AtMost(1.0),
    )
}

/// The times in ms of requests for `/health`, one every few milliseconds on one connection.
pub(crate) fn health_times(address: &str, is_over: &AtomicBool) -> Vec<f64> {
    let mut connection = Connection::open(address);
    let mut times = Vec::new();
    while !is_over.load(Relaxed) {
        let start = Instant::now();
        assert_eq!(connection.get("/v5/health"), 200);
        times.push(millis(start.elapsed()));
        #[expect(
            clippy::disallowed_methods,
            reason = "a pause between two requests, on its own thread"
        )]
        std::thread::sleep(Duration::from_millis(5));
    }
    times
}
