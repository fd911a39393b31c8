//! Logins: their cost beyond the necessary password hash, and the gateway during a burst of them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;
use testkit::{Target as _, TestApp};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::hashing::{Bare, PASSWORD, Stopwatch};
use crate::programs::{Server, memory_kib, temporary_folder};
use crate::report::{Goal, Row, cores};
use crate::stats::{count, millis};

/// Number of accounts that log in by turns: few enough to stay in memory, many enough that none reaches its limit of
/// logins.
const ACCOUNTS: usize = 20;

/// The accepted statuses of the burst: the login succeeds, or must be retried later.
const EXPECTED: [StatusCode; 2] = [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS];

/// Number of concurrent logins in the burst.
const BURST: usize = 1000;

/// The header in which each request of the burst states its own client address.
const FORWARDED: &str = "x-forwarded-for";

fn email(number: usize) -> String {
    format!("user{number:04}@example.com")
}

/// Logins through the whole router in this process, beside verifications in this process: one at a time, then at
/// saturation.
pub(crate) async fn logins(samples: usize, rounds: usize) -> Vec<Row> {
    let app = TestApp::with_limits(gateway::router(), |limits| {
        let rules = limits.throttle.as_mut().expect("attempts are throttled by default");
        // Attempts are counted but never throttled.
        for rule in [&mut rules.pair, &mut rules.account, &mut rules.address] {
            rule.free = u32::MAX;
        }
    });
    let app = Arc::new(app);
    for number in 0..ACCOUNTS {
        app.register(&email(number)).await;
    }
    let mut bare = Bare::new();

    let [mut measured, mut baseline] = [Vec::new(), Vec::new()];
    for number in 0..samples {
        measured.push(millis(log_in(&app, number).await));
        let start = Instant::now();
        bare.verify();
        baseline.push(millis(start.elapsed()));
    }
    let baseline = ("one bare Argon2id verification", &baseline[..]);
    let one_at_a_time = Row::paired("login, p50", "ms", &measured, baseline, Goal::AtMost(1.10));
    [vec![one_at_a_time], saturation(&app, &mut bare, rounds).await].concat()
}

/// Logins that keep every core busy.
///
/// The lower bound is the same number of verifications on every core. The cores share caches and the bandwidth of the
/// memory, and on some machines two of them are one physical core, so two verifications at a time take longer than
/// one, whatever program hashes: the last row reports by how much.
async fn saturation(app: &Arc<TestApp>, bare: &mut Bare, rounds: usize) -> Vec<Row> {
    /// Verifications per round and side: short enough that a disturbance of the machine affects few rounds.
    const NUMBER: usize = 60;
    let [mut rates, mut times] = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
    let mut cores_by_time = Vec::new();
    for round in 0..rounds {
        for side in [round % 2, 1 - round % 2] {
            let stopwatch = Stopwatch::start();
            if side == 0 {
                log_in_at_saturation(app, NUMBER).await;
            } else {
                bare.verify_on_every_core(NUMBER);
            }
            let (rate, time) = stopwatch.stop(NUMBER);
            rates[side].push(rate);
            times[side].push(time);
        }
        let stopwatch = Stopwatch::start();
        (0..NUMBER / cores()).for_each(|_| bare.verify());
        let (rate, _) = stopwatch.stop(NUMBER / cores());
        cores_by_time.push(count(cores()) * rate);
    }
    let [logins, verifications] = &rates;
    let [time, bare_time] = &times;
    vec![
        Row::paired(
            "logins at saturation",
            "/s",
            logins,
            ("bare verifications on every core", verifications),
            Goal::AtLeast(0.9),
        ),
        Row::paired(
            "logins at saturation, processor time",
            "ms",
            time,
            ("a bare verification on every core", bare_time),
            Goal::AtMost(1.1),
        ),
        Row::paired(
            "bare verifications on every core",
            "/s",
            verifications,
            ("cores ÷ time of one verification", &cores_by_time),
            Goal::None,
        ),
    ]
}

/// Logs in `number` times, four at a time for each core.
async fn log_in_at_saturation(app: &Arc<TestApp>, number: usize) {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..4 * cores() {
        let (app, next) = (app.clone(), next.clone());
        tasks.spawn(async move {
            loop {
                let login = next.fetch_add(1, Relaxed);
                if login >= number {
                    return;
                }
                log_in(&app, login).await;
            }
        });
    }
    tasks.join_all().await;
}

async fn log_in(app: &TestApp, number: usize) -> Duration {
    let body = json!({ "email": email(number % ACCOUNTS), "password": PASSWORD }).to_string();
    let request = Request::post("/v5/auth/login")
        .header("content-type", "application/json")
        .body(Body::from(body))
        .expect("the request is valid");
    let start = Instant::now();
    let response = app.exchange(request).await;
    let elapsed = start.elapsed();
    assert_eq!(response.status(), StatusCode::OK, "{:?}", response.body());
    elapsed
}

/// A burst of concurrent logins with the right password, each from its own client address.
pub(crate) async fn burst() -> Vec<Row> {
    /// Never throttles.
    const FREE: &str = "100000/1/1";
    let folder = temporary_folder();
    let environment = [
        ("TRUSTED_PROXIES", "1"),
        ("THROTTLE_PAIR", FREE),
        ("THROTTLE_ACCOUNT", FREE),
        ("THROTTLE_ADDRESS", FREE),
        ("THROTTLE_REGISTRATION", FREE),
    ];
    let gateway = Server::gateway(folder.path(), &environment);
    let client = reqwest::Client::new();
    for number in 0..ACCOUNTS {
        let account = json!({ "email": email(number), "password": PASSWORD });
        gateway.post(&client, "/v5/auth/register", None, &account).await;
    }
    let before = memory_kib(gateway.pid(), "VmRSS") / 1024.0;

    let is_over = Arc::new(AtomicBool::new(false));
    let health = {
        let (is_over, address) = (is_over.clone(), gateway.address().to_owned());
        std::thread::spawn(move || watch_health(&address, &is_over))
    };
    let start = Instant::now();
    let mut logins = JoinSet::new();
    for number in 0..BURST {
        // Each login has its own connection.
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).build();
        let client = client.expect("a client without TLS can be built");
        let body = json!({ "email": email(number % ACCOUNTS), "password": PASSWORD });
        let call = client
            .post(format!("{}/v5/auth/login", gateway.address()))
            .header(FORWARDED, format!("198.51.{}.{}", 100 + number / 250, number % 250))
            .json(&body);
        logins.spawn(async move { call.send().await.map(|response| response.status()) });
    }
    let results = logins.join_all().await;
    let elapsed = start.elapsed();
    is_over.store(true, Relaxed);
    let slowest = health.join().expect("every health check succeeds");
    let peak = memory_kib(gateway.pid(), "VmHWM") / 1024.0;
    gateway.stop();

    let failures = results
        .iter()
        .filter(|result| !result.as_ref().is_ok_and(|status| EXPECTED.contains(status)));
    let failures: Vec<_> = failures.collect();
    assert!(
        failures.is_empty(),
        "{} of {BURST} logins fail: {:?}",
        failures.len(),
        failures[0]
    );
    let accepted = results
        .iter()
        .filter(|result| matches!(result, Ok(StatusCode::OK)))
        .count();

    let hashing = 19.0 * count(cores());
    let name = |figure: &str| format!("{BURST} concurrent logins, {figure}");
    vec![
        Row::single(
            name("memory beyond idle"),
            "MiB",
            peak - before,
            ("cores × 19 MiB, for hashing", hashing),
            Goal::AtMost(2.0),
        ),
        Row::single(
            name("slowest /health"),
            "ms",
            millis(slowest),
            ("50 ms", 50.0),
            Goal::AtMost(1.0),
        ),
        Row::single(
            name("until the last response"),
            "s",
            elapsed.as_secs_f64(),
            ("30 s, a common client timeout", 30.0),
            Goal::AtMost(1.0),
        ),
        Row::single(
            name("accepted; the rest get 429"),
            "",
            count(accepted),
            ("all", count(BURST)),
            Goal::None,
        ),
    ]
}

/// Requests `/health` every few milliseconds and returns the longest time of a response.
fn watch_health(address: &str, is_over: &AtomicBool) -> Duration {
    let address = address
        .strip_prefix("http://")
        .expect("the address begins with the scheme");
    let mut slowest = Duration::ZERO;
    while !is_over.load(Relaxed) {
        let start = Instant::now();
        // A new connection each time, as some load balancers do.
        let mut stream = TcpStream::connect(address).expect("the gateway accepts connections");
        let request = format!("GET /v5/health HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream
            .write_all(request.as_bytes())
            .expect("the gateway reads the request");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("the gateway responds");
        slowest = slowest.max(start.elapsed());
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        #[expect(
            clippy::disallowed_methods,
            reason = "a pause between two requests, on its own thread"
        )]
        std::thread::sleep(Duration::from_millis(5));
    }
    slowest
}
