//! Whether the most expensive input delays other requests: searches in the longest names, strict policy checks of the
//! longest passwords, and floods of connections.

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::TcpStream;
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

/// Number of connections that a flood keeps open.
const FLOOD: usize = 600;

/// The limit of connections of the flooded gateway.
const MAX_CONNECTIONS: usize = 200;

/// A flood of connections from one peer: one half sends incomplete heads, the other many requests whose responses it
/// never reads. `/health` gets a new connection each time.
pub(crate) async fn flood(seconds: u64) -> Vec<Row> {
    let folder = temporary_folder();
    let limit = MAX_CONNECTIONS.to_string();
    let gateway = Server::gateway(
        folder.path(),
        &[("MAX_CONNECTIONS", &limit), ("MAX_CONNECTIONS_PER_PEER", &limit)],
    );
    let is_over = Arc::new(AtomicBool::new(false));
    let address = gateway.address().trim_start_matches("http://").to_owned();
    let flood = tokio::task::spawn_blocking({
        let is_over = is_over.clone();
        move || keep_connections_open(&address, &is_over)
    });
    let address = gateway.address().to_owned();
    let watch = tokio::task::spawn_blocking(move || {
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut times = Vec::new();
        while Instant::now() < end {
            let start = Instant::now();
            assert_eq!(Connection::open(&address).get("/v5/health"), 200);
            times.push(millis(start.elapsed()));
            pause();
        }
        times
    });
    let times = watch.await.expect("the gateway responds to every health check");
    is_over.store(true, Relaxed);
    let opened = flood.await.expect("the gateway accepts connections");
    gateway.stop();
    assert!(opened > FLOOD && times.len() > 100, "too few connections");
    vec![Row::single(
        format!("flood of {FLOOD} connections, limit {MAX_CONNECTIONS}, p99 of /health"),
        "ms",
        quantile_of(&times, 0.99),
        ("50 ms", 50.0),
        Goal::AtMost(1.0),
    )]
}

/// Opens connections, and keeps the last ones open. Returns their number.
fn keep_connections_open(address: &str, is_over: &AtomicBool) -> usize {
    let half_open = format!("GET /v5/health HTTP/1.1\r\nhost: x\r\nfiller: {}", "x".repeat(20_000));
    let pipelined = "GET /v5/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(200);
    let mut connections = VecDeque::new();
    let mut opened = 0;
    while !is_over.load(Relaxed) {
        let mut stream = TcpStream::connect(address).expect("the gateway accepts connections");
        stream.set_nonblocking(true).expect("the stream is connected");
        let bytes = if opened % 2 == 0 { &half_open } else { &pipelined };
        // The gateway may have closed the connection.
        let _ = stream.write(bytes.as_bytes());
        connections.push_back(stream);
        opened += 1;
        if connections.len() > FLOOD {
            connections.pop_front();
            pause();
        }
    }
    opened
}

fn pause() {
    #[expect(
        clippy::disallowed_methods,
        reason = "a pause between two requests, on its own thread"
    )]
    std::thread::sleep(Duration::from_millis(5));
}

/// The times in ms of requests for `/health`, one every few milliseconds on one connection.
pub(crate) fn health_times(address: &str, is_over: &AtomicBool) -> Vec<f64> {
    let mut connection = Connection::open(address);
    let mut times = Vec::new();
    while !is_over.load(Relaxed) {
        let start = Instant::now();
        assert_eq!(connection.get("/v5/health"), 200);
        times.push(millis(start.elapsed()));
        pause();
    }
    times
}
