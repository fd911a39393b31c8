//! Lambda's side of one function, as lean as can be, so that what is timed is the function: one thread, blocking sockets, and nothing read of
//! an answer but its bytes.
//!
//! The endpoints are those of <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>. `testkit::RuntimeApi` is the one for tests.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::time::Instant;

/// As long as it lives, this thread and the processes that it starts have one CPU together, as a sandbox of Lambda's has one or a part of one.
///
/// On several, an answer may wait until a CPU that has nothing to do wakes up, which takes a virtual machine as long as a call; how often
/// that happens is the scheduler's affair, and would be most of what is measured.
pub(crate) struct OneCpu(CpuSet);

impl OneCpu {
    pub(crate) fn take() -> Self {
        let allowed = sched_getaffinity(None).expect("the kernel tells where a thread may run");
        let last = (0..CpuSet::MAX_CPU).rev().find(|cpu| allowed.is_set(*cpu));
        let mut one = CpuSet::new();
        one.set(last.expect("a thread may run somewhere"));
        sched_setaffinity(None, &one).expect("a thread may be kept to where it may run");
        Self(allowed)
    }
}

impl Drop for OneCpu {
    fn drop(&mut self) {
        // It has been so before.
        let _ = sched_setaffinity(None, &self.0);
    }
}

/// A function's process, and its connections to us.
pub(crate) struct Sandbox {
    listener: TcpListener,
    process: Child,
    connections: Vec<Connection>,
    /// The connection on which it waits for its next event.
    polling: Option<usize>,
    calls: u64,
}

struct Connection {
    stream: TcpStream,
    /// What was read of the next request so far.
    read: Vec<u8>,
}

/// A request of the function, of which only these matter.
enum Asked {
    Next,
    Answered(Vec<u8>),
}

impl Sandbox {
    /// Starts a function and waits until it polls for its first event; answers how long that took.
    pub(crate) fn start(mut command: Command) -> (Self, Duration) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let address = listener.local_addr().expect("it listens").to_string();
        command
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        for (name, value) in crate::account::ENVIRONMENT {
            command.env(name, value);
        }
        let begun = Instant::now();
        let process = command.spawn().expect("the program was built");
        let mut sandbox = Self {
            listener,
            process,
            connections: Vec::new(),
            polling: None,
            calls: 0,
        };
        sandbox.wait_for_poll();
        let took = begun.elapsed();
        (sandbox, took)
    }

    /// Gives it an event, and answers when it has answered, with the answer and how long it took.
    pub(crate) fn call(&mut self, event: &[u8]) -> (Duration, Vec<u8>) {
        self.calls += 1;
        let message = [
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                 lambda-runtime-aws-request-id: 00000000-0000-4000-8000-{:012x}\r\nlambda-runtime-deadline-ms: 4102444800000\r\n\
                 lambda-runtime-trace-id: Root=1-00000000-000000000000000000000000;Sampled=0\r\n\
                 lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:bench\r\n\r\n",
                event.len(),
                self.calls
            )
            .as_bytes(),
            event,
        ]
        .concat();
        let place = self.polling.take().expect("the last call waited until it polled");
        let begun = Instant::now();
        self.send(place, &message);
        let (place, answer) = loop {
            match self.asked() {
                (place, Asked::Answered(answer)) => break (place, answer),
                (place, Asked::Next) => self.polling = Some(place),
            }
        };
        let took = begun.elapsed();
        self.send(place, b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
        self.wait_for_poll();
        (took, answer)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    fn wait_for_poll(&mut self) {
        while self.polling.is_none() {
            if let (place, Asked::Next) = self.asked() {
                self.polling = Some(place);
            }
        }
    }

    fn send(&mut self, place: usize, message: &[u8]) {
        let sent = self.connections[place].stream.write_all(message);
        sent.expect("the function reads what it has asked for");
    }

    /// The function's next request, on whichever connection.
    fn asked(&mut self) -> (usize, Asked) {
        loop {
            for (place, connection) in self.connections.iter_mut().enumerate() {
                if let Some(asked) = connection.take() {
                    return (place, asked);
                }
            }
            let mut ready: Vec<PollFd<'_>> = [PollFd::new(&self.listener, PollFlags::IN)]
                .into_iter()
                .chain(
                    self.connections
                        .iter()
                        .map(|open| PollFd::new(&open.stream, PollFlags::IN)),
                )
                .collect();
            poll(&mut ready, None).expect("there is something to wait for");
            let is_ready: Vec<bool> = ready.iter().map(|ready| !ready.revents().is_empty()).collect();
            for (connection, _) in self
                .connections
                .iter_mut()
                .zip(&is_ready[1..])
                .filter(|(_, ready)| **ready)
            {
                connection
                    .fill()
                    .expect("the function does not end before it is told to");
            }
            if is_ready[0] {
                let (stream, _) = self.listener.accept().expect("it has connected");
                stream.set_nodelay(true).expect("it is a TCP connection");
                self.connections.push(Connection {
                    stream,
                    read: Vec::new(),
                });
            }
        }
    }
}

impl Connection {
    fn fill(&mut self) -> io::Result<()> {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            len => {
                self.read.extend_from_slice(&bytes[..len]);
                Ok(())
            }
        }
    }

    /// Takes the first request of what was read, if it is all there.
    fn take(&mut self) -> Option<Asked> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        let head = match request.parse(&self.read).expect("the function speaks HTTP") {
            httparse::Status::Complete(head) => head,
            httparse::Status::Partial => return None,
        };
        let is_poll = request.path.is_some_and(|path| path.ends_with("/invocation/next"));
        assert!(
            is_poll || request.path.is_some_and(|path| path.ends_with("/response")),
            "the function reports {:?}",
            request.path
        );
        let length = request
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case("content-length"))
            .and_then(|header| str::from_utf8(header.value).ok()?.parse().ok());
        assert!(
            is_poll || length.is_some(),
            "the function says how long its answers are"
        );
        let end = head + length.unwrap_or(0);
        if self.read.len() < end {
            return None;
        }
        let rest = self.read.split_off(end);
        let body = std::mem::replace(&mut self.read, rest).split_off(head);
        Some(if is_poll { Asked::Next } else { Asked::Answered(body) })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
