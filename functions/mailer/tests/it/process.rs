//! The mailer as a program.

use std::net::TcpListener;
use std::process::{Command, Output};

use serde_json::{Value, json};
use testkit::{Process, RuntimeApi, TestApp, TestStore, waiting_emails};

use crate::add;

pub(crate) fn program(store: &TestStore) -> Command {
    let mut command: Command = Process::command(env!("CARGO_BIN_EXE_mailer"));
    command.env_remove("JWT_SECRET").envs(store.env());
    command
}

fn text(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[tokio::test]
async fn it_sends_once_and_prints_a_summary() {
    let store = TestStore::new();
    let app = TestApp::alongside_processes(api::Router::new(), store.open());
    add(&app.env, 3).await;
    let folder = tempfile::tempdir().unwrap();
    for sent in [3, 0] {
        let mail = format!("file:{}", folder.path().display());
        let output = program(&store).env("MAIL", mail).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(summary, json!({ "sent": sent, "postponed": 0, "dead": 0 }));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[tokio::test]
async fn a_server_that_is_not_there_postpones_the_emails() {
    let store = TestStore::new();
    let app = TestApp::alongside_processes(api::Router::new(), store.open());
    add(&app.env, 1).await;
    // A port on which nothing listens any more.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mail = format!("smtp://mailer:password@localhost:{}", free.port());
    let command = || {
        let mut command = program(&store);
        command.envs([
            ("MAIL", &*mail),
            ("MAIL_FROM", "a@example.com"),
            ("PUBLIC_URL", "https://example.com"),
        ]);
        command
    };
    let postponed = json!({ "sent": 0, "postponed": 1, "dead": 0 });
    let output = command().output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary, postponed);
    add(&app.env, 1).await;
    let function = RuntimeApi::start(command()).await;
    assert_eq!(function.invoke(&json!({})).await, Ok(postponed));
    let emails = waiting_emails(&app.env.db).await;
    let failure = emails[0]["failure"].as_str().unwrap();
    assert_eq!(failure.matches("refused").count(), 1, "{failure}");
}

#[test]
fn a_configuration_that_cannot_send_is_one_sentence_without_the_password() {
    let store = TestStore::new();
    let server = |url: &str| {
        let mut command = program(&store);
        command.envs([
            ("MAIL", url),
            ("MAIL_FROM", "a@example.com"),
            ("PUBLIC_URL", "https://example.com"),
        ]);
        command
    };
    let mut wrong_sender = server("smtps://a:hunter2@mail.example.com");
    wrong_sender.env("MAIL_FROM", "no address");
    let mut wrong_authority = server("smtps://a:hunter2@mail.example.com");
    wrong_authority.env("MAIL_CA_FILE", "/missing");
    for (mut command, expected) in [
        (program(&store), "nothing to do"),
        (server("outbox"), "nothing to do"),
        (
            server("smtp://a:hunter2@mail.example.com?tls=none"),
            "only for a server on this machine",
        ),
        (
            server("smtp://a:hunter2@mail.example.com?tls=opportunistic"),
            "MAIL must be",
        ),
        (server("smtp://"), "MAIL must be"),
        (wrong_sender, "MAIL_FROM must be a sender"),
        (wrong_authority, "MAIL_CA_FILE must be a PEM file"),
    ] {
        let output = command.output().unwrap();
        assert!(!output.status.success(), "{output:?}");
        let text = text(&output);
        assert_eq!(text.trim().lines().count(), 1, "one sentence: {text}");
        assert!(text.contains(expected) && !text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn an_invocation_without_emails_to_send_succeeds() {
    let store = TestStore::new();
    let function = RuntimeApi::start(program(&store)).await;
    assert_eq!(function.invoke(&json!({})).await, Ok(json!({})));
}
