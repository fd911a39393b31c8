//! A minimal Lambda Runtime API for one function: one thread and blocking sockets, so that the function dominates the
//! measured time. Responses are not parsed.
//!
//! It implements the endpoints of <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>. Tests use
//! `testkit::RuntimeApi` instead.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::time::Instant;

use crate::programs::{ENVIRONMENT, LAMBDA_ENVIRONMENT};
use crate::stats::micros;

/// While it exists, this thread and the processes that it starts share one CPU, as in a Lambda sandbox.
///
/// With several CPUs, a response may wait until an idle CPU wakes up. On a virtual machine that takes as long as a
/// call, and its frequency depends on the scheduler, so it would dominate the measured time.
pub(crate) struct OneCpu(CpuSet);

impl OneCpu {
    pub(crate) fn take() -> Self {
        let allowed = sched_getaffinity(None).expect("the kernel reports the allowed CPUs");
        let last = (0..CpuSet::MAX_CPU).rev().find(|cpu| allowed.is_set(*cpu));
        let mut one = CpuSet::new();
        one.set(last.expect("at least one CPU is allowed"));
        sched_setaffinity(None, &one).expect("the affinity can be narrowed");
        Self(allowed)
    }
}

impl Drop for OneCpu {
    fn drop(&mut self) {
        // Restores the previous affinity, which was valid.
        let _ = sched_setaffinity(None, &self.0);
    }
}

/// A function's process and its connections to this Runtime API.
pub(crate) struct Sandbox {
    listener: TcpListener,
    process: Child,
    connections: Vec<Connection>,
    /// The connection on which the function waits for its next event.
    polling: Option<usize>,
    calls: u64,
}

struct Connection {
    stream: TcpStream,
    is_open: bool,
    /// Bytes of the next request, as far as they have arrived.
    received: Vec<u8>,
}

/// A request of the function to the Runtime API.
enum RuntimeRequest {
    NextEvent,
    Response(Vec<u8>),
    /// An extension registers: functions with FoundationDB's client do, to be told when the sandbox ends.
    Register,
    /// An extension waits for its next event, of which there is none.
    NextExtensionEvent,
}

impl Sandbox {
    /// Starts a function and waits for its first poll. Also returns the time until then.
    pub(crate) fn start(mut command: Command) -> (Self, Duration) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let address = listener.local_addr().expect("the listener has an address").to_string();
        command
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        for (name, value) in ENVIRONMENT.iter().chain(LAMBDA_ENVIRONMENT) {
            command.env(name, value);
        }
        let start = Instant::now();
        let process = command.spawn().expect("the program is built");
        let mut sandbox = Self {
            listener,
            process,
            connections: Vec::new(),
            polling: None,
            calls: 0,
        };
        sandbox.wait_for_poll();
        let elapsed = start.elapsed();
        (sandbox, elapsed)
    }

    /// Sends an event and returns the time until the response, and the response. The function polls again before this
    /// returns.
    pub(crate) fn call(&mut self, event: &[u8]) -> (Duration, Vec<u8>) {
        self.calls += 1;
        let message = [
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                 lambda-runtime-aws-request-id: 00000000-0000-4000-8000-{:012x}\r\n\
                 lambda-runtime-deadline-ms: 4102444800000\r\n\
                 lambda-runtime-trace-id: Root=1-00000000-000000000000000000000000;Sampled=0\r\n\
                 lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:bench\r\n\r\n",
                event.len(),
                self.calls
            )
            .as_bytes(),
            event,
        ]
        .concat();
        let poll = self.polling.take().expect("the previous call waited for the next poll");
        let start = Instant::now();
        self.send(poll, &message);
        let (connection, response) = loop {
            match self.next_request() {
                (connection, RuntimeRequest::Response(response)) => break (connection, response),
                (connection, RuntimeRequest::NextEvent) => self.polling = Some(connection),
                (_, _) => {}
            }
        };
        let elapsed = start.elapsed();
        self.send(connection, b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
        self.wait_for_poll();
        (elapsed, response)
    }

    /// The time of a call in µs. Its status must be 200 or 201.
    pub(crate) fn time_of(&mut self, event: &[u8]) -> f64 {
        let (elapsed, response) = self.call(event);
        assert!(
            response.starts_with(b"{\"statusCode\":20"),
            "the function responds {}",
            String::from_utf8_lossy(&response)
        );
        micros(elapsed)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    fn wait_for_poll(&mut self) {
        while self.polling.is_none() {
            if let (connection, RuntimeRequest::NextEvent) = self.next_request() {
                self.polling = Some(connection);
            }
        }
    }

    fn send(&mut self, connection: usize, message: &[u8]) {
        let sent = self.connections[connection].stream.write_all(message);
        sent.expect("the function reads the response to its request");
    }

    /// Waits for the function's next request on any connection; returns the connection's index, too.
    fn next_request(&mut self) -> (usize, RuntimeRequest) {
        loop {
            for (index, connection) in self.connections.iter_mut().enumerate() {
                match connection.take_request() {
                    Some(RuntimeRequest::Register) => connection.register_extension(),
                    Some(request) => return (index, request),
                    None => {}
                }
            }
            let open: Vec<usize> = (0..self.connections.len())
                .filter(|index| self.connections[*index].is_open)
                .collect();
            let mut ready: Vec<PollFd<'_>> = [PollFd::new(&self.listener, PollFlags::IN)]
                .into_iter()
                .chain(
                    open.iter()
                        .map(|index| PollFd::new(&self.connections[*index].stream, PollFlags::IN)),
                )
                .collect();
            poll(&mut ready, None).expect("the sockets can be polled");
            let is_ready: Vec<bool> = ready.iter().map(|ready| !ready.revents().is_empty()).collect();
            for (index, _) in open.iter().zip(&is_ready[1..]).filter(|(_, ready)| **ready) {
                let connection = &mut self.connections[*index];
                connection.fill().expect("the function is connected");
                // An extension may close a connection; the end of the function closes all.
                if !connection.is_open {
                    let ended = self.process.try_wait().expect("the function is a child process");
                    assert!(ended.is_none(), "the function ended with {ended:?}");
                }
            }
            if is_ready[0] {
                let (stream, _) = self.listener.accept().expect("the function has connected");
                stream.set_nodelay(true).expect("the option exists for TCP");
                self.connections.push(Connection {
                    stream,
                    is_open: true,
                    received: Vec::new(),
                });
            }
        }
    }
}

impl Connection {
    fn fill(&mut self) -> io::Result<()> {
        let mut bytes = [0; 16 * 1024];
        let length = self.stream.read(&mut bytes)?;
        self.is_open = length > 0;
        self.received.extend_from_slice(&bytes[..length]);
        Ok(())
    }

    /// Removes the first request from the received bytes, if it is complete.
    fn take_request(&mut self) -> Option<RuntimeRequest> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        let head_len = match request.parse(&self.received).expect("the function speaks HTTP") {
            httparse::Status::Complete(len) => len,
            httparse::Status::Partial => return None,
        };
        let path = request.path.unwrap_or_default();
        let kind: fn(Vec<u8>) -> RuntimeRequest = match path.rsplit_once('/') {
            Some((_, "next")) if path.contains("/extension/") => |_| RuntimeRequest::NextExtensionEvent,
            Some((_, "next")) => |_| RuntimeRequest::NextEvent,
            Some((_, "register")) => |_| RuntimeRequest::Register,
            Some((_, "response")) => RuntimeRequest::Response,
            _ => panic!("the function reports {path}"),
        };
        let length = request
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case("content-length"))
            .and_then(|header| str::from_utf8(header.value).ok()?.parse().ok());
        assert!(
            length.is_some() || path.ends_with("/next"),
            "the function sends a content-length"
        );
        let end = head_len + length.unwrap_or(0);
        if self.received.len() < end {
            return None;
        }
        let rest = self.received.split_off(end);
        Some(kind(std::mem::replace(&mut self.received, rest).split_off(head_len)))
    }

    fn register_extension(&mut self) {
        let body = r#"{"functionName":"bench","functionVersion":"$LATEST","handler":"bootstrap"}"#;
        let response = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             lambda-extension-identifier: 00000000-0000-4000-8000-00000000e000\r\n\r\n{body}",
            body.len()
        );
        let sent = self.stream.write_all(response.as_bytes());
        sent.expect("the extension reads the response to its request");
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Fails if the process has ended, which is fine.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
