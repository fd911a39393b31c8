//! Appends: commit order, and their effects within their own transaction.

use futures_util::future::try_join_all;
use kv::{Db, Entry, Error, Key, Order, Range, Versionstamp};

use crate::common::{Child, Harness, child_command};
use crate::support::{counter, number, query};

pub(crate) fn log() -> Key {
    Key::of(&("log",))
}

/// Appends the value of a counter, which all writers read and increment in the same transaction.
pub(crate) async fn append_numbers(db: &Db, times: u32) {
    for _ in 0..times {
        let run: Result<(), Error> = db
            .run(|txn| async move {
                let count = number(txn.get(&counter()).await?);
                txn.set(&counter(), (count + 1).to_be_bytes())?;
                txn.append(&log(), count.to_be_bytes())
            })
            .await;
        run.expect("committed");
    }
}

pub(crate) async fn logged(db: &Db) -> Vec<Entry> {
    let range = Range::below(&log());
    let query = &query(range, Order::Ascending, usize::MAX);
    db.run(|txn| async move { txn.range(query).await })
        .await
        .expect("a plain read")
        .entries
}

fn assert_numbers_in_order(entries: Vec<Entry>, expected: u64) {
    let numbers: Vec<_> = entries.into_iter().map(|entry| number(Some(entry.value))).collect();
    assert_eq!(numbers, (0..expected).collect::<Vec<_>>());
}

pub(crate) async fn appended_entries_are_in_commit_order_across_tasks(harness: &Harness) {
    let db = harness.db();
    // Blind appends share commit batches with the numbered ones.
    let blind = (0..4).map(|_| {
        let db = db.clone();
        tokio::spawn(async move {
            for _ in 0..20 {
                let run: Result<(), Error> = db.run(|txn| async move { txn.append(&Key::of(&("blind",)), "") }).await;
                run.expect("committed");
            }
        })
    });
    let numbered = (0..4).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { append_numbers(&db, 20).await })
    });
    try_join_all(blind.chain(numbered)).await.expect("no panic");

    assert_numbers_in_order(logged(&db).await, 80);
    let blind = &query(Range::below(&Key::of(&("blind",))), Order::Ascending, usize::MAX);
    let blind = db
        .run(|txn| async move { txn.range(blind).await })
        .await
        .expect("a plain read")
        .entries;
    assert_eq!(blind.len(), 80, "all stamps differ");
}

pub(crate) async fn appended_entries_are_in_commit_order_across_processes(harness: &Harness) {
    let db = harness.db();
    let task = format!("append {}", harness.describe());
    let mut children = [
        Child::start(child_command(), &task),
        Child::start(child_command(), &task),
    ];
    append_numbers(&db, 50).await;
    for child in &mut children {
        assert_eq!(child.next_report().as_deref(), Some("done"));
    }

    assert_numbers_in_order(logged(&db).await, 150);
}

pub(crate) async fn appends_of_one_transaction_keep_their_order_and_are_hidden_from_it(harness: &Harness) {
    let db = harness.db();
    let run: Result<usize, Error> = db
        .run(|txn| async move {
            for value in ["a", "b", "c"] {
                txn.append(&log(), value)?;
            }
            let page = txn.range(&query(Range::below(&log()), Order::Ascending, 10)).await?;
            Ok(page.entries.len())
        })
        .await;
    assert_eq!(run, Ok(0));

    let entries = logged(&db).await;
    let values: Vec<_> = entries
        .iter()
        .map(|entry| String::from_utf8_lossy(&entry.value))
        .collect();
    assert_eq!(values, ["a", "b", "c"]);
    let stamps: Vec<Versionstamp> = entries.iter().map(|entry| entry.key.last().expect("a stamp")).collect();
    assert_eq!(
        stamps.iter().map(Versionstamp::user_version).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    assert!(
        stamps
            .iter()
            .all(|stamp| stamp.transaction_version() == stamps[0].transaction_version())
    );
    assert!(stamps.iter().all(Versionstamp::is_complete));
}

pub(crate) async fn clearing_a_prefix_removes_earlier_appends_to_it(harness: &Harness) {
    let db = harness.db();
    let run: Result<(), Error> = db
        .run(|txn| async move {
            txn.append(&log(), "removed")?;
            txn.clear_range(&Range::below(&Key::of(&("another",))))?;
            txn.clear_range(&Range::below(&log()))?;
            txn.append(&log(), "stays")
        })
        .await;
    run.expect("committed");

    let values: Vec<_> = logged(&db).await.into_iter().map(|entry| entry.value).collect();
    assert_eq!(values, [b"stays"]);
}
