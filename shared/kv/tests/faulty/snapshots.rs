//! Transactions that read from the snapshot of an earlier one, under faults.

use std::time::Duration;

use kv::faulty::{Fate, Latency, MAX_COMMIT_DELAY, Plan};
use kv::{Db, Error};
use tokio::time::{Instant, sleep};

use crate::support::{TRIP, calm, increment, increment_with_snapshot, k, lost_responses, number, store};

#[tokio::test(start_paused = true)]
async fn a_transaction_on_a_snapshot_does_not_wait_for_its_begin() {
    let (_folder, db) = store();
    let slow = db.with_faults(Plan {
        latency: Latency::of(TRIP),
        ..Plan::default()
    });
    let start = Instant::now();
    let (_, written) = increment_with_snapshot(&slow).await.unwrap();
    assert_eq!(start.elapsed(), 3 * TRIP, "a begin, a read and a commit");
    let start = Instant::now();
    increment(&slow.reading_from(written)).await.unwrap();
    assert_eq!(start.elapsed(), 2 * TRIP, "a read and a commit");

    let read: Result<_, Error> = slow.run_with_snapshot(|txn| async move { txn.get(&k(1)).await }).await;
    let start = Instant::now();
    increment(&slow.reading_from(read.unwrap().1)).await.unwrap();
    assert_eq!(start.elapsed(), 2 * TRIP, "a read and a commit");

    let start = Instant::now();
    let idle: Result<_, Error> = slow.run_with_snapshot(|_| async move { Ok(()) }).await;
    assert_eq!(start.elapsed(), Duration::ZERO, "no operation, no trip");
    increment(&slow.reading_from(idle.unwrap().1)).await.unwrap();
    assert_eq!(start.elapsed(), 3 * TRIP, "no snapshot, no saved trip");
    assert_eq!(slow.usage().conflicts, 0);
}

#[tokio::test(start_paused = true)]
async fn a_commit_snapshot_is_as_old_as_its_commit() {
    let (_folder, db) = store();
    let calm = &calm(&db);
    let (_, written) = increment_with_snapshot(calm).await.unwrap();
    let read: Result<_, Error> = calm.run_with_snapshot(|txn| async move { txn.get(&k(1)).await }).await;
    let (_, read) = read.unwrap();
    increment(calm).await.unwrap();
    for snapshot in [written, read] {
        assert_eq!(
            read_key_1(&calm.reading_from(snapshot)).await,
            Some(1),
            "without later commits"
        );
    }

    let (_, written) = increment_with_snapshot(calm).await.unwrap();
    increment(calm).await.unwrap();
    let before = calm.usage();
    assert_eq!(increment(&calm.reading_from(written)).await, Ok(5));
    assert_eq!(
        calm.usage().conflicts - before.conflicts,
        1,
        "another commit came between"
    );
}

/// The value of key 1 as this handle reads it.
async fn read_key_1(db: &Db) -> Option<u8> {
    let found: Result<_, Error> = db.run(|txn| async move { txn.get(&k(1)).await }).await;
    found.expect("a plain read").map(|value| value[0])
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_of_a_resolved_unknown_commit_includes_its_writes() {
    let (_folder, db) = store();
    let faulty = db.with_faults(lost_responses(0, 1.0, Fate::Committed));
    let calm = faulty.with_faults(Plan::default());
    for round in 0..20 {
        let (value, snapshot) = increment_with_snapshot(&faulty).await.unwrap();
        assert_eq!(value, 2 * round + 1);
        let before = calm.usage();
        assert_eq!(increment(&calm.reading_from(snapshot)).await, Ok(2 * round + 2));
        assert_eq!(calm.usage().attempts - before.attempts, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn chained_transactions_under_faults_take_place_once_each() {
    for seed in 0..100 {
        let (_folder, db) = store();
        let faulty = db.with_faults(Plan {
            conflict: 0.1,
            fates: vec![Fate::Lost, Fate::Committed, Fate::Late],
            latency: Latency::of(TRIP),
            ..lost_responses(seed, 0.4, Fate::Committed)
        });
        let mut next = faulty.clone();
        for expected in 1..=6 {
            let (value, snapshot) = increment_with_snapshot(&next).await.unwrap();
            assert_eq!(value, expected, "seed {seed}");
            next = faulty.reading_from(snapshot);
        }
        sleep(MAX_COMMIT_DELAY).await;
        assert_eq!(number(&db, 1).await, Some(6), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn markers_used_during_a_commit_do_not_delay_the_next_transaction() {
    let (_folder, db) = store();
    for seed in 0..50 {
        let slow = db.with_faults(Plan {
            seed,
            latency: Latency::of(TRIP),
            ..Plan::default()
        });
        // Shares the markers and uses other keys.
        let quick = slow.with_faults(Plan::default());
        let others = async {
            loop {
                let written: Result<(), Error> = quick.run(|txn| async move { txn.set(&k(2), [0]) }).await;
                written.unwrap();
                sleep(Duration::from_millis(1)).await;
            }
        };
        let (_, snapshot) = tokio::select! {
            biased;
            first = increment_with_snapshot(&slow) => first.unwrap(),
            () = others => unreachable!("they never end"),
        };
        let before = slow.usage();
        increment(&slow.reading_from(snapshot)).await.unwrap();
        assert_eq!(slow.usage().attempts - before.attempts, 1, "seed {seed}");
    }
}

#[tokio::test]
async fn chained_transactions_reuse_markers() {
    let (_folder, db) = store();
    let marked = db.with_faults(Plan::default());
    let mut next = marked.clone();
    for _ in 0..20 {
        next = marked.reading_from(increment_with_snapshot(&next).await.unwrap().1);
    }
    let markers = db.sweep_markers(Duration::ZERO).await.unwrap();
    assert!(markers <= 3, "{markers} markers for sequential transactions");
}
