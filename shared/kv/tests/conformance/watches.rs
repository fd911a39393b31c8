//! Watches. No test sleeps: each waits for the change that it has made.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use futures_util::FutureExt as _;
use kv::{Db, Error, Key, Watch};

use crate::common::Harness;
use crate::support::{counter, get, k, put};

/// Reads `key` and watches it, in one transaction.
async fn watch(db: &Db, key: &Key) -> Watch {
    let set: Result<_, Error> = db
        .run(|txn| async move {
            let watch = txn.watch(key)?;
            txn.get(key).await?;
            Ok(watch)
        })
        .await;
    set.expect("a plain read").expect("the engine has watches")
}

/// Waits for the change, which has been made.
async fn assert_completes(watch: Watch) {
    let waited = tokio::time::timeout(Duration::from_secs(60), watch.changed()).await;
    assert_eq!(waited, Ok(Ok(())));
}

pub(crate) async fn a_watch_completes_when_the_value_of_its_key_changes(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("a")), (2, Some("a"))]).await;
    let mut first = Box::pin(watch(&db, &k(1)).await.changed());
    let second = watch(&db, &k(2)).await;
    assert_eq!(first.as_mut().now_or_never(), None);
    put(&db, &[(2, Some("b"))]).await;
    assert_completes(second).await;
    assert_eq!(first.as_mut().now_or_never(), None, "another key has changed");
    put(&db, &[(1, None)]).await;
    let waited = tokio::time::timeout(Duration::from_secs(60), first).await;
    assert_eq!(waited, Ok(Ok(())));
}

pub(crate) async fn a_watch_completes_at_a_counters_first_addition_and_at_its_removal(harness: &Harness) {
    let db = harness.db();
    let first = watch(&db, &counter()).await;
    let added: Result<(), Error> = db.run(|txn| async move { txn.add(&counter(), 1) }).await;
    added.expect("committed");
    assert_completes(first).await;
    let removal = watch(&db, &counter()).await;
    let cleared: Result<(), Error> = db.run(|txn| async move { txn.clear(&counter()) }).await;
    cleared.expect("committed");
    assert_completes(removal).await;
}

pub(crate) async fn a_change_between_a_read_and_its_watch_completes_the_watch(harness: &Harness) {
    let db = &harness.db();
    put(db, &[(1, Some("a"))]).await;
    let set: Result<_, Error> = db
        .run(|txn| async move {
            let read = txn.get(&k(1)).await?;
            put(db, &[(1, Some("b"))]).await;
            Ok((read, txn.watch(&k(1))?))
        })
        .await;
    let (read, watch) = set.expect("a read-only transaction");
    assert_eq!(read.as_deref(), Some(&b"a"[..]));
    assert_completes(watch.expect("the engine has watches")).await;
}

pub(crate) async fn a_watch_outlives_its_transaction_and_one_that_is_dropped_is_no_obstacle(harness: &Harness) {
    let db = harness.db();
    let watches = [watch(&db, &k(1)).await, watch(&db, &k(1)).await];
    drop(watch(&db, &k(1)).await);
    // Other transactions in between.
    put(&db, &[(2, Some("a"))]).await;
    assert_eq!(get(&db, &k(1)).await, None);
    put(&db, &[(1, Some("a"))]).await;
    for watch in watches {
        assert_completes(watch).await;
    }
}

pub(crate) async fn a_watch_of_a_transaction_that_fails_affects_no_other(harness: &Harness) {
    let db = &harness.db();
    let fails = &AtomicBool::new(true);
    let set: Result<_, Error> = db
        .run(|txn| async move {
            let watch = txn.watch(&k(1))?;
            txn.get(&k(1)).await?;
            if fails.swap(false, SeqCst) {
                return Err(Error::Conflict);
            }
            Ok(watch)
        })
        .await;
    let watch = set.expect("the second attempt").expect("the engine has watches");
    put(db, &[(1, Some("a"))]).await;
    assert_completes(watch).await;
}

pub(crate) async fn an_engine_without_watches_sets_none(harness: &Harness) {
    let set: Result<_, Error> = harness.db().run(|txn| async move { txn.watch(&k(1)) }).await;
    assert!(set.expect("committed").is_none());
}
