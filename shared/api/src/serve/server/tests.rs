//! The server on real sockets, with short time limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst};

use axum::http::StatusCode;
use domain::{Clock, Env, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;
use utoipa::openapi::path::HttpMethod;

use super::*;
use crate::app::app;
use crate::config::Origins;
use crate::json::Body;
use crate::log::LogSink;
use crate::observer::Observer;
use crate::reply::{Empty, Reply};
use crate::router::Router;
use crate::state::AppState;

/// Long enough for everything that a test waits for.
const LONG: Duration = Duration::from_secs(60);

/// The size of the response to `/large`.
const LARGE: usize = 64 * 1024;

const SHORT: Duration = Duration::from_millis(50);

/// A clock that a test sets.
#[derive(Default)]
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(SeqCst))
    }
}

/// A running server with the routes `GET` `/here`, `/health`, `/large` and `POST /body`; dropping it stops it.
struct Running {
    address: SocketAddr,
    clock: Arc<SetClock>,
    admission: Arc<Admission>,
    requests: RequestLimit,
    /// The number of requests for `/large` that were served.
    served: Arc<AtomicUsize>,
    task: JoinHandle<Result<(), Failure>>,
    _folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn start(limits: Limits) -> Running {
    start_with(limits, MANY)
}

fn start_with(limits: Limits, connections: ConnectionLimits) -> Running {
    start_behind_proxies(0, limits, connections, None)
}

fn start_behind_proxies(
    trusted_proxies: usize,
    limits: Limits,
    connections: ConnectionLimits,
    requests_per_client: Option<usize>,
) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let state = AppState::on(&folder);
    let clock = Arc::new(SetClock::default());
    let env = Env {
        clock: clock.clone(),
        ..state.env.clone()
    };
    let large_count = Arc::new(AtomicUsize::new(0));
    let large = {
        let count = large_count.clone();
        move || async move {
            count.fetch_add(1, SeqCst);
            "x".repeat(LARGE)
        }
    };
    let router = Router::new()
        .on(&HttpMethod::Get, "/health", || async { StatusCode::NO_CONTENT })
        .on(&HttpMethod::Get, "/large", large)
        .on(&HttpMethod::Get, "/here", || async { StatusCode::NO_CONTENT })
        .on(&HttpMethod::Post, "/body", |_: Body<serde_json::Value>| async {
            Reply::ok(Empty {})
        });
    let observer = Observer::with_embedded_metrics(LogSink::from_fn(|_| ()), "test");
    let state = AppState::new(env, state.tokens.clone(), state.cookie_origins.clone());
    let listener = listen(([127, 0, 0, 1], 0).into(), "PORT").unwrap();
    let address = listener.local_addr().unwrap();
    let (admission, requests) = (Admission::new(connections), RequestLimit::new(requests_per_client));
    let server = Server {
        apps: vec![app(router, state, &Origins::Any, observer.clone())],
        address,
        trusted_proxies,
        limits,
        admission: admission.clone(),
        requests: requests.clone(),
        observer,
        threads: None,
        metrics: None,
    };
    Running {
        address,
        clock,
        admission,
        requests,
        served: large_count,
        task: tokio::spawn(server.serve(listener, std::future::pending())),
        _folder: folder,
    }
}

fn limits() -> Limits {
    Limits {
        head: LONG,
        body: LONG,
        write: LONG,
        discard: LONG,
        keep_alive: true,
    }
}

const MANY: ConnectionLimits = ConnectionLimits {
    total: 100,
    per_peer: 100,
    reserve: 4,
};

/// Sends a request and returns what arrives until the server closes its direction.
async fn exchange(running: &Running, request: &str) -> String {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

fn header<'a>(response: &'a str, name: &str) -> Option<&'a str> {
    let lines = response.lines().take_while(|line| !line.is_empty());
    lines
        .filter_map(|line| line.split_once(": "))
        .find_map(|(known, value)| (known == name).then_some(value))
}

#[tokio::test]
async fn the_date_follows_the_clock_when_it_steps_back() {
    let running = start(limits());
    for (seconds, date) in [
        (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (784_111_000, "Sun, 06 Nov 1994 08:36:40 GMT"),
    ] {
        running.clock.0.store(seconds * 1000, SeqCst);
        for path in ["/v5/here", "/v5/nothing"] {
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            let response = exchange(&running, &request).await;
            assert_eq!(header(&response, "date"), Some(date), "{response}");
        }
    }
}

#[tokio::test]
async fn a_body_that_arrives_too_slowly_is_a_408_and_the_connection_closes() {
    let running = start(Limits {
        body: SHORT,
        discard: SHORT,
        ..limits()
    });
    for (length, part) in [
        ("content-length: 10", "{"),
        ("transfer-encoding: chunked", "1\r\n{\r\n"),
    ] {
        let head = format!("POST /v5/body HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{length}\r\n\r\n");
        let response = exchange(&running, &(head + part)).await;
        assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
        assert!(response.contains("\"code\":\"REQUEST_TIMEOUT\""), "{response}");
        assert_eq!(header(&response, "connection"), Some("close"), "{response}");
    }
}

#[tokio::test]
async fn the_rest_of_a_request_is_discarded_until_the_time_is_up() {
    let running = start(Limits {
        discard: SHORT,
        ..limits()
    });
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = "POST /v5/body HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    // The server closes the other direction by itself: further bytes are answered with a reset.
    while stream.write_all(&[b' '; 1024]).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_complete_request_is_not_waited_for() {
    let running = start(limits());
    let head = "POST /v5/body HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
    for body in [
        "content-length: 2\r\n\r\n{}",
        "transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all([head, body].concat().as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        // The server has closed the socket, although this client has not.
        while stream.write_all(b" ").await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}

async fn wait_for_open(running: &Running, count: usize) {
    wait_until(|| running.admission.open() == count).await;
}

async fn wait_until(is_reached: impl Fn() -> bool) {
    let reached = async {
        while !is_reached() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, reached).await.expect("it happens in time");
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}

#[track_caller]
fn assert_busy(response: &str) {
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    assert!(response.contains("\"code\":\"TOO_MANY_CONNECTIONS\""), "{response}");
    assert_eq!(header(response, "retry-after"), Some("1"), "{response}");
    assert_eq!(header(response, "connection"), Some("close"), "{response}");
}

#[tokio::test]
async fn clients_that_never_read_block_no_other_and_are_closed() {
    const CLIENTS: usize = 20;
    const REQUESTS: usize = 400;
    let running = start(Limits {
        write: Duration::from_secs(1),
        ..limits()
    });
    let pipelined = "GET /v5/large HTTP/1.1\r\nhost: x\r\n\r\n".repeat(REQUESTS);
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut client = socket.connect(running.address).await.unwrap();
        client.write_all(pipelined.as_bytes()).await.unwrap();
        clients.push(client);
    }
    wait_for_open(&running, CLIENTS).await;
    let response = exchange(&running, &get("/v5/here")).await;
    assert!(response.starts_with("HTTP/1.1 204 "), "{response}");
    // Nothing but the time limit ends them: none has read or closed anything.
    wait_for_open(&running, 0).await;
    let served = running.served.load(SeqCst);
    assert!(
        (CLIENTS..CLIENTS * REQUESTS / 4).contains(&served),
        "{served} responses were made"
    );
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_all_its_responses() {
    let running = start(Limits {
        write: Duration::from_secs(20),
        ..limits()
    });
    let mut client = TcpStream::connect(running.address).await.unwrap();
    let pipelined = "GET /v5/large HTTP/1.1\r\nhost: x\r\n\r\n".repeat(99) + &get("/v5/large");
    let (mut reader, mut writer) = client.split();
    let mut received: Vec<u8> = Vec::new();
    tokio::join!(async { writer.write_all(pipelined.as_bytes()).await.unwrap() }, async {
        let mut part = [0; 1000];
        loop {
            match reader.read(&mut part).await.unwrap() {
                0 => break,
                length => received.extend(&part[..length]),
            }
            tokio::task::yield_now().await;
        }
    },);
    assert!(received.len() > 100 * LARGE, "{}", received.len());
}

#[tokio::test]
async fn an_unfinished_head_is_limited_in_size_and_time() {
    let running = start(Limits {
        head: Duration::from_millis(500),
        ..limits()
    });
    let mut unfinished = TcpStream::connect(running.address).await.unwrap();
    let head = format!("GET /v5/here HTTP/1.1\r\nhost: x\r\nfiller: {}", "x".repeat(30_000));
    unfinished.write_all(head.as_bytes()).await.unwrap();
    // The server closes it without a response.
    assert_eq!(unfinished.read(&mut [0]).await.unwrap_or(0), 0);
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    assert_eq!(silent.read(&mut [0]).await.unwrap_or(0), 0);

    let running = start(Limits {
        discard: SHORT,
        ..limits()
    });
    let response = exchange(&running, &format!("{head}{}", "x".repeat(10_000))).await;
    assert!(response.starts_with("HTTP/1.1 431 "), "{response}");
}

#[tokio::test]
async fn a_connection_without_a_next_request_is_closed() {
    let running = start(Limits {
        head: Duration::from_millis(500),
        ..limits()
    });
    let mut client = TcpStream::connect(running.address).await.unwrap();
    let request = "GET /v5/here HTTP/1.1\r\nhost: x\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let mut received = String::new();
    client.read_to_string(&mut received).await.unwrap();
    assert!(received.starts_with("HTTP/1.1 204 "), "{received}");
    assert!(!received.contains("connection: close"), "{received}");
}

#[tokio::test]
async fn beyond_the_limits_only_health_is_served_until_a_connection_closes() {
    for connections in [
        ConnectionLimits { total: 3, ..MANY },
        ConnectionLimits { per_peer: 3, ..MANY },
    ] {
        let running = start_with(limits(), connections);
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(TcpStream::connect(running.address).await.unwrap());
        }
        wait_for_open(&running, 3).await;
        for path in ["/v5/health", "/api/v5/health", "/v5/health?x=1"] {
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
            let response = exchange(&running, &request).await;
            assert!(response.starts_with("HTTP/1.1 204 "), "{response}");
            assert_eq!(header(&response, "connection"), Some("close"));
        }
        for path in ["/v5/here", "/v5/health/", "/v5/nothing", "/health"] {
            assert_busy(&exchange(&running, &get(path)).await);
        }
        held.pop();
        wait_for_open(&running, 2).await;
        let response = exchange(&running, &get("/v5/here")).await;
        assert!(response.starts_with("HTTP/1.1 204 "), "{response}");
    }
}

#[tokio::test]
async fn a_client_behind_a_proxy_has_a_limited_number_of_requests_in_progress() {
    let running = start_behind_proxies(1, limits(), MANY, Some(3));
    let request = |path: &str, client: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {client}\r\nconnection: close\r\n\r\n")
    };
    let mut unfinished = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let head = "POST /v5/body HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 203.0.113.7\r\n";
        let body = "content-type: application/json\r\ncontent-length: 10\r\n\r\n{";
        stream.write_all([head, body].concat().as_bytes()).await.unwrap();
        unfinished.push(stream);
    }
    wait_until(|| !running.requests.has_room([203, 0, 113, 7].into())).await;
    let response = exchange(&running, &request("/v5/here", "203.0.113.7")).await;
    assert_busy(&response);
    for (path, client) in [("/v5/health", "203.0.113.7"), ("/v5/here", "203.0.113.8")] {
        let response = exchange(&running, &request(path, client)).await;
        assert!(response.starts_with("HTTP/1.1 204 "), "{response}");
    }
    drop(unfinished);
    wait_until(|| running.requests.is_idle()).await;
    let response = exchange(&running, &request("/v5/here", "203.0.113.7")).await;
    assert!(response.starts_with("HTTP/1.1 204 "), "{response}");
}

#[tokio::test]
async fn health_is_served_while_the_reserve_is_full_of_half_open_requests() {
    let running = start_with(limits(), ConnectionLimits { total: 0, ..MANY });
    let mut flood = Vec::new();
    for _ in 0..200 {
        let mut half_open = TcpStream::connect(running.address).await.unwrap();
        let _ = half_open.write_all(b"GET /v5/health HTTP/1.1\r\n").await;
        flood.push(half_open);
        if flood.len() % 20 == 0 {
            let response = exchange(&running, &get("/v5/health")).await;
            assert!(response.starts_with("HTTP/1.1 204 "), "{response}");
        }
    }
}

#[test]
fn failures_to_accept_are_logged_once_a_second_with_their_number() {
    let mut failures = Failures::default();
    let start = Instant::now();
    let counts = [0, 50, 999, 1000, 1500, 2001].map(|millis| failures.count(start + Duration::from_millis(millis)));
    assert_eq!(counts, [Some(1), None, None, Some(3), None, Some(2)]);
}
