//! `gateway check`: findings in a damaged store, and none under write load.

use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use axum::http::HeaderName;
use kv::{Db, Key, Order, Query, Range};
use serde_json::{Value, json};
use testkit::{Process, Target as _, TestStore};
use tokio::task::JoinSet;

use crate::process::{gateway, register};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

fn check(store: &TestStore) -> Output {
    gateway(store).args(["check", "--json"]).output().unwrap()
}

/// The result of a check that ends with this success.
#[track_caller]
fn report(store: &TestStore, succeeds: bool) -> Value {
    let output = check(store);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.success(),
        succeeds,
        "{error}{}",
        String::from_utf8_lossy(&output.stdout)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every entry of the store.
pub async fn entries(db: &Db) -> Vec<kv::Entry> {
    let all = &Query {
        range: Range::below(&Key::of(&())),
        order: Order::Ascending,
        limit: usize::MAX,
    };
    let entries = db.run(|txn| async move { txn.range(all).await }).await.unwrap().entries;
    entries
        .into_iter()
        .filter(|entry| !kv::is_commit_marker(&entry.key))
        .collect()
}

async fn set(db: &Db, key: &Key, value: Option<&[u8]>) {
    let set = db.run(|txn| async move {
        match value {
            Some(value) => txn.set(key, value),
            None => txn.clear(key),
        }
    });
    set.await.unwrap();
}

#[tokio::test]
async fn every_damaged_entry_is_a_finding() {
    let store = TestStore::new();
    let process = Process::start(gateway(&store));
    let remote = process.remote();
    let token = register(&remote, "test@example.com").await;
    let draft = json!({ "name": "Übung", "workspacePath": "/x" });
    for key in ["one", "two"] {
        let create = remote.post("/v5/sessions").bearer(&token).header(IDEMPOTENCY_KEY, key);
        create.json(&draft).send().await.created();
    }
    drop(process);
    let sound = report(&store, true);
    assert_eq!(sound["findings"], 0, "{sound}");
    assert_eq!(
        sound["entries"]["users"], 4,
        "user, email, login and membership: {sound}"
    );

    let db = store.open();
    let mut damaged = 0;
    for entry in entries(&db).await {
        let debug = format!("{:?}", entry.key);
        // The readiness check's key has no invariant. No record depends on the counters of attempts.
        if debug.starts_with("(\"ready\"") || debug.starts_with("(\"throttles\"") {
            continue;
        }
        // A login may be gone: its entry in the expiry index stays until it is due. A search does not need its texts.
        let may_be_gone = debug.contains("\"logins\"") || debug.contains("\"search\"");
        if !may_be_gone || debug.starts_with("(\"expiry\"") {
            set(&db, &entry.key, None).await;
            assert_ne!(report(&store, false)["findings"], 0, "{debug} is missing");
        }
        let other = if entry.value.is_empty() {
            None
        } else {
            Some(&b"junk"[..])
        };
        if let Some(junk) = other {
            set(&db, &entry.key, Some(junk)).await;
            let report = report(&store, false);
            assert_ne!(report["findings"], 0, "{debug} is damaged");
            assert!(!report.to_string().contains("argon2"), "{report}");
        }
        set(&db, &entry.key, Some(&entry.value)).await;
        damaged += 1;
    }
    assert!(damaged > 15, "{damaged}");
    let mut texts = entries(&db).await;
    texts.retain(|entry| String::from_utf8_lossy(&entry.value).contains(r#""name":"übung""#));
    assert_eq!(texts.len(), 2, "the texts for searches of both sessions");
    let other = String::from_utf8_lossy(&texts[0].value).replace("übung", "other");
    set(&db, &texts[0].key, Some(other.as_bytes())).await;
    assert_eq!(
        report(&store, false)["findings"],
        1,
        "it is another text than the session's"
    );
    set(&db, &texts[0].key, Some(&texts[0].value)).await;
    assert_eq!(report(&store, true)["findings"], 0);

    let foreign = &Key::of(&("unknown", "space", 1));
    set(&db, foreign, Some(b"")).await;
    let report = report(&store, false);
    assert_eq!(report["first"][0]["key"], format!("{foreign:?}"));
    let text = String::from_utf8(gateway(&store).arg("check").output().unwrap().stdout).unwrap();
    assert!(text.contains("1 findings"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_store_under_write_load_has_no_findings() {
    let store = TestStore::new();
    let mut command = gateway(&store);
    command.env("QUOTAS", "off");
    let process = Process::start(command);
    let (stop, created) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let mut clients = JoinSet::new();
    for client in 0..2 {
        let (remote, stop, created) = (process.remote(), stop.clone(), created.clone());
        let token = register(&remote, &format!("test-{client}@example.com")).await;
        clients.spawn(async move {
            let draft = json!({ "name": "a session", "workspacePath": "/x" });
            while !stop.load(Ordering::SeqCst) {
                let number = created.fetch_add(1, Ordering::SeqCst);
                let create = remote.post("/v5/sessions").bearer(&token);
                let create = create.header(IDEMPOTENCY_KEY, &number.to_string());
                let session = create.json(&draft).send().await.created();
                if number % 2 == 0 {
                    let id = session["id"].as_str().unwrap();
                    let delete = remote.delete(&format!("/v5/sessions/{id}")).bearer(&token);
                    delete.send().await.ok();
                }
            }
        });
    }
    let mut checks = 0;
    while checks < 5 || created.load(Ordering::SeqCst) < 30 {
        assert_eq!(report(&store, true)["findings"], 0);
        checks += 1;
    }
    stop.store(true, Ordering::SeqCst);
    clients.join_all().await;
    let settled = report(&store, true);
    assert_eq!(
        (&settled["findings"], &settled["unsettled"]),
        (&json!(0), &json!(0)),
        "{settled}"
    );
}
