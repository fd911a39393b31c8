//! `gateway admin` as a process, beside a running gateway on the same store.

mod bad_input;
mod deletion;
mod logins;
mod mail;
mod recovery;
mod suspension;
mod tenants;
mod users;

use std::process::{Command, Output};

use serde_json::Value;
use testkit::{Process, Remote, Target as _, TestStore};

use crate::process::{gateway, register};

/// `gateway admin` with these arguments on this store.
fn command(store: &TestStore, arguments: &[&str]) -> Command {
    // No token secret is needed.
    let mut command = Process::command(env!("CARGO_BIN_EXE_gateway"));
    command.env_remove("JWT_SECRET").envs(store.env()).env("USER", "ops");
    command.arg("admin").args(arguments);
    command
}

/// Runs a command that must succeed, and returns what it prints.
#[track_caller]
fn text(store: &TestStore, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = command(store, arguments).output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(status.success() && stderr.is_empty(), "{arguments:?}: {stderr}");
    String::from_utf8(stdout).unwrap()
}

/// Runs a command with `--json`, and returns the value.
#[track_caller]
fn json(store: &TestStore, arguments: &[&str]) -> Value {
    let text = text(store, &[arguments, &["--json"]].concat());
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Runs a command that must fail with one sentence, and returns the sentence.
#[track_caller]
fn failure(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = String::from_utf8(stderr).unwrap();
    assert!(!status.success() && stdout.is_empty(), "{text}");
    let sentence = text.strip_prefix("error: ").unwrap().trim_end();
    assert!(!sentence.is_empty() && !sentence.contains('\n'), "{text}");
    sentence.to_owned()
}

/// A running gateway with an account.
struct Running {
    store: TestStore,
    _process: Process,
    remote: Remote,
    /// Alice's access token.
    token: String,
}

async fn start() -> Running {
    let store = TestStore::new();
    let process = Process::start(gateway(&store));
    let remote = process.remote();
    let token = register(&remote, "alice@example.com").await;
    Running {
        store,
        _process: process,
        remote,
        token,
    }
}

/// Logs Alice in, and returns the access token.
async fn log_in(remote: &Remote) -> String {
    let account = serde_json::json!({ "email": "alice@example.com", "password": "password123" });
    let data = remote.post("/v5/auth/login").json(&account).send().await.ok();
    data["token"].as_str().unwrap().to_owned()
}

/// The events of this type in the audit log of the token's tenant, without the members that differ in each run.
async fn events(remote: &Remote, token: &str, kind: &str) -> Vec<Value> {
    let path = format!("/v5/audit?type={kind}");
    let mut data = remote.get(&path).bearer(token).send().await.ok();
    let events = data["events"].as_array_mut().unwrap();
    for event in &mut *events {
        for member in ["id", "at", "requestId", "tenantId"] {
            assert!(event.as_object_mut().unwrap().remove(member).unwrap().is_string());
        }
    }
    std::mem::take(events)
}
