//! The janitor as a program.

use std::process::{Command, Output};

use domain::Timestamp;
use kv::Key;
use serde_json::{Value, json};
use testkit::{Process, RuntimeApi, TestApp, TestStore, check_job_log_line};

use crate::open_logins;

fn run(store: &TestStore) -> Output {
    let mut command: Command = Process::command(env!("CARGO_BIN_EXE_janitor"));
    command.envs(store.env()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn without_a_runtime_api_it_sweeps_once_and_prints_a_summary() {
    let store = TestStore::new();
    let app = TestApp::on(api::Router::new(), store.open());
    open_logins(&app.env, 3, Timestamp::from_millis(0)).await;
    for expired in [3, 0] {
        let output = run(&store);
        assert!(output.status.success(), "{output:?}");
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(summary, json!({ "expired": expired, "auditEvents": 0, "markers": 0 }));
        let lines: Vec<_> = text(&output.stderr).lines().collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line: Value = serde_json::from_str(lines[0]).unwrap();
        assert_eq!((&line["level"], &line["job"]), (&json!("INFO"), &json!("janitor")));
        assert_eq!(line["summary"], summary);
        assert_eq!(check_job_log_line(&line, None), Ok(()));
    }
}

#[tokio::test]
async fn a_failed_sweep_fails_the_program_and_logs_the_cause_once() {
    let store = TestStore::new();
    let junk = &Key::of(&("expiry", 0, "marked-junk"));
    let db = store.open();
    db.run(|txn| async move { txn.set(junk, []) }).await.unwrap();
    let output = run(&store);
    assert!(!output.status.success());
    assert_eq!(text(&output.stdout), "");
    let lines: Vec<_> = text(&output.stderr).lines().collect();
    let line: Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!((&line["level"], &line["job"]), (&json!("ERROR"), &json!("janitor")));
    let cause = line["cause"].as_str().unwrap();
    assert_eq!(lines[1..], ["error: janitor failed; the line before says why"]);
    assert!(!lines[1].contains(cause), "{lines:?}");
}

#[tokio::test]
async fn an_invocation_sweeps_for_any_event() {
    let store = TestStore::new();
    let app = TestApp::on(api::Router::new(), store.open());
    let mut command = Process::command(env!("CARGO_BIN_EXE_janitor"));
    command.env_remove("JWT_SECRET").envs(store.env());
    let function = RuntimeApi::start(command).await;
    let scheduled = serde_json::from_str(include_str!("../../../../infra/events/scheduler.json")).unwrap();
    for event in [scheduled, json!({}), Value::Null] {
        open_logins(&app.env, 3, Timestamp::from_millis(0)).await;
        for expired in [3, 0] {
            assert_eq!(
                function.invoke(&event).await,
                Ok(json!({ "expired": expired, "auditEvents": 0, "markers": 0 }))
            );
        }
    }
}
