//! Logins: what they cost beyond the hashing that they can not do without, and what a crowd of them does to the gateway.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;
use testkit::{Target as _, TestApp};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::account::{Server, folder, memory_kib};
use crate::report::{Reach, Row, cores};
use crate::stats::millis;

const PASSWORD: &str = "password123";

/// How many accounts log in by turns: few enough that each is found in memory, and too many for one to get more logins than it may have.
const ACCOUNTS: usize = 20;

/// The answers that people get: a login, or that they have to wait.
const ANSWERS: [StatusCode; 2] = [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS];

/// How many people log in at once.
const CROWD: usize = 1000;

/// Where requests of the crowd say that they come from, each from an address of its own.
const FORWARDED: &str = "x-forwarded-for";

fn bare(hash: &str) -> Duration {
    let hash = PasswordHash::new(hash).expect("it was just made");
    let begun = Instant::now();
    let verified = Argon2::default().verify_password(PASSWORD.as_bytes(), &hash);
    let took = begun.elapsed();
    verified.expect("it is the password");
    took
}

fn email(number: usize) -> String {
    format!("user{number:04}@example.com")
}

/// A login through the whole router in this process, beside one verification in this process, one of each in turn; and as many at once as help.
pub(crate) async fn logins(samples: usize) -> Vec<Row> {
    let app = TestApp::with_limits(gateway::router(), |limits| {
        let rules = limits.throttle.as_mut().expect("attempts are throttled by default");
        // Never reached, but counted.
        for rule in [&mut rules.pair, &mut rules.account, &mut rules.address] {
            rule.free = u32::MAX;
        }
    });
    let app = Arc::new(app);
    for number in 0..ACCOUNTS {
        app.register(&email(number)).await;
    }
    let hash = Argon2::default()
        .hash_password_with_salt(PASSWORD.as_bytes(), b"sixteen bytes...")
        .expect("there is memory");
    let hash = hash.to_string();

    let [mut ours, mut theirs] = [Vec::new(), Vec::new()];
    for number in 0..samples {
        ours.push(millis(log_in(&app, number).await));
        theirs.push(millis(bare(&hash)));
    }
    let limit = ("one bare Argon2id verification", &theirs[..]);
    let alone = Row::paired("login, p50", "ms", &ours, limit, Reach::AtMost(1.10));

    let [mut ours, mut theirs, mut at_once] = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..5 {
        let begun = Instant::now();
        let next = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..4 * cores() {
            let (app, next) = (app.clone(), next.clone());
            tasks.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= samples {
                        return;
                    }
                    log_in(&app, number).await;
                }
            });
        }
        tasks.join_all().await;
        ours.push(count(samples) / begun.elapsed().as_secs_f64());
        // A rate beside a rate, of as many: the median of their times would leave out the slow ones, which a rate has in it.
        let alone: f64 = (0..samples).map(|_| bare(&hash).as_secs_f64()).sum();
        theirs.push(count(cores() * samples) / alone);
        at_once.push(bare_at_once(&hash, samples));
    }
    let row = |what: &str, limit| Row::paired(what, "/s", &ours, limit, Reach::AtLeast(0.9));
    vec![
        alone,
        row(
            "logins at saturation",
            ("cores ÷ that verification's time", &theirs[..]),
        ),
        row(
            "the same, beside hashing alone",
            ("a bare verification on each core", &at_once[..]),
        ),
    ]
}

/// How many bare verifications a second there are when each core makes one after the other. They share the memory, so that is less than one core's
/// times the cores.
fn bare_at_once(hash: &str, samples: usize) -> f64 {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores() {
            scope.spawn(|| {
                for _ in 0..samples / cores() {
                    bare(hash);
                }
            });
        }
    });
    count(samples / cores() * cores()) / begun.elapsed().as_secs_f64()
}

async fn log_in(app: &TestApp, number: usize) -> Duration {
    let body = json!({ "email": email(number % ACCOUNTS), "password": PASSWORD }).to_string();
    let request = Request::post("/v5/auth/login")
        .header("content-type", "application/json")
        .body(Body::from(body))
        .expect("it is a request");
    let begun = Instant::now();
    let response = app.exchange(request).await;
    let took = begun.elapsed();
    assert_eq!(response.status(), StatusCode::OK, "{:?}", response.body());
    took
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}

/// A thousand people who log in at the same moment, each from an address of their own, to accounts that they all know the password of.
pub(crate) async fn crowd() -> Vec<Row> {
    const FREE: &str = "100000/1/1";
    let folder = folder();
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

    let over = Arc::new(AtomicBool::new(false));
    let health = {
        let (over, address) = (over.clone(), gateway.address().to_owned());
        std::thread::spawn(move || watch_health(&address, &over))
    };
    let begun = Instant::now();
    let mut people = JoinSet::new();
    for number in 0..CROWD {
        // Each has a connection of their own.
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).build();
        let client = client.expect("a client without TLS needs nothing");
        let body = json!({ "email": email(number % ACCOUNTS), "password": PASSWORD });
        let call = client
            .post(format!("{}/v5/auth/login", gateway.address()))
            .header(FORWARDED, format!("198.51.{}.{}", 100 + number / 250, number % 250))
            .json(&body);
        people.spawn(async move { call.send().await.map(|response| response.status()) });
    }
    let answers = people.join_all().await;
    let took = begun.elapsed();
    over.store(true, Relaxed);
    let slowest = health.join().expect("the gateway answers whether it is healthy");
    let peak = memory_kib(gateway.pid(), "VmHWM") / 1024.0;
    gateway.stop();

    let others = answers
        .iter()
        .filter(|answer| !answer.as_ref().is_ok_and(|status| ANSWERS.contains(status)));
    let unanswered: Vec<_> = others.collect();
    assert!(
        unanswered.is_empty(),
        "of {CROWD}, {} end otherwise: {:?}",
        unanswered.len(),
        unanswered[0]
    );
    let logged_in = answers
        .iter()
        .filter(|answer| matches!(answer, Ok(StatusCode::OK)))
        .count();

    let hashing = 19.0 * count(cores());
    let at = |what: &str| format!("{CROWD} logins at once, {what}");
    vec![
        Row::exact(
            at("memory beyond idle"),
            "MiB",
            peak - before,
            ("cores × 19 MiB, for hashing", hashing),
            Reach::AtMost(2.0),
        ),
        Row::exact(
            at("slowest /health"),
            "ms",
            millis(slowest),
            ("50 ms", 50.0),
            Reach::AtMost(1.0),
        ),
        Row::exact(
            at("until all are answered"),
            "s",
            took.as_secs_f64(),
            ("30 s, when clients give up", 30.0),
            Reach::AtMost(1.0),
        ),
        Row::exact(
            at("logged in; the rest are told to wait"),
            "",
            count(logged_in),
            ("all", count(CROWD)),
            Reach::Any,
        ),
    ]
}

/// Asks whether the gateway is healthy, every few milliseconds, and answers the longest time that it took to say so.
fn watch_health(address: &str, over: &AtomicBool) -> Duration {
    let address = address.strip_prefix("http://").expect("it is HTTP");
    let mut slowest = Duration::ZERO;
    while !over.load(Relaxed) {
        let begun = Instant::now();
        // A connection of its own each time, as a load balancer may have.
        let mut stream = TcpStream::connect(address).expect("the gateway accepts");
        let request = format!("GET /v5/health HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the gateway reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the gateway answers");
        slowest = slowest.max(begun.elapsed());
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        #[expect(
            clippy::disallowed_methods,
            reason = "a pause between two questions, on a thread of its own"
        )]
        std::thread::sleep(Duration::from_millis(5));
    }
    slowest
}
