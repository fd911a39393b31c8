//! Transactions that read from the snapshot of an earlier one.

use kv::{Db, Error, Order, Snapshot};

use crate::common::Harness;
use crate::support::{all, contents, get, k, pairs, put, query};

pub(crate) async fn a_transaction_reads_from_the_snapshot_of_an_earlier_one(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("one"))]).await;
    let snapshot = db
        .run(|txn| async move {
            txn.get(&k(1)).await?;
            txn.snapshot().await
        })
        .await
        .expect("a plain read");

    let later = db.reading_from(snapshot);
    assert_eq!(get(&later, &k(1)).await, Some(b"one".to_vec()));
    put(&later, &[(2, Some("two"))]).await;
    assert_eq!(contents(&db).await, pairs(&[(1, "one"), (2, "two")]));
}

pub(crate) async fn a_transaction_on_a_snapshot_conflicts_when_its_reads_have_changed_since(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("old"))]).await;
    let snapshot = db
        .run(|txn| async move {
            txn.get(&k(1)).await?;
            txn.snapshot().await
        })
        .await
        .expect("a plain read");
    put(&db, &[(1, Some("new"))]).await;

    let copied: Result<(), Error> = db
        .reading_from(snapshot)
        .run(|txn| async move {
            let value = txn.get(&k(1)).await?.unwrap_or_default();
            txn.set(&k(2), value)
        })
        .await;
    copied.expect("a later attempt is committed");
    assert_eq!(contents(&db).await, pairs(&[(1, "new"), (2, "new")]));
}

/// Appends a letter to the value of key 1. Returns the new value and the snapshot after the commit.
async fn grow(db: &Db) -> (String, Snapshot) {
    let grown: Result<_, Error> = db
        .run_with_snapshot(|txn| async move {
            let value = txn.get(&k(1)).await?.unwrap_or_default();
            let grown = String::from_utf8_lossy(&value).into_owned() + "x";
            txn.set(&k(1), &grown)?;
            Ok(grown)
        })
        .await;
    grown.expect("committed")
}

pub(crate) async fn a_transaction_on_a_commit_snapshot_reads_the_committed_writes(harness: &Harness) {
    let db = harness.db();
    let (grown, snapshot) = grow(&db).await;
    assert_eq!(grown, "x");
    assert_eq!(contents(&db.reading_from(snapshot.clone())).await, pairs(&[(1, "x")]));

    // The snapshot of a commit without reads, and then a chain of transactions.
    let cleared: Result<_, Error> = db.run_with_snapshot(|txn| async move { txn.clear(&k(1)) }).await;
    let ((), mut snapshot) = cleared.expect("committed");
    for grown in ["x", "xx", "xxx", "xxxx"] {
        let next = grow(&db.reading_from(snapshot)).await;
        assert_eq!(next.0, grown);
        snapshot = next.1;
    }
    assert_eq!(contents(&db).await, pairs(&[(1, "xxxx")]));
}

pub(crate) async fn a_transaction_on_a_commit_snapshot_does_not_conflict_with_that_commit(harness: &Harness) {
    let db = harness.db();
    let (_, mut snapshot) = grow(&db).await;
    for _ in 0..20 {
        snapshot = grow(&db.reading_from(snapshot)).await.1;
    }
    #[cfg(feature = "testing")]
    {
        let usage = db.usage();
        assert_eq!((usage.transactions, usage.attempts, usage.commits), (21, 21, 21));
        assert_eq!((usage.conflicts, usage.reads, usage.keys_read), (0, 21, 21));
    }
}

pub(crate) async fn a_transaction_on_a_commit_snapshot_conflicts_with_a_later_commit(harness: &Harness) {
    let db = harness.db();
    let (_, snapshot) = grow(&db).await;
    put(&db, &[(1, Some("theirs"))]).await;

    let (grown, snapshot) = grow(&db.reading_from(snapshot)).await;
    assert_eq!(grown, "theirsx");
    assert_eq!(grow(&db.reading_from(snapshot)).await.0, "theirsxx");
}

pub(crate) async fn a_transaction_continues_from_one_without_writes(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("x"))]).await;
    let read: Result<_, Error> = db.run_with_snapshot(|txn| async move { txn.get(&k(1)).await }).await;
    let (value, snapshot) = read.expect("a plain read");
    assert_eq!(value, Some(b"x".to_vec()));
    assert_eq!(grow(&db.reading_from(snapshot.clone())).await.0, "xx");
    // The snapshot is as old as the read, or newer; the writing attempt detects the difference.
    assert_eq!(grow(&db.reading_from(snapshot)).await.0, "xxx");

    let idle: Result<_, Error> = db.run_with_snapshot(|_| async move { Ok(()) }).await;
    let ((), snapshot) = idle.expect("committed");
    assert_eq!(grow(&db.reading_from(snapshot)).await.0, "xxxx");
}

/// The engines differ: only LMDB keeps a snapshot for longer than a transaction, and only others write commit markers.
pub(crate) async fn a_whole_store_is_read_at_one_moment_or_commits_are_noticed(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("one"))]).await;
    let (reader, commits) = (
        db.long_reader().expect("a reader"),
        db.commits().await.expect("markers"),
    );
    assert!(reader.is_some() || commits.is_some());
    assert_eq!(db.commits().await.expect("markers"), commits, "reading is no commit");

    put(&db, &[(1, Some("two"))]).await;
    put(&db, &[(1, Some("one"))]).await;
    put(&db, &[(2, Some("two"))]).await;
    if let Some(reader) = reader {
        let everything = &query(all(), Order::Ascending, usize::MAX);
        let entries = reader.range(everything).await.expect("a snapshot").entries;
        let entries = entries.iter().filter(|entry| !kv::is_commit_marker(&entry.key));
        assert_eq!(entries.map(|entry| &*entry.value).collect::<Vec<_>>(), [b"one"]);
        assert_eq!(reader.get(&k(2)).await.expect("a snapshot"), None);
    }
    if let Some(commits) = commits {
        assert_ne!(db.commits().await.expect("markers"), Some(commits));
    }
}
