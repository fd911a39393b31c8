//! The gateway under load on FoundationDB, beside the client alone with as many concurrent tasks.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::endpoints::{CREATE, GET};
use super::raw::Raw;
use crate::account::Account;
use crate::programs::Connection;
use crate::report::{Goal, Row};
use crate::stats::alternate;
use crate::throughput::{CONNECTIONS, rate};

const RAW: &str = "the client alone, the same trips";

const DRAFT: &str = r#"{"name":"My Project","workspacePath":"/workspace/test"}"#;

/// Number of connections that create sessions.
const CREATORS: usize = 64;

/// Numbers of connections that change the same session.
const CONTENDERS: [usize; 2] = [4, 16];

/// Session get.
pub(crate) fn reads(account: &Account, raw: &mut Raw, rounds: usize, seconds: u32) -> Vec<Row> {
    let gateway = account.gateway(&[]);
    let url = format!("{}{}", gateway.address(), account.session_path());
    let bearer = bearer(account);
    let mut rows = Vec::new();
    for connections in CONNECTIONS {
        let [measured, baseline] = alternate(rounds, |side| match side {
            0 => rate(connections, seconds, &["-H", &bearer], &url),
            _ => raw.rate(connections, seconds, GET),
        });
        let name = format!("throughput of get, connections: {connections}");
        rows.push(Row::paired(name, "/s", &measured, (RAW, &baseline), Goal::None));
    }
    gateway.stop();
    rows
}

/// Session create, each with its own commit.
pub(crate) fn writes(account: &Account, raw: &mut Raw, rounds: usize, seconds: u32) -> Vec<Row> {
    let gateway = account.gateway(&[]);
    let url = format!("{}/v5/sessions", gateway.address());
    let bearer = bearer(account);
    let arguments = with_body("POST", &bearer, DRAFT);
    let [measured, baseline] = alternate(rounds, |side| match side {
        0 => rate(CREATORS, seconds, &arguments, &url),
        _ => raw.rate(CREATORS, seconds, CREATE),
    });
    gateway.stop();
    let name = format!("commits of create, connections: {CREATORS}");
    vec![Row::paired(name, "/s", &measured, (RAW, &baseline), Goal::None)]
}

/// Changes of one session on many connections: every commit conflicts with all others in progress.
pub(crate) fn contention(runtime: &Runtime, account: &Account, raw: &mut Raw, rounds: usize, seconds: u32) -> Vec<Row> {
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    let port = port.expect("a port is free").port();
    let gateway = account.gateway(&[("METRICS_PORT", &port.to_string())]);
    let url = format!("{}{}", gateway.address(), account.session_path());
    let mut rows = Vec::new();
    for contenders in CONTENDERS {
        let [mut measured_attempts, mut baseline_attempts] = [Vec::new(), Vec::new()];
        let [measured, baseline] = alternate(rounds, |side| {
            if side == 0 {
                let [requests, retries] = changes(port);
                let rate = runtime.block_on(change(contenders, seconds, &url, account.token()));
                let [more_requests, more_retries] = changes(port);
                measured_attempts.push(1.0 + (more_retries - retries) / (more_requests - requests));
                rate
            } else {
                let [rate, attempts] = raw.contend(contenders, seconds);
                baseline_attempts.push(attempts);
                rate
            }
        });
        let name = format!("changes of one session, connections: {contenders}");
        rows.push(Row::paired(&name, "/s", &measured, (RAW, &baseline), Goal::None));
        let baseline = (RAW, &baseline_attempts[..]);
        let name = format!("{name}, attempts per change");
        rows.push(Row::paired(name, "", &measured_attempts, baseline, Goal::None));
    }
    gateway.stop();
    rows
}

/// Changes per second. Each has another name, because a change to the same name writes nothing.
async fn change(connections: usize, seconds: u32, url: &str, token: &str) -> f64 {
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds.into());
    let mut load = JoinSet::new();
    for connection in 0..connections {
        // One connection per client.
        let request = reqwest::Client::new().patch(url).bearer_auth(token);
        load.spawn(async move {
            let mut changes = 0_u32;
            while Instant::now() < end {
                changes += 1;
                let request = request.try_clone().expect("there is no body yet");
                let name = format!("name {connection} {changes}");
                let response = request.json(&json!({ "name": name })).send().await;
                let response = response.expect("the gateway responds");
                let response = response.error_for_status().expect("the change succeeds");
                response.bytes().await.expect("the body arrives");
            }
            changes
        });
    }
    let changes: u32 = load.join_all().await.iter().sum();
    f64::from(changes) / start.elapsed().as_secs_f64()
}

/// The numbers of changes and of their retries so far, from the gateway's metrics.
fn changes(port: u16) -> [f64; 2] {
    let mut metrics = Connection::open(&format!("http://127.0.0.1:{port}"));
    let (status, body) = metrics.call("GET", "/metrics", "", "");
    assert_eq!(status, 200);
    let text = String::from_utf8(body).expect("metrics are text");
    ["coditect_http_requests_total", "coditect_store_retries_total"].map(|name| {
        text.lines()
            .filter(|line| line.starts_with(name) && line.contains("PATCH"))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum()
    })
}

fn bearer(account: &Account) -> String {
    format!("authorization: Bearer {}", account.token())
}

fn with_body<'a>(method: &'a str, bearer: &'a str, body: &'a str) -> [&'a str; 8] {
    [
        "-m",
        method,
        "-H",
        bearer,
        "-H",
        "content-type: application/json",
        "-d",
        body,
    ]
}
