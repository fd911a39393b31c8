//! Concurrent tasks and processes, and processes that are killed.

use futures_util::future::try_join_all;
use kv::{Db, Error, Key, Order, Range};

use crate::common::{Child, Harness, child_command, report};
use crate::support::{count, counter, get, k, number, query};

pub(crate) async fn concurrent_tasks_lose_no_increment(harness: &Harness) {
    let db = harness.db();
    let tasks = (0..8).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { count(&db, 25).await })
    });
    try_join_all(tasks).await.expect("no panic");

    assert_eq!(number(get(&db, &counter()).await), 200);
}

pub(crate) async fn concurrent_processes_lose_no_increment(harness: &Harness) {
    let db = harness.db();
    let task = format!("count {}", harness.describe());
    let mut children = [
        Child::start(child_command(), &task),
        Child::start(child_command(), &task),
    ];
    count(&db, 100).await;
    for child in &mut children {
        assert_eq!(child.next_report().as_deref(), Some("done"));
    }

    assert_eq!(number(get(&db, &counter()).await), 300);
}

/// A value large enough to spread a transaction over many pages of the store.
fn filling(n: u64) -> Vec<u8> {
    n.to_be_bytes().repeat(2500)
}

fn record(n: u64) -> Key {
    Key::of(&("record", n))
}

/// Commits numbered transactions of several keys until the process is killed, and reports each number after its commit.
pub(crate) async fn commit_until_killed(db: &Db) {
    loop {
        let n = db
            .run(|txn| async move {
                let n = number(txn.get(&counter()).await?) + 1;
                txn.set(&k(1), filling(n))?;
                txn.set(&record(n), n.to_be_bytes())?;
                txn.set(&k(2), filling(n))?;
                txn.set(&counter(), n.to_be_bytes())?;
                Ok::<_, Error>(n)
            })
            .await
            .expect("committed");
        report(n);
    }
}

pub(crate) async fn a_killed_process_leaves_all_acknowledged_transactions_and_no_partial_one(harness: &Harness) {
    let db = &harness.db();
    let mut last = 0;
    for round in 0..100 {
        let mut child = Child::start(child_command(), &format!("pairs {}", harness.describe()));
        // Right after an acknowledgement, the child is in the middle of the next commit.
        for _ in 0..=round % 3 {
            let acknowledged = child.next_report().expect("the child commits until it is killed");
            last = acknowledged.parse().expect("a number");
        }
        child.process.kill().expect("the child still runs");
        child.process.wait().expect("the child has ended");
        while let Some(acknowledged) = child.next_report() {
            last = acknowledged.parse().expect("a number");
        }

        let (counted, a, b, records) = db
            .run(|txn| async move {
                let counted = number(txn.get(&counter()).await?);
                let (a, b) = (txn.get(&k(1)).await?, txn.get(&k(2)).await?);
                let records = txn
                    .range(&query(
                        Range::below(&Key::of(&("record",))),
                        Order::Ascending,
                        usize::MAX,
                    ))
                    .await?;
                // A write, which takes over the write lock of the killed process.
                txn.set(&Key::of(&("round",)), [round])?;
                Ok::<_, Error>((counted, a, b, records.entries))
            })
            .await
            .expect("the store still works");
        assert!(
            last <= counted && counted <= last + 1,
            "{last} acknowledged, {counted} counted"
        );
        assert!(
            [a, b].iter().flatten().eq(&[filling(counted), filling(counted)]),
            "transaction {counted} is incomplete"
        );
        let records: Vec<_> = records.into_iter().map(|entry| number(Some(entry.value))).collect();
        assert_eq!(records, (1..=counted).collect::<Vec<_>>());
        last = counted;
    }
}
