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

/// Number of connections that log in to the greedy account, with its right password.
const CONNECTIONS: usize = 150;

/// The time between two logins of the other user.
const PAUSE: Duration = Duration::from_millis(100);

/// Logs in to one account on many connections, and to another account now and then, each from its own address, with the
/// default limits.
pub(crate) async fn logins(seconds: u64) -> Vec<Row> {
    let folder = temporary_folder();
    let gateway = Server::gateway(folder.path(), &[("TRUSTED_PROXIES", "1")]);
    let client = reqwest::Client::new();
    let account = |name| json!({ "email": format!("{name}@example.com"), "password": "password123" });
    let (greedy, modest) = (account("greedy"), account("modest"));
    for account in [&greedy, &modest] {
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
    for _ in 0..CONNECTIONS {
        let request = client
            .post(format!("{}/v5/auth/login", gateway.address()))
            .header("x-forwarded-for", "198.51.100.1")
            .json(&greedy);
        load.spawn(async move {
            while Instant::now() < end {
                let response = request.try_clone().expect("the body is in memory").send().await;
                let response = response.expect("the gateway responds");
                assert!([200, 429].contains(&response.status().as_u16()), "{response:?}");
                response.bytes().await.expect("the body arrives");
            }
        });
    }
    load.join_all().await;
    is_over.store(true, Relaxed);
    let health = health.await.expect("the gateway responds to every request");
    let (accepted, times) = other.await.expect("the gateway responds to every login");
    gateway.stop();
    assert!(times.len() >= 20 && health.len() > 100, "too few requests");

    let name = |figure: &str| format!("{CONNECTIONS} connections log in to one account, {figure}");
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
        let status = connection.post("/v5/auth/login", "x-forwarded-for: 203.0.113.1\r\n", account);
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
