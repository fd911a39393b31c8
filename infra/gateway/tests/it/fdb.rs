//! The gateway's process on a real cluster: what it says when there is none, and what it does after it was frozen.

use std::collections::HashSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use serde_json::json;
use testkit::{Code, Process, Target as _, TestStore};
use tokio::task::JoinSet;

use crate::process::{gateway, listed, refusal};

fn with_cluster_file(store: &TestStore, file: &str) -> Command {
    let mut command = gateway(store);
    command.env("FDB_CLUSTER_FILE", file);
    command
}

#[test]
fn a_cluster_file_that_can_not_be_used_is_named_with_its_variable() {
    let store = TestStore::new();
    let wrong = store.folder().join("wrong");
    std::fs::write(&wrong, "not a cluster").unwrap();
    for file in [
        "/nonexistent/fdb.cluster",
        store.folder().to_str().unwrap(),
        wrong.to_str().unwrap(),
    ] {
        let text = refusal(with_cluster_file(&store, file));
        assert!(text.contains("FDB_CLUSTER_FILE") && text.contains(file), "{text}");
    }
    let mut command = gateway(&store);
    command
        .env_remove("FDB_CLUSTER_FILE")
        .env("FDB_CLUSTER", "not a cluster");
    let text = refusal(command);
    assert!(text.contains("FDB_CLUSTER"), "{text}");
}

#[tokio::test]
async fn coordinators_that_do_not_answer_are_a_503_on_ready() {
    let store = TestStore::new();
    // Somebody listens there, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let file = store.folder().join("silent");
    std::fs::write(&file, format!("a:b@{}", silent.local_addr().unwrap())).unwrap();
    let process = Process::start(with_cluster_file(&store, file.to_str().unwrap()));
    process.remote().get("/v5/health").send().await.ok();
    let answer = process.remote().get("/v5/ready").send().await;
    assert_eq!(answer.header("retry-after"), Some("1"));
    answer.assert_problem(503, Code::StoreUnavailable);
    process.terminate();
    let (status, _) = process.wait();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_cluster_can_be_given_as_a_files_content() {
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

/// What Lambda does to a sandbox between two calls.
#[tokio::test]
async fn a_process_that_was_frozen_for_longer_than_a_transaction_lives_answers_its_first_call_right() {
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
    let made = other
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
    assert_eq!(listed["sessions"], json!([made]));
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
async fn what_was_in_flight_when_a_process_was_frozen_is_there_if_it_was_acknowledged() {
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
            let draft = json!({ "name": format!("of client {client}"), "workspacePath": "/x" });
            let mut made = Vec::new();
            loop {
                let last = thawed.load(Ordering::SeqCst);
                let answer = remote.post("/v5/sessions").bearer(&token).json(&draft).send().await;
                if answer.status == 201 {
                    made.push(answer.created()["id"].as_str().unwrap().to_owned());
                } else {
                    answer.assert_problem(503, Code::StoreUnavailable);
                }
                if last {
                    return made;
                }
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    kill_process(process.pid(), Signal::STOP).unwrap();
    tokio::time::sleep(Duration::from_secs(7)).await;
    kill_process(process.pid(), Signal::CONT).unwrap();
    thawed.store(true, Ordering::SeqCst);

    let made = clients.join_all().await.concat();
    assert!(made.len() > 8, "the load was none");
    let listed: HashSet<String> = listed(&process.remote(), &token).await.into_iter().collect();
    let lost: Vec<_> = made.iter().filter(|id| !listed.contains(*id)).collect();
    assert!(lost.is_empty(), "{lost:?} were acknowledged and are not there");
}
