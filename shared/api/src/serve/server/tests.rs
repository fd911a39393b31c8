//! The server on real sockets, with short time limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

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

const SHORT: Duration = Duration::from_millis(50);

/// A clock that a test sets.
#[derive(Default)]
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(SeqCst))
    }
}

/// A running server with the routes `GET /here` and `POST /body`; dropping it stops it.
struct Running {
    address: SocketAddr,
    clock: Arc<SetClock>,
    task: JoinHandle<Result<(), Failure>>,
    _folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn start(limits: Limits) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let state = AppState::on(&folder);
    let clock = Arc::new(SetClock::default());
    let env = Env {
        clock: clock.clone(),
        ..state.env.clone()
    };
    let router = Router::new()
        .on(&HttpMethod::Get, "/here", || async { StatusCode::NO_CONTENT })
        .on(&HttpMethod::Post, "/body", |_: Body<serde_json::Value>| async {
            Reply::ok(Empty {})
        });
    let observer = Observer::with_embedded_metrics(LogSink::from_fn(|_| ()), "test");
    let state = AppState::new(env, state.tokens.clone());
    let listener = listen(([127, 0, 0, 1], 0).into(), "PORT").unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server {
        app: app(router, state, &Origins::Any, observer),
        address,
        trusted_proxies: 0,
        limits,
        threads: None,
        metrics: None,
    };
    Running {
        address,
        clock,
        task: tokio::spawn(server.serve(listener, std::future::pending())),
        _folder: folder,
    }
}

fn limits() -> Limits {
    Limits {
        head: LONG,
        body: LONG,
        discard: LONG,
    }
}

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
