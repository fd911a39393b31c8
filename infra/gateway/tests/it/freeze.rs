//! The functions after Lambda has frozen their sandboxes for minutes.
//!
//! FoundationDB closes a connection without traffic after 216 seconds. A frozen client does not learn of it, because
//! its packets are lost.

use std::process::Command;
use std::time::Duration;

use axum::http::Method;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use testkit::{Process, RuntimeApi, Target as _, TestStore};
use tokio::time::Instant;

use crate::function_processes::{FunctionProcesses, SAMPLE};
use crate::process::{gateway, register};

/// The time after which the cluster closes a connection without traffic, and what it takes to notice.
const FREEZE: Duration = Duration::from_secs(216 + 9);

/// The limit for the first request after the thaw.
const LIMIT: Duration = Duration::from_millis(2500);

/// The state of the network after the thaw.
#[derive(Clone, Copy)]
enum Network {
    /// The cluster resets a connection that it has closed as soon as the client uses it.
    Resets,
    /// The resets are lost, as behind a gateway that has forgotten the connections.
    LosesResets,
}

struct Sandbox {
    name: &'static str,
    method: Method,
    path: String,
    body: Option<Value>,
    function: RuntimeApi,
}

impl Sandbox {
    /// The time of one call.
    async fn call(&self, token: &str) -> Result<Duration, String> {
        let start = Instant::now();
        if self.name == "janitor" {
            let swept = self.function.invoke(&json!({})).await;
            return swept.map(|_| start.elapsed()).map_err(|error| error.to_string());
        }
        let door = self.function.behind(SAMPLE);
        let mut request = door.request(self.method.clone(), &self.path).bearer(token);
        if let Some(body) = &self.body {
            request = request.json(body);
        }
        let response = request.send().await;
        if response.status.is_success() {
            Ok(start.elapsed())
        } else {
            Err(format!("{response:?}"))
        }
    }
}

#[tokio::test]
#[ignore = "takes five minutes, and needs the network namespaces of `make test-freeze`"]
async fn the_first_request_after_a_freeze_of_minutes_succeeds_within_2_5_seconds() {
    let store = TestStore::new();
    let server = Process::start(gateway(&store));
    let token = register(&server.remote(), "test@example.com").await;
    let draft = json!({ "name": "one", "workspacePath": "/one" });
    let creating = server
        .remote()
        .post("/v5/sessions")
        .bearer(&token)
        .json(&draft)
        .send()
        .await;
    let session = creating.created()["id"].as_str().unwrap().to_owned();
    let login = json!({ "email": "test@example.com", "password": "password123" });

    let mut sandboxes = Vec::new();
    for network in [Network::Resets, Network::LosesResets] {
        for (name, method, path, body) in [
            ("health", Method::GET, "/v5/ready".to_owned(), None),
            ("sessions", Method::GET, format!("/v5/sessions/{session}"), None),
            ("sessions", Method::GET, "/v5/sessions".to_owned(), None),
            ("sessions", Method::POST, "/v5/sessions".to_owned(), Some(draft.clone())),
            ("auth", Method::POST, "/v5/auth/login".to_owned(), Some(login.clone())),
            ("audit", Method::GET, "/v5/audit".to_owned(), None),
            ("users", Method::GET, "/v5/users/me/usage".to_owned(), None),
            ("janitor", Method::POST, "a sweep".to_owned(), None),
        ] {
            let command = FunctionProcesses::command(name, &store, &[]).await;
            let sandbox = Sandbox {
                name,
                method,
                path,
                body,
                function: RuntimeApi::start(command).await,
            };
            sandbox.call(&token).await.unwrap();
            sandboxes.push((network, sandbox));
        }
    }

    for (_, sandbox) in &sandboxes {
        kill_process(sandbox.function.pid().await, Signal::STOP).unwrap();
    }
    drop_packets("--append");
    tokio::time::sleep(FREEZE).await;
    drop_packets("--delete");

    println!(
        "first request after a freeze of {} s, and the next one:",
        FREEZE.as_secs()
    );
    let mut failures = Vec::new();
    let mut network_now = Network::Resets;
    for (network, sandbox) in &sandboxes {
        if matches!((network_now, network), (Network::Resets, Network::LosesResets)) {
            println!("where the resets of closed connections are lost:");
            let resets = ["--protocol", "tcp", "--tcp-flags", "RST", "RST"];
            let input = ["--append", "INPUT", "--in-interface", "programs", "--jump", "DROP"];
            iptables(&[&input[..], &resets].concat());
            network_now = *network;
        }
        kill_process(sandbox.function.pid().await, Signal::CONT).unwrap();
        let first = sandbox.call(&token).await;
        let next = sandbox.call(&token).await;
        let Sandbox { name, method, path, .. } = sandbox;
        let [first_ms, next_ms] = [&first, &next].map(|time| time.as_ref().map(Duration::as_millis));
        println!(
            "  {name:<9} {:<5} {path:<50} {first_ms:?} ms, {next_ms:?} ms",
            method.as_str()
        );
        if !first.as_ref().is_ok_and(|time| *time <= LIMIT) || next.is_err() {
            failures.push(format!("{name} {method} {path}: {first:?}, then {next:?}"));
        }
    }
    assert!(failures.is_empty(), "failed, or longer than {LIMIT:?}: {failures:#?}");
}

/// Adds or removes the rules that lose all packets between the programs and the cluster, at their receivers.
fn drop_packets(action: &str) {
    iptables(&[action, "INPUT", "--in-interface", "programs", "--jump", "DROP"]);
    let rule = [
        "iptables",
        action,
        "INPUT",
        "--in-interface",
        "cluster",
        "--jump",
        "DROP",
    ];
    let mut command = Command::new("nsenter");
    command.args(["--net", "--target", &cluster_process()]).args(rule);
    assert!(command.status().unwrap().success(), "{command:?}");
}

fn iptables(arguments: &[&str]) {
    let mut command = Command::new("iptables");
    command.args(arguments);
    assert!(command.status().unwrap().success(), "{command:?}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the script that starts this test passes the namespaces in"
)]
fn cluster_process() -> String {
    std::env::var("FREEZE_CLUSTER_PID").expect("`make test-freeze` starts this test")
}
