//! The sweep of expired keys: in the gateway process while it serves, and as a function under `cargo lambda watch`.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use domain::expiry::{self, ExpiryChange};
use domain::id::Id as _;
use domain::{LoginId, Timestamp, UserId, logins};
use kv::{Db, Key};
use serde_json::{Value, json};
use testkit::{LambdaWatch, Process, Remote, Target as _, TestStore};
use tokio::time::{sleep, timeout};

use crate::process::gateway;

const LIMIT: Duration = Duration::from_secs(30);

/// A key that expired long ago.
fn expired(number: u8) -> Key {
    let id = domain::SessionId::from_slice(&[number; 16]).unwrap().uuid();
    logins::keys::login(UserId::from_uuid(id), LoginId::from_uuid(id))
}

async fn put_expired(db: &Db, number: u8) {
    put_keys(db, &[expired(number)]).await;
}

pub async fn put_keys(db: &Db, keys: &[Key]) {
    let change = ExpiryChange {
        from: None,
        to: Timestamp::from_millis(0),
    };
    let put = db.run(|txn| async move {
        keys.iter().try_for_each(|key| {
            txn.set(key, [])?;
            expiry::update(&txn, key, change)
        })
    });
    put.await.unwrap();
}

async fn exists(db: &Db, key: &Key) -> bool {
    db.run(|txn| async move { txn.get(key).await }).await.unwrap().is_some()
}

async fn wait_until_removed(db: &Db, key: &Key) {
    let gone = async {
        while exists(db, key).await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, gone).await.expect("the sweep removes an expired key");
}

/// An index entry that no version writes: the sweep fails on it, after it has removed everything else.
fn junk() -> Key {
    Key::of(&("expiry", 0, "marked-junk"))
}

#[tokio::test]
async fn a_gateway_sweeps_at_start_and_then_periodically() {
    let store = TestStore::new();
    let db = store.open();
    put_expired(&db, 1).await;
    let mut command = gateway(&store);
    command.env("SWEEP_SECONDS", "1");
    let process = Process::start(command);
    for number in 1..=3 {
        wait_until_removed(&db, &expired(number)).await;
        put_expired(&db, number + 1).await;
    }
    process.terminate();
    let (status, _) = process.wait();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_failed_sweep_is_logged_and_retried_while_requests_are_served() {
    let store = TestStore::new();
    let db = store.open();
    let junk = &junk();
    db.run(|txn| async move { txn.set(junk, []) }).await.unwrap();
    put_expired(&db, 1).await;
    let mut command = gateway(&store);
    command.env("SWEEP_SECONDS", "1");
    let process = Process::start(command);
    loop {
        let line = process.log_line().expect("the failed sweep is logged");
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["job"] == "janitor" {
            assert_eq!(line["level"], "ERROR");
            assert!(line["cause"].is_string(), "{line}");
            break;
        }
    }
    process.remote().get("/v5/ready").send().await.ok();
    assert!(
        exists(&db, junk).await,
        "an unreadable entry is kept for an operator to inspect"
    );
    // Sweeps that fail still remove each of these.
    for number in 1..=3 {
        wait_until_removed(&db, &expired(number)).await;
        put_expired(&db, number + 1).await;
    }
}

#[tokio::test]
async fn sweep_seconds_0_disables_the_sweep() {
    let store = TestStore::new();
    let db = store.open();
    put_expired(&db, 1).await;
    let mut command = gateway(&store);
    command.env("SWEEP_SECONDS", "0");
    let process = Process::start(command);
    let remote = process.remote();
    // Hashing takes longer than a sweep that starts with the process.
    for number in 0..3 {
        let account = json!({ "email": format!("test-{number}@example.com"), "password": "password123" });
        remote.post("/v5/auth/register").json(&account).send().await.created();
    }
    assert!(exists(&db, &expired(1)).await);
}

#[tokio::test]
async fn sigterm_interrupts_a_sweep() {
    let store = TestStore::new();
    let db = store.open();
    let key = |number: u32| expired(0).child(&(number,));
    let keys: Vec<_> = (0..10_000).map(key).collect();
    for some in keys.chunks(1000) {
        put_keys(&db, some).await;
    }
    let process = Process::start(gateway(&store));
    process.terminate();
    let (status, lines) = process.wait();
    assert!(status.success(), "{status}");
    assert!(lines.iter().all(|line| !line.contains("janitor")), "{lines:?}");
    let left = expiry::SHARDS - 1;
    let due = db.run(|txn| async move { expiry::due(&txn, left, Timestamp::from_millis(0), None, 1).await });
    assert_eq!(
        due.await.unwrap().len(),
        1,
        "the sweep finished before it was interrupted"
    );
}

async fn invoke(remote: &Remote, event: &str) -> (u16, Value) {
    let request = Request::post("/2015-03-31/functions/janitor/invocations").body(Body::from(event.to_owned()));
    let response = remote.exchange(request.unwrap()).await;
    let body = serde_json::from_slice(response.body());
    (
        response.status().as_u16(),
        body.unwrap_or_else(|_| panic!("{response:?}")),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_janitor_returns_its_counts_for_any_event_and_fails_the_invocation_on_error() {
    let store = TestStore::new();
    let db = store.open();
    let mut env = store.env();
    env.push(("JWT_SECRET", "a secret that only these tests sign with".to_owned()));
    env.push(("LOG_FORMAT", "json".to_owned()));
    let watch = LambdaWatch::start(&env, 1).await;
    let remote = watch.remote();

    let scheduled = json!({ "source": "aws.events", "detail-type": "Scheduled Event", "detail": {} }).to_string();
    for (expired, event) in [(2, "{}"), (1, &*scheduled), (0, "null"), (0, "[1, \"two\"]")] {
        for number in 0..expired {
            put_expired(&db, number).await;
        }
        let (status, summary) = invoke(&remote, event).await;
        assert_eq!(
            (status, summary),
            (200, json!({ "expired": expired, "auditEvents": 0, "markers": 0 })),
            "{event}"
        );
    }

    let junk = &junk();
    db.run(|txn| async move { txn.set(junk, []) }).await.unwrap();
    let (status, problem) = invoke(&remote, "{}").await;
    assert!(status >= 400, "{status}");
    assert_eq!(problem["errorType"], "JobFailed");
    db.run(|txn| async move { txn.clear(junk) }).await.unwrap();
    assert_eq!(invoke(&remote, "{}").await.0, 200, "the next invocation succeeds");

    let output = watch.output();
    let lines = output.lines().filter(|line| line.contains(r#""job":"janitor""#));
    let (failed, done): (Vec<_>, Vec<_>) = lines.partition(|line| line.contains(r#""cause""#));
    assert_eq!((failed.len(), done.len()), (1, 5), "{output}");
    let failed: Value = serde_json::from_str(failed[0]).unwrap();
    assert!(failed["request_id"].is_string(), "{failed}");
    // In its JSON form.
    let cause = failed["cause"].to_string();
    let cause = cause.trim_matches('"');
    assert_eq!(output.matches(cause).count(), 1, "{cause} is logged once:\n{output}");
    assert!(!problem.to_string().contains(cause), "{problem}");
}
