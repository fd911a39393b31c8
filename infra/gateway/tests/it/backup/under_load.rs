//! A backup while accounts write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use kv::DATA_FILE;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use testkit::{Process, Remote, Target as _, TestStore};

use super::{MANIFEST, OtherStore, PARTIAL, command, fill, names, start_copy, store_folder, succeed};
use crate::process::{gateway, register};

const ACCOUNTS: usize = 2;
const WRITERS: usize = 3;

/// Creates sessions for its accounts in turn, one after the other. So a state that is consistent has the first ones.
struct Writer {
    emails: Vec<String>,
    tokens: Vec<String>,
    /// The number of acknowledged sessions.
    acknowledged: AtomicUsize,
}

impl Writer {
    async fn register(remote: &Remote, number: usize) -> Arc<Self> {
        let emails: Vec<_> = (0..ACCOUNTS)
            .map(|account| format!("{number}-{account}@example.com"))
            .collect();
        let mut tokens = Vec::new();
        for email in &emails {
            tokens.push(register(remote, email).await);
        }
        Arc::new(Self {
            emails,
            tokens,
            acknowledged: AtomicUsize::new(0),
        })
    }

    async fn write(&self, remote: Remote, stop: &AtomicBool) {
        while !stop.load(SeqCst) {
            let number = self.acknowledged.load(SeqCst);
            let draft = json!({ "name": number.to_string(), "workspacePath": "/one" });
            let token = &self.tokens[number % ACCOUNTS];
            remote
                .post("/v5/sessions")
                .bearer(token)
                .json(&draft)
                .send()
                .await
                .created();
            self.acknowledged.store(number + 1, SeqCst);
        }
    }

    /// The number of sessions in a restored store; panics if they are not the first ones. Adds their events.
    async fn restored(&self, remote: &Remote, events: &mut BTreeSet<String>) -> usize {
        let mut numbers = Vec::new();
        for (account, email) in self.emails.iter().enumerate() {
            let credentials = json!({ "email": email, "password": "password123" });
            let login = remote.post("/v5/auth/login").json(&credentials).send().await.ok();
            let token = login["token"].as_str().unwrap();
            let listed = listed(remote, token).await;
            let audited = created(remote, token).await;
            let sessions: BTreeSet<_> = audited.values().collect();
            assert_eq!(sessions, listed.keys().collect(), "each session has its event");
            events.extend(audited.into_keys());
            assert!(listed.values().all(|number| number % ACCOUNTS == account));
            numbers.extend(listed.into_values());
        }
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(0..numbers.len()), "{numbers:?}");
        numbers.len()
    }
}

/// The ids of an account's sessions, and their numbers.
async fn listed(remote: &Remote, token: &str) -> BTreeMap<String, usize> {
    let mut sessions = BTreeMap::new();
    for session in items(remote, token, "sessions", "sessions").await {
        let text = |member: &str| session[member].as_str().unwrap();
        sessions.insert(text("id").to_owned(), text("name").parse().unwrap());
    }
    sessions
}

/// The events of all sessions that an account has created, by their ids, which are in commit order.
async fn created(remote: &Remote, token: &str) -> BTreeMap<String, String> {
    let mut events = BTreeMap::new();
    for event in items(remote, token, "audit", "events").await {
        let text = |member: &str| event[member].as_str().unwrap().to_owned();
        if event["type"] == "session.created" {
            events.insert(text("id"), text("sessionId"));
        }
    }
    events
}

/// The items of all pages.
async fn items(remote: &Remote, token: &str, path: &str, member: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v5/{path}?limit=100{cursor}");
        let page = remote.get(&path).bearer(token).send().await.ok();
        let page_items = page[member].as_array().unwrap();
        items.extend(page_items.iter().cloned());
        match page["nextCursor"].as_str() {
            // The audit log always has a cursor, for the events to come.
            Some(next) if !page_items.is_empty() => cursor = format!("&cursor={next}"),
            _ => return items,
        }
    }
}

fn total(writers: &[Arc<Writer>]) -> usize {
    writers.iter().map(|writer| writer.acknowledged.load(SeqCst)).sum()
}

/// Waits until the writers have created `more` sessions.
async fn wait_for_writes(writers: &[Arc<Writer>], more: usize) {
    let end = total(writers) + more;
    let waiting = async {
        while total(writers) < end {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), waiting)
        .await
        .expect("the gateway serves the writers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_has_every_earlier_write_and_a_prefix_of_the_later_ones() {
    let store = TestStore::lmdb();
    fill(&store).await;
    let mut serve = gateway(&store);
    serve.env("QUOTAS", "off").env("THROTTLE", "off");
    let process = Process::start(serve);
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        writers.push(Writer::register(&process.remote(), number).await);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let tasks = writers.iter().cloned().map(|writer| {
        let (remote, stop) = (process.remote(), stop.clone());
        tokio::spawn(async move { writer.write(remote, &stop).await })
    });
    let tasks: Vec<_> = tasks.collect();
    wait_for_writes(&writers, 30).await;

    let folder = store.folder().join("backup");
    let counts = || {
        writers
            .iter()
            .map(|writer| writer.acknowledged.load(SeqCst))
            .collect::<Vec<_>>()
    };
    let before = counts();
    let mut child = start_copy(command(&store, "backup", &folder), &folder.join(PARTIAL));
    // The copy began, so its snapshot is fixed. It is paused, so that the writes certainly fall into it.
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::STOP).unwrap();
    assert!(
        !folder.join(DATA_FILE).exists(),
        "the copy was complete before it was stopped"
    );
    let during = counts();
    let len = || store_folder(&store).join(DATA_FILE).metadata().unwrap().len();
    let len_before = len();
    wait_for_writes(&writers, 100).await;
    println!(
        "100 sessions during the copy added {} bytes to the store's file",
        len() - len_before
    );
    kill_process(pid, Signal::CONT).unwrap();
    assert!(child.wait().unwrap().success());
    wait_for_writes(&writers, 10).await;
    stop.store(true, SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(names(&folder), [MANIFEST, DATA_FILE]);

    let other = OtherStore::of(&store);
    let restored = succeed(other.on(command(&store, "restore", &folder)));
    assert_eq!(restored["format"], 1);
    assert_eq!(restored["bytes"], folder.join(DATA_FILE).metadata().unwrap().len());
    let mut all = BTreeSet::new();
    for token in writers.iter().flat_map(|writer| &writer.tokens) {
        all.extend(created(&process.remote(), token).await.into_keys());
    }
    let mut serve = other.on(gateway(&store));
    serve.env("QUOTAS", "off").env("THROTTLE", "off");
    let process = Process::start(serve);
    let mut events = BTreeSet::new();
    for ((writer, before), during) in writers.iter().zip(before).zip(during) {
        let restored = writer.restored(&process.remote(), &mut events).await;
        // A write that was committed and not acknowledged yet may be there, too.
        assert!(
            before <= restored && restored <= during + 1,
            "{before} {restored} {during}"
        );
    }
    // All accounts' commits together: those up to one of them, and none after it.
    let last = events.last().unwrap();
    assert!(all.iter().take_while(|event| *event <= last).eq(&events));
    assert!(events.len() + 100 <= all.len());
    // The restored store continues, and so does the one that was backed up.
    register(&process.remote(), "later@example.com").await;
}
