//! Whether one client's logins delay or reject those of another user.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::programs::{Connection, Server, temporary_folder};
use crate::report::{Goal, Row};
use crate::stats::{count, millis, quantile_of};
use crate::worst::health_times;

/// Number of connections that log in to the greedy accounts, with the right passwords.
const CONNECTIONS: usize = 150;

/// The time between two logins of the other user.
const PAUSE: Duration = Duration::from_millis(100);

/// The address of the other user.
const MODEST: &str = "203.0.113.1";

/// The load beside which another user logs in: its name, its number of accounts, and its address.
const LOADS: [(&str, usize, &str); 3] = [
    ("log in to one account", 1, "198.51.100.1"),
    ("log in to one account from the other user's address", 1, MODEST),
    ("log in to 8 accounts from the other user's address", 8, MODEST),
];

/// Logs in to some accounts on many connections, and to another account now and then, with the default limits.
pub(crate) async fn logins(seconds: u64) -> Vec<Row> {
    let mut rows = Vec::new();
    for load in LOADS {
        rows.extend(beside(load, seconds).await);
    }
    rows
}

async fn beside((name, accounts, address): (&str, usize, &'static str), seconds: u64) -> Vec<Row> {
    let folder = temporary_folder();
    let gateway = Server::gateway(folder.path(), &[("TRUSTED_PROXIES", "1")]);
    let client = reqwest::Client::new();
    let account = |name| json!({ "email": format!("{name}@example.com"), "password": "password123" });
    let greedy: Vec<_> = (0..accounts)
        .map(|number| account(format!("greedy-{number}")))
        .collect();
    let modest = account("modest".to_owned());
    for account in greedy.iter().chain([&modest]) {
        gateway.post(&client, "/v5/auth/register", None, account).await;
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let health = tokio::task::spawn_blocking({
        let (is_over, address) = (is_over.clone(), gateway.address().to_owned());
        move || health_times(&address, &is_over)
    });
    let other = tokio::task::spawn_blocking({
        let (is_over, address) = (is_over.clone(), gateway.address().to_owned());
        move || modest_logins(&address, &modest.to_string(), &is_over)
    });
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut load = JoinSet::new();
    for account in greedy.iter().cycle().take(CONNECTIONS) {
        let request = client
            .post(format!("{}/v5/auth/login", gateway.address()))
            .header("x-forwarded-for", address)
            .json(account);
        load.spawn(async move {
            while Instant::now() < end {
                let response = request.try_clone().expect("the body is in memory").send().await;
                let response = response.expect("the gateway responds");
                let status = response.status();
                let body = response.text().await.expect("the body arrives");
                // 503: too many changes of one account at a time.
                assert!([200, 429, 503].contains(&status.as_u16()), "{status} {body}");
            }
        });
    }
    load.join_all().await;
    is_over.store(true, Relaxed);
    let health = health.await.expect("the gateway responds to every request");
    let (accepted, times) = other.await.expect("the gateway responds to every login");
    gateway.stop();
    assert!(!times.is_empty() && health.len() > 100, "too few requests");

    let name = |figure: &str| format!("{CONNECTIONS} connections {name}, {figure}");
    vec![
        Row::single(
            name("another user's accepted logins"),
            "",
            count(accepted),
            ("all", count(times.len())),
            Goal::AtLeast(0.95),
        ),
        Row::single(
            name("another user's login, p95"),
            "ms",
            quantile_of(&times, 0.95),
            ("1 s", 1000.0),
            Goal::AtMost(1.0),
        ),
        Row::single(
            name("p99 of /health"),
            "ms",
            quantile_of(&health, 0.99),
            ("50 ms", 50.0),
            Goal::AtMost(1.0),
        ),
    ]
}

/// The number of accepted logins, and the times of all in ms.
fn modest_logins(address: &str, account: &str, is_over: &AtomicBool) -> (usize, Vec<f64>) {
    let mut connection = Connection::open(address);
    let (mut accepted, mut times) = (0, Vec::new());
    while !is_over.load(Relaxed) {
        let start = Instant::now();
        let status = connection.post("/v5/auth/login", &format!("x-forwarded-for: {MODEST}\r\n"), account);
        times.push(millis(start.elapsed()));
        accepted += usize::from(status == 200);
        #[expect(
            clippy::disallowed_methods,
            reason = "a pause between two requests, on its own thread"
        )]
        std::thread::sleep(PAUSE);
    }
    (accepted, times)
}
