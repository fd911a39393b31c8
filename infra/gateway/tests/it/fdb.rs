//! The gateway process on a real cluster: errors without a usable cluster, and behaviour after a freeze.

use std::collections::HashSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use serde_json::json;
use testkit::{Code, Process, Target as _, TestStore};
use tokio::task::JoinSet;

use crate::process::{gateway, listed, startup_error};

fn with_cluster_file(store: &TestStore, file: &str) -> Command {
    let mut command = gateway(store);
    command.env("FDB_CLUSTER_FILE", file);
    command
}

#[test]
fn an_unusable_cluster_file_is_named_with_its_variable() {
    let store = TestStore::new();
    let wrong = store.folder().join("wrong");
    std::fs::write(&wrong, "not a cluster").unwrap();
    for file in [
        "/nonexistent/fdb.cluster",
        store.folder().to_str().unwrap(),
        wrong.to_str().unwrap(),
    ] {
        let text = startup_error(with_cluster_file(&store, file));
        assert!(text.contains("FDB_CLUSTER_FILE") && text.contains(file), "{text}");
    }
    let mut command = gateway(&store);
    command
        .env_remove("FDB_CLUSTER_FILE")
        .env("FDB_CLUSTER", "not a cluster");
    let text = startup_error(command);
    assert!(text.contains("FDB_CLUSTER"), "{text}");
}

#[tokio::test]
async fn ready_returns_503_if_the_coordinators_do_not_respond() {
    let store = TestStore::new();
    // Accepts connections and never responds.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let file = store.folder().join("silent");
    std::fs::write(&file, format!("a:b@{}", silent.local_addr().unwrap())).unwrap();
    let process = Process::start(with_cluster_file(&store, file.to_str().unwrap()));
    process.remote().get("/v5/health").send().await.ok();
    let response = process.remote().get("/v5/ready").send().await;
    assert_eq!(response.header("retry-after"), Some("1"));
    response.assert_problem(503, Code::StoreUnavailable);
    process.terminate();
    let (status, _) = process.wait();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn the_contents_of_a_cluster_file_can_be_set_directly() {
    let store = TestStore::new();
    let env = store.env();
    let (_, file) = env.iter().find(|(name, _)| *name == "FDB_CLUSTER_FILE").unwrap();
    let mut command = gateway(&store);
    command
        .env_remove("FDB_CLUSTER_FILE")
        .env("FDB_CLUSTER", std::fs::read_to_string(file).unwrap())
        .env("TMPDIR", store.folder());
    let process = Process::start(command);
    process.remote().get("/v5/ready").send().await.ok();
}

/// Lambda freezes a sandbox between two invocations.
#[tokio::test]
async fn the_first_request_after_a_freeze_beyond_the_transaction_limit_succeeds() {
    let store = TestStore::new();
    let (frozen, other) = (Process::start(gateway(&store)), Process::start(gateway(&store)));
    let account = json!({ "email": "test@example.com", "password": "password123" });
    let data = frozen
        .remote()
        .post("/v5/auth/register")
        .json(&account)
        .send()
        .await
        .created();
    let token = data["token"].as_str().unwrap();
    frozen.remote().get("/v5/sessions").bearer(token).send().await.ok();

    kill_process(frozen.pid(), Signal::STOP).unwrap();
    let draft = json!({ "name": "made meanwhile", "workspacePath": "/x" });
    let created = other
        .remote()
        .post("/v5/sessions")
        .bearer(token)
        .json(&draft)
        .send()
        .await
        .created();
    tokio::time::sleep(Duration::from_secs(7)).await;
    kill_process(frozen.pid(), Signal::CONT).unwrap();

    let listed = frozen.remote().get("/v5/sessions").bearer(token).send().await.ok();
    assert_eq!(listed["sessions"], json!([created]));
    frozen
        .remote()
        .post("/v5/sessions")
        .bearer(token)
        .json(&draft)
        .send()
        .await
        .created();
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_acknowledged_around_a_freeze_are_not_lost() {
    let store = TestStore::new();
    let process = Process::start(gateway(&store));
    let account = json!({ "email": "test@example.com", "password": "password123" });
    let data = process
        .remote()
        .post("/v5/auth/register")
        .json(&account)
        .send()
        .await
        .created();
    let token = data["token"].as_str().unwrap().to_owned();

    let thawed = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for client in 0..8 {
        let (remote, token, thawed) = (process.remote(), token.clone(), thawed.clone());
        clients.spawn(async move {
            let draft = json!({ "name": format!("client {client}"), "workspacePath": "/x" });
            let mut created = Vec::new();
            loop {
                let last = thawed.load(Ordering::SeqCst);
                let response = remote.post("/v5/sessions").bearer(&token).json(&draft).send().await;
                if response.status == 201 {
                    created.push(response.created()["id"].as_str().unwrap().to_owned());
                } else {
                    response.assert_problem(503, Code::StoreUnavailable);
                }
                if last {
                    return created;
                }
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    kill_process(process.pid(), Signal::STOP).unwrap();
    tokio::time::sleep(Duration::from_secs(7)).await;
    kill_process(process.pid(), Signal::CONT).unwrap();
    thawed.store(true, Ordering::SeqCst);

    let created = clients.join_all().await.concat();
    assert!(created.len() > 8, "too few sessions were created to test anything");
    let listed: HashSet<String> = listed(&process.remote(), &token).await.into_iter().collect();
    let lost: Vec<_> = created.iter().filter(|id| !listed.contains(*id)).collect();
    assert!(lost.is_empty(), "{lost:?} were acknowledged and are missing");
}
