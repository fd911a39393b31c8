//! Dumps that are imported again, on the same and on another engine.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Process, Remote, Target as _, TestStore};
use tokio::time::{sleep, timeout};

use super::{LIMIT, command, content, export, succeed, text};
use crate::process::{gateway, listed, register};

/// The audit log from a cursor on: its events without their ids, and the last cursor.
async fn log(remote: &Remote, token: &str, mut cursor: Option<String>) -> (Vec<Value>, String) {
    let mut events = Vec::new();
    loop {
        let from = cursor
            .as_ref()
            .map_or(String::new(), |cursor| format!("&cursor={cursor}"));
        let page = remote
            .get(&format!("/v5/audit?limit=100{from}"))
            .bearer(token)
            .send()
            .await
            .ok();
        let page_events = page["events"].as_array().unwrap().clone();
        cursor = page["nextCursor"].as_str().map(str::to_owned);
        if page_events.is_empty() {
            return (events, cursor.unwrap());
        }
        for mut event in page_events {
            event.as_object_mut().unwrap().remove("id");
            events.push(event);
        }
    }
}

async fn log_in(remote: &Remote, email: &str) -> String {
    let login = json!({ "email": email, "password": "password123" });
    let login = remote.post("/v5/auth/login").json(&login).send().await.ok();
    login["token"].as_str().unwrap().to_owned()
}

/// Accounts, logins, sessions and events.
async fn fill(store: &TestStore) -> Vec<String> {
    let process = Process::start(gateway(store));
    let remote = process.remote();
    let token = register(&remote, "test@example.com").await;
    register(&remote, "other@example.com").await;
    let draft = json!({ "name": "a session", "workspacePath": "/x" });
    for _ in 0..15 {
        remote
            .post("/v5/sessions")
            .bearer(&token)
            .json(&draft)
            .send()
            .await
            .created();
    }
    listed(&remote, &token).await
}

/// Exports `from`, imports into `to`, and compares what the API returns.
async fn round_trip(from: &TestStore, to: &TestStore, sessions: &[String]) {
    let process = Process::start(gateway(from));
    let old_token = log_in(&process.remote(), "test@example.com").await;
    let (old_log, old_cursor) = log(&process.remote(), &old_token, None).await;
    drop(process);
    let file = export(from);
    let output = succeed(command(to, "import", &file));
    assert!(text(&output.stdout).contains("entries"), "{output:?}");
    assert_eq!(content(from).await, content(to).await);
    succeed({
        let mut check = gateway(to);
        check.arg("check");
        check
    });

    let process = Process::start(gateway(to));
    let remote = process.remote();
    remote.get("/v5/ready").send().await.ok();
    assert_eq!(listed(&remote, &old_token).await, sessions, "the old token is valid");
    let rejected = remote
        .get(&format!("/v5/audit?cursor={old_cursor}"))
        .bearer(&old_token)
        .send()
        .await;
    rejected.assert_invalid(&["/cursor"]);
    let (imported, cursor) = log(&remote, &old_token, None).await;
    assert_eq!(imported, old_log);

    let token = log_in(&remote, "test@example.com").await;
    let (later, _) = log(&remote, &token, Some(cursor)).await;
    assert_eq!(later.len(), 1, "new events follow after all others: {later:?}");
    let (all, _) = log(&remote, &token, None).await;
    assert_eq!(all[..old_log.len()], old_log);
    assert_eq!(all[old_log.len()..], later);
}

#[tokio::test]
async fn a_store_returns_from_a_dump_with_another_root_and_engine() {
    let (first, second, third) = (TestStore::lmdb(), TestStore::new(), TestStore::lmdb());
    let sessions = fill(&first).await;
    // With the feature `fdb`, the second store is on a cluster.
    round_trip(&first, &second, &sessions).await;
    round_trip(&second, &third, &sessions).await;
}

/// Creates sessions, one after the other, until `stop`. Counts the acknowledged ones.
async fn write(remote: Remote, token: String, acknowledged: Arc<AtomicUsize>, stop: Arc<AtomicBool>) {
    let draft = json!({ "name": "a session", "workspacePath": format!("/{}", "x".repeat(1000)) });
    while !stop.load(SeqCst) {
        let create = remote.post("/v5/sessions").bearer(&token).json(&draft);
        create.send().await.created();
        acknowledged.fetch_add(1, SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_under_write_load_is_of_one_moment() {
    let (from, to) = (TestStore::lmdb(), TestStore::lmdb());
    let mut server = gateway(&from);
    server.env("QUOTAS", "off");
    let process = Process::start(server);
    let token = register(&process.remote(), "test@example.com").await;
    let (acknowledged, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let mut writer = tokio::spawn(write(
        process.remote(),
        token.clone(),
        acknowledged.clone(),
        stop.clone(),
    ));
    // Fails if the writer ends, and with it the load.
    let mut written = async |more: usize| {
        let end = acknowledged.load(SeqCst) + more;
        let growth = async {
            while acknowledged.load(SeqCst) < end {
                sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            ended = &mut writer => panic!("the writer has ended: {ended:?}"),
            growth = timeout(LIMIT, growth) => growth.expect("the gateway serves the writer"),
        }
    };

    // More than the pipe of the export holds, so that the export cannot end before it is read.
    written(100).await;
    let before = acknowledged.load(SeqCst);
    let mut export = command(&from, "export", Path::new("-")).spawn().unwrap();
    let mut output = export.stdout.take().unwrap();
    let mut dump = vec![0];
    output.read_exact(&mut dump).unwrap();
    // Its first page was read, so its moment is over.
    let during = acknowledged.load(SeqCst);
    written(50).await;
    assert!(export.try_wait().unwrap().is_none(), "the writes fall into the export");
    output.read_to_end(&mut dump).unwrap();
    assert!(export.wait().unwrap().success());
    written(1).await;
    stop.store(true, SeqCst);
    writer.await.unwrap();

    let file = to.folder().join("dump");
    fs::write(&file, dump).unwrap();
    succeed(command(&to, "import", &file));
    let mut check = gateway(&to);
    check.arg("check");
    succeed(check);
    let all = listed(&process.remote(), &token).await;
    let imported = Process::start(gateway(&to));
    let exported = listed(&imported.remote(), &token).await;
    // Newest first. A session that was committed and not acknowledged yet may be there, too.
    assert!(all.ends_with(&exported), "the first sessions without a gap");
    let count = exported.len();
    assert!(before <= count && count <= during + 1, "{before} {count} {during}");
}
