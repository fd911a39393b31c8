//! Sweeping beside serving: in the gateway's own process, and as a function under `cargo lambda watch`.

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

/// A key whose lifetime has ended long ago.
fn outlived(number: u8) -> Key {
    let id = domain::SessionId::from_slice(&[number; 16]).unwrap().uuid();
    logins::keys::login(UserId::from_uuid(id), LoginId::from_uuid(id))
}

async fn put_outlived(db: &Db, number: u8) {
    put_keys(db, &[outlived(number)]).await;
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

async fn is_there(db: &Db, key: &Key) -> bool {
    db.run(|txn| async move { txn.get(key).await }).await.unwrap().is_some()
}

async fn until_it_is_gone(db: &Db, key: &Key) {
    let gone = async {
        while is_there(db, key).await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, gone).await.expect("what has outlived its time goes");
}

/// An entry that no version has ever written: a sweep fails at it, when it has done everything else.
fn junk() -> Key {
    Key::of(&("expiry", 0, "marked-junk"))
}

#[tokio::test]
async fn a_gateway_sweeps_when_it_starts_and_again_and_again() {
    let store = TestStore::new();
    let db = store.open();
    put_outlived(&db, 1).await;
    let mut command = gateway(&store);
    command.env("SWEEP_SECONDS", "1");
    let process = Process::start(command);
    for number in 1..=3 {
        until_it_is_gone(&db, &outlived(number)).await;
        put_outlived(&db, number + 1).await;
    }
    process.terminate();
    let (status, _) = process.wait();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_sweep_that_fails_comes_again_and_keeps_nobody_from_being_served() {
    let store = TestStore::new();
    let db = store.open();
    let junk = &junk();
    db.run(|txn| async move { txn.set(junk, []) }).await.unwrap();
    put_outlived(&db, 1).await;
    let mut command = gateway(&store);
    command.env("SWEEP_SECONDS", "1");
    let process = Process::start(command);
    loop {
        let line = process.log_line().expect("it says that a sweep has failed");
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["job"] == "janitor" {
            assert_eq!(line["level"], "ERROR");
            assert!(line["cause"].is_string(), "{line}");
            break;
        }
    }
    process.remote().get("/v5/ready").send().await.ok();
    assert!(
        is_there(&db, junk).await,
        "what nobody understands is left for somebody to look at"
    );
    // Each of these is removed by a sweep that fails.
    for number in 1..=3 {
        until_it_is_gone(&db, &outlived(number)).await;
        put_outlived(&db, number + 1).await;
    }
}

#[tokio::test]
async fn a_gateway_that_is_told_not_to_sweep_does_not() {
    let store = TestStore::new();
    let db = store.open();
    put_outlived(&db, 1).await;
    let mut command = gateway(&store);
    command.env("SWEEP_SECONDS", "0");
    let process = Process::start(command);
    let remote = process.remote();
    // Hashing takes longer than a sweep that comes right after the start.
    for number in 0..3 {
        let account = json!({ "email": format!("test-{number}@example.com"), "password": "password123" });
        remote.post("/v5/auth/register").json(&account).send().await.created();
    }
    assert!(is_there(&db, &outlived(1)).await);
}

#[tokio::test]
async fn a_gateway_that_is_told_to_stop_does_not_finish_its_sweep() {
    let store = TestStore::new();
    let db = store.open();
    let key = |number: u32| outlived(0).child(&(number,));
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
    assert_eq!(due.await.unwrap().len(), 1, "it was through before it stopped");
}

async fn invoke(remote: &Remote, event: &str) -> (u16, Value) {
    let request = Request::post("/2015-03-31/functions/janitor/invocations").body(Body::from(event.to_owned()));
    let answer = remote.exchange(request.unwrap()).await;
    let body = serde_json::from_slice(answer.body());
    (answer.status().as_u16(), body.unwrap_or_else(|_| panic!("{answer:?}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_janitor_answers_any_event_with_what_it_has_swept_and_a_failure_is_the_invocations() {
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
            put_outlived(&db, number).await;
        }
        let (status, summary) = invoke(&remote, event).await;
        assert_eq!(
            (status, summary),
            (200, json!({ "expired": expired, "markers": 0 })),
            "{event}"
        );
    }

    let junk = &junk();
    db.run(|txn| async move { txn.set(junk, []) }).await.unwrap();
    let (status, problem) = invoke(&remote, "{}").await;
    assert!(status >= 400, "{status}");
    assert_eq!(problem["errorType"], "JobFailed");
    db.run(|txn| async move { txn.clear(junk) }).await.unwrap();
    assert_eq!(
        invoke(&remote, "{}").await.0,
        200,
        "the next invocation is not impressed"
    );

    let output = watch.output();
    let lines = output.lines().filter(|line| line.contains(r#""job":"janitor""#));
    let (failed, done): (Vec<_>, Vec<_>) = lines.partition(|line| line.contains(r#""cause""#));
    assert_eq!((failed.len(), done.len()), (1, 5), "{output}");
    let failed: Value = serde_json::from_str(failed[0]).unwrap();
    assert!(failed["request_id"].is_string(), "{failed}");
    // As it is written in JSON.
    let cause = failed["cause"].to_string();
    let cause = cause.trim_matches('"');
    assert_eq!(output.matches(cause).count(), 1, "{cause} is logged once:\n{output}");
    assert!(!problem.to_string().contains(cause), "{problem}");
}
