//! A store with somebody's account in it, for programs to work on: made by the gateway itself, through its API.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::report::FOLDER;

/// What every program is told.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[("JWT_SECRET", "a secret that only the benchmarks sign with")];

/// The sample of an event, whose request is replaced.
const EVENT: &str = include_str!("../../events/http-api-v2.json");

/// A release program of ours.
pub(crate) fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/release")
        .join(name)
}

/// The gateway's program: where no load is put on it, that of the tests will do.
fn any_gateway() -> PathBuf {
    Some(program("gateway"))
        .filter(|program| program.exists())
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/gateway"))
}

/// A temporary folder beside what is built: on a disk, which the system's folder for such may not be.
pub(crate) fn folder() -> TempDir {
    std::fs::create_dir_all(FOLDER).expect("the folder can be made");
    tempfile::Builder::new()
        .prefix("store-")
        .tempdir_in(FOLDER)
        .expect("a temporary folder can be made")
}

/// Somebody with sessions.
pub(crate) struct Account {
    folder: TempDir,
    token: String,
    /// The session that was made last.
    session: Value,
}

impl Account {
    /// A store with this account and so many sessions.
    pub(crate) async fn with_sessions(count: usize) -> Self {
        let folder = folder();
        let gateway = Server::gateway(folder.path(), &[]);
        let client = reqwest::Client::new();
        let account = json!({ "email": "a@example.com", "password": "password123" });
        let registered = gateway.post(&client, "/v5/auth/register", None, &account).await;
        let token = registered["token"].as_str().expect("it answers a token").to_owned();
        let mut session = Value::Null;
        for number in 0..count {
            let draft = json!({ "name": format!("Session {number}"), "workspacePath": "/workspace/test" });
            session = gateway.post(&client, "/v5/sessions", Some(&token), &draft).await;
        }
        gateway.stop();
        Self { folder, token, session }
    }

    /// Where the store is.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) fn session_id(&self) -> &str {
        self.session["id"].as_str().expect("a session has an id")
    }

    pub(crate) fn tenant_id(&self) -> &str {
        self.session["tenantId"].as_str().expect("a session has a tenant")
    }

    /// The path of the session that was made last.
    pub(crate) fn session_path(&self) -> String {
        format!("/v5/sessions/{}", self.session_id())
    }

    /// A function's program on this store.
    pub(crate) fn function(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command.env_clear();
        command.env("STORE", format!("lmdb:{}", self.store().display()));
        command
    }

    /// The event of a request with the account's token.
    pub(crate) fn event(&self, method: &str, path: &str, body: Option<&Value>) -> Vec<u8> {
        let mut event: Value = serde_json::from_str(EVENT).expect("the sample is JSON");
        event["rawPath"] = path.into();
        event["requestContext"]["http"]["method"] = method.into();
        event["requestContext"]["http"]["path"] = path.into();
        event["headers"]["authorization"] = format!("Bearer {}", self.token).into();
        event["body"] = body.map_or(Value::Null, |body| body.to_string().into());
        let length = body.map_or(0, |body| body.to_string().len());
        event["headers"]["content-length"] = length.to_string().into();
        // The gateway writes the format's version first, and nothing that it could leave out between the rest.
        let members = event.as_object_mut().expect("an event is an object");
        let version = members.remove("version").expect("the sample has a version");
        let rest = event.to_string();
        format!("{{\"version\":{version},{}", &rest[1..]).into_bytes()
    }
}

/// A server's process.
pub(crate) struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// The gateway on a store in this folder.
    pub(crate) fn gateway(folder: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(any_gateway());
        command
            .env_clear()
            .env("PORT", "0")
            .env("STORE", format!("lmdb:{}", folder.join("store").display()))
            .envs(ENVIRONMENT.iter().copied())
            .envs(environment.iter().copied());
        Self::start(command)
    }

    /// Waits until it says where it listens.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program was built");
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().expect("it is piped"));
        output.read_line(&mut line).expect("it writes text");
        let address = line.trim().strip_prefix("listening on ");
        let address = address.expect("the server says where it listens").to_owned();
        Self { process, address }
    }

    /// Its address, such as `http://127.0.0.1:40123`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The data of what it answers.
    pub(crate) async fn post(&self, client: &reqwest::Client, path: &str, token: Option<&str>, body: &Value) -> Value {
        let mut call = client.post(format!("{}{path}", self.address)).json(body);
        if let Some(token) = token {
            call = call.bearer_auth(token);
        }
        let response = call.send().await.expect("the server answers");
        let mut answer: Value = response.json().await.expect("it answers JSON");
        assert_eq!(answer["success"], true, "{answer}");
        answer["data"].take()
    }

    /// Stops it as an operator does.
    pub(crate) fn stop(mut self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).expect("it is running");
        let status = self.process.wait().expect("it can be waited for");
        assert!(status.success(), "the server ended with {status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A number of KiB from what the kernel says of a process's memory (`proc(5)`): `VmHWM` is the most that was resident so far.
pub(crate) fn memory_kib(pid: u32, field: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the benchmarks run on Linux");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .expect("the kernel counts it")
}
