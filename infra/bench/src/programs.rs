//! The measured programs and the processes that run them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::report::FOLDER;

/// Environment variables of every program.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("JWT_SECRET", "a secret that only the benchmarks sign with"),
    ("PASSWORD_POLICY", "basic"),
];

/// A further variable of servers on LMDB: the load of a benchmark comes from one tenant.
const SERVER_ENVIRONMENT: (&str, &str) = ("QUOTAS", "off");

/// The same for functions under Lambda, where quotas cannot be off, and for servers on FoundationDB.
pub(crate) const LAMBDA_ENVIRONMENT: &[(&str, &str)] = &[
    ("QUOTA_SESSIONS", "1000000000"),
    ("QUOTA_STORED_BYTES", "1000000000000"),
    ("QUOTA_AUDIT_EVENTS", "1000000000"),
    ("QUOTA_FILES", "1000000000"),
    ("QUOTA_SNAPSHOTS", "1000000000"),
    ("QUOTA_WRITES_PER_SECOND", "1000000"),
    ("QUOTA_LOGINS_PER_DAY", "1000000"),
];

/// The path of a release program.
pub(crate) fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/release")
        .join(name)
}

/// The gateway's release program, or its debug program, which is enough to prepare a store.
fn any_gateway() -> PathBuf {
    Some(program("gateway"))
        .filter(|program| program.exists())
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/gateway"))
}

/// A store of a benchmark.
#[derive(Clone)]
pub(crate) enum Store {
    /// The path of LMDB's files.
    Lmdb(PathBuf),
    /// The cluster file of FoundationDB, and the root of all keys.
    Fdb { cluster_file: String, root: String },
}

impl Store {
    /// A program that uses this store, with no other variables. On FoundationDB it also gets the variables of this
    /// process, because the loader's may name the folder of the client.
    pub(crate) fn command(&self, program: PathBuf) -> Command {
        let mut command = Command::new(program);
        match self {
            Self::Lmdb(path) => command.env_clear().env("STORE", format!("lmdb:{}", path.display())),
            Self::Fdb { cluster_file, root } => command
                .env("STORE", "fdb")
                .env("FDB_CLUSTER_FILE", cluster_file)
                .env("STORE_ROOT", root),
        };
        command
    }
}

/// A temporary folder below `target`, which is on a disk; the system's temporary folder may be in memory.
pub(crate) fn temporary_folder() -> TempDir {
    std::fs::create_dir_all(FOLDER).expect("the folder can be created");
    tempfile::Builder::new()
        .prefix("store-")
        .tempdir_in(FOLDER)
        .expect("a temporary folder can be created")
}

/// A running server.
pub(crate) struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Starts the gateway with LMDB in this folder.
    pub(crate) fn gateway(folder: &Path, environment: &[(&str, &str)]) -> Self {
        Self::gateway_on(&Store::Lmdb(folder.join("store")), environment)
    }

    /// Starts the gateway on this store.
    pub(crate) fn gateway_on(store: &Store, environment: &[(&str, &str)]) -> Self {
        let quotas = match store {
            Store::Lmdb(_) => &[SERVER_ENVIRONMENT],
            Store::Fdb { .. } => LAMBDA_ENVIRONMENT,
        };
        let mut command = store.command(any_gateway());
        command
            .env("PORT", "0")
            .envs(ENVIRONMENT.iter().copied())
            .envs(quotas.iter().copied())
            .envs(environment.iter().copied());
        Self::start(command)
    }

    /// Starts a server and waits until it prints its address.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program is built");
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().expect("standard output is piped"));
        output.read_line(&mut line).expect("the output is text");
        let address = line.trim().strip_prefix("listening on ");
        let address = address.expect("the server prints its address").to_owned();
        Self { process, address }
    }

    /// The address, such as `http://127.0.0.1:40123`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends a request and returns the `data` of its response.
    pub(crate) async fn post(&self, client: &reqwest::Client, path: &str, token: Option<&str>, body: &Value) -> Value {
        let mut call = client.post(format!("{}{path}", self.address)).json(body);
        if let Some(token) = token {
            call = call.bearer_auth(token);
        }
        let response = call.send().await.expect("the server responds");
        let mut body: Value = response.json().await.expect("the response is JSON");
        assert_eq!(body["success"], true, "{body}");
        body["data"].take()
    }

    /// Stops the server with SIGTERM.
    pub(crate) fn stop(mut self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).expect("the server is running");
        let status = self.process.wait().expect("the server is a child process");
        assert!(status.success(), "the server ended with {status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails if the server has ended, which is fine.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A connection to a server, for one request after the other. It blocks, because an async client adds noise to times of
/// microseconds.
pub(crate) struct Connection {
    stream: TcpStream,
    address: String,
}

impl Connection {
    pub(crate) fn open(address: &str) -> Self {
        let address = address
            .strip_prefix("http://")
            .expect("the address begins with the scheme")
            .to_owned();
        let stream = TcpStream::connect(&address).expect("the server accepts connections");
        stream.set_nodelay(true).expect("the stream is connected");
        Self { stream, address }
    }

    /// The status of a response that fits into one packet.
    pub(crate) fn get(&mut self, path: &str) -> u16 {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address);
        self.exchange(&request)
    }

    /// Sends JSON. `headers` are complete lines. Returns the status of a response that fits into one packet.
    pub(crate) fn post(&mut self, path: &str, headers: &str, json: &str) -> u16 {
        let (address, length) = (&self.address, json.len());
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n{headers}\r\n{json}"
        );
        self.exchange(&request)
    }

    /// Sends a request with JSON, or without a body, and returns the status and the body of the response.
    pub(crate) fn call(&mut self, method: &str, path: &str, headers: &str, json: &str) -> (u16, Vec<u8>) {
        let (address, length) = (&self.address, json.len());
        let content = if json.is_empty() {
            String::new()
        } else {
            format!("content-type: application/json\r\ncontent-length: {length}\r\n")
        };
        self.request(&format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\n{content}{headers}\r\n{json}"
        ))
    }

    /// Sends a text as the content of a file, and returns the status and the body of the response.
    pub(crate) fn put(&mut self, path: &str, headers: &str, text: &str) -> (u16, Vec<u8>) {
        let (address, length) = (&self.address, text.len());
        self.request(&format!(
            "PUT {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n{headers}\r\n{text}"
        ))
    }

    /// Sends a request and returns the status and the body of the response.
    fn request(&mut self, request: &str) -> (u16, Vec<u8>) {
        self.stream
            .write_all(request.as_bytes())
            .expect("the server reads the request");
        let mut received = Vec::new();
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response.parse(&received).expect("the server speaks HTTP");
            if let httparse::Status::Complete(head) = parsed {
                let length = response
                    .headers
                    .iter()
                    .find(|header| header.name.eq_ignore_ascii_case("content-length"))
                    .and_then(|header| str::from_utf8(header.value).ok()?.parse().ok());
                let length: usize = length.unwrap_or(0);
                if received.len() == head + length {
                    let status = response.code.expect("the response is parsed");
                    return (status, received.split_off(head));
                }
            }
            let mut buffer = [0; 16 * 1024];
            let length = self.stream.read(&mut buffer).expect("the server responds");
            assert!(
                length > 0,
                "the server closed the connection after {}",
                received.escape_ascii()
            );
            received.extend_from_slice(&buffer[..length]);
        }
    }

    fn exchange(&mut self, request: &str) -> u16 {
        self.stream
            .write_all(request.as_bytes())
            .expect("the server reads the request");
        let mut buffer = [0; 4096];
        let length = self.stream.read(&mut buffer).expect("the server responds");
        let status = buffer[..length]
            .strip_prefix(b"HTTP/1.1 ")
            .and_then(|rest| std::str::from_utf8(rest.get(..3)?).ok());
        status
            .and_then(|status| status.parse().ok())
            .expect("the response has a status")
    }
}

/// A memory figure of a process in KiB (`proc(5)`): `VmRSS` is resident now, `VmHWM` is the peak.
pub(crate) fn memory_kib(pid: u32, field: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the benchmarks run on Linux");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .expect("the kernel reports the field")
}
