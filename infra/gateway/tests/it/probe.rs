//! `gateway health`: the check that a container's health check runs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::Output;

use testkit::{Process, TestStore};

use crate::process::gateway;

/// Runs `gateway health` for this host and port.
fn health(host: &str, port: &str) -> Output {
    // No other variable is needed, in particular not the secret.
    let mut command = Process::command(env!("CARGO_BIN_EXE_gateway"));
    command.env_remove("JWT_SECRET").envs([("HOST", host), ("PORT", port)]);
    command.arg("health").output().unwrap()
}

#[track_caller]
fn assert_unhealthy(output: &Output, reason: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert_eq!(text.trim().lines().count(), 1, "one sentence: {text}");
    assert!(text.contains(reason), "{text}");
}

#[test]
fn a_running_gateway_is_healthy_and_a_stopped_one_is_not() {
    let store = TestStore::new();
    let process = Process::start(gateway(&store));
    let port = process.address().rsplit(':').next().unwrap().to_owned();
    // In a container, HOST is the address of every interface.
    for host in ["127.0.0.1", "0.0.0.0"] {
        let output = health(host, &port);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
    process.terminate();
    process.wait();
    assert_unhealthy(&health("127.0.0.1", &port), &port);
    assert_unhealthy(&health("127.0.0.1", "none"), "PORT must be a port number");
    assert_unhealthy(&health("::1", &port), "[::1]");
}

#[test]
fn an_unexpected_response_is_unhealthy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    for (response, reason) in [
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "503"),
        ("SSH-2.0-OpenSSH\r\n", "SSH-2.0"),
        ("HTTP", &port),
    ] {
        let server = listener.try_clone().unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request = lines.next().unwrap().unwrap();
            // Reads to the end of the head: with unread data, closing the connection discards the response.
            lines.find(|line| line.as_ref().unwrap().is_empty());
            stream.write_all(response.as_bytes()).unwrap();
            request
        });
        assert_unhealthy(&health("127.0.0.1", &port), reason);
        assert_eq!(thread.join().unwrap(), "GET /v5/health HTTP/1.1");
    }
}
