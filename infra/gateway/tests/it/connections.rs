//! Floods of connections: half-open requests, and clients that never read.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use axum::http::Method;
use testkit::{Code, Process, Target as _, TestResponse, TestStore};
use tokio::time::Instant;

use crate::process::gateway;

/// The longest time for which a test waits.
const LIMIT: Duration = Duration::from_secs(60);

/// The gateway with this limit of open files.
fn with_open_files(store: &TestStore, limit: u32) -> Command {
    let mut command = Process::command("sh");
    command.env("PATH", "/usr/bin:/bin").envs(store.env()).args([
        "-c",
        &format!("ulimit -n {limit}; exec \"$0\""),
        env!("CARGO_BIN_EXE_gateway"),
    ]);
    command
}

fn connect(process: &Process) -> TcpStream {
    let stream = TcpStream::connect(process.address().trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream
}

fn get(process: &Process, path: &str) -> TestResponse {
    let mut stream = connect(process);
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    TestResponse::parse_http1(&Method::GET, path, &response).expect("the application responds")
}

/// Opens this many connections, sends each the bytes, and reads nothing.
fn flood(process: &Process, count: usize, bytes: &[u8]) -> Vec<TcpStream> {
    let connections = (0..count).map(|_| {
        let mut stream = connect(process);
        stream.set_nonblocking(true).unwrap();
        // What does not fit into the system's buffers, or is refused, is not sent.
        let _ = stream.write(bytes);
        stream
    });
    connections.collect()
}

/// Checks that the flood does not prevent health checks, and ends by itself although its connections stay open.
fn assert_survives(process: &Process, bytes: &[u8]) {
    let flood = flood(process, 300, bytes);
    for _ in 0..20 {
        get(process, "/v5/health").document();
    }
    // One peer has a quarter of the connections. It may have used them up until the time limits end them.
    let end = Instant::now() + LIMIT;
    loop {
        let response = get(process, "/v5/sessions");
        if response.status == 401 {
            break;
        }
        response.assert_problem(503, Code::TooManyConnections);
        assert!(
            Instant::now() < end,
            "the flood still holds all connections of its peer"
        );
    }
    drop(flood);
}

#[test]
fn clients_that_never_read_their_pipelined_responses_are_closed() {
    let store = TestStore::new();
    let mut command = with_open_files(&store, 256);
    command
        .env("WRITE_TIMEOUT_SECONDS", "1")
        .env("IDLE_TIMEOUT_SECONDS", "1");
    let process = Process::start(command);
    let request = "GET /v5/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";
    assert_survives(&process, request.repeat(500).as_bytes());
}

#[test]
fn half_open_requests_are_closed() {
    let store = TestStore::new();
    let mut command = with_open_files(&store, 256);
    command.env("IDLE_TIMEOUT_SECONDS", "1");
    let process = Process::start(command);
    let head = format!("GET /v5/sessions HTTP/1.1\r\nhost: x\r\nfiller: {}", "x".repeat(30_000));
    assert_survives(&process, head.as_bytes());
}

#[tokio::test]
async fn the_limit_of_one_peer_is_configurable() {
    let store = TestStore::new();
    let mut command = gateway(&store);
    command.env("MAX_CONNECTIONS_PER_PEER", "2");
    let process = Process::start(command);
    let held = [connect(&process), connect(&process)];
    let rejected = async {
        loop {
            let response = process.remote().get("/v5/sessions").send().await;
            if response.status == 503 {
                return response;
            }
        }
    };
    let rejected = tokio::time::timeout(LIMIT, rejected).await;
    rejected
        .expect("the third connection of a peer is rejected")
        .assert_problem(503, Code::TooManyConnections);
    process.remote().get("/v5/health").send().await.document();
    drop(held);
}
