//! Counters and peeks: additions without a read, and reads without a conflict.

use futures_util::future::try_join_all;
use kv::{Db, Error, Key, Order, Txn, counter};

use crate::common::{Child, Harness, child_command};
use crate::support::{all, attempts_with, contents, get, k, put, query};

fn total() -> Key {
    Key::of(&("total",))
}

/// Adds 1 to the total `times` times.
pub(crate) async fn add_up(db: &Db, times: u32) {
    for _ in 0..times {
        let run: Result<(), Error> = db.run(|txn| async move { txn.add(&total(), 1) }).await;
        run.expect("committed");
    }
}

async fn add(db: &Db, n: u32, delta: i64) {
    let run: Result<(), Error> = db.run(|txn| async move { txn.add(&k(n), delta) }).await;
    run.expect("committed");
}

async fn stored(db: &Db, key: &Key) -> i64 {
    counter(get(db, key).await.as_deref())
}

pub(crate) async fn concurrent_additions_lose_none_and_never_conflict(harness: &Harness) {
    let db = harness.db();
    let tasks = (0..4).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { add_up(&db, 25).await })
    });
    try_join_all(tasks).await.expect("no panic");
    assert_eq!(stored(&db, &total()).await, 100);
    #[cfg(feature = "testing")]
    if !harness.faults.as_ref().is_some_and(|plan| plan.conflict > 0.0) {
        assert_eq!(db.usage().conflicts, 0);
    }
}

pub(crate) async fn additions_of_several_processes_are_all_counted(harness: &Harness) {
    let db = harness.db();
    let task = format!("add {}", harness.describe());
    let mut children = [
        Child::start(child_command(), &task),
        Child::start(child_command(), &task),
    ];
    add_up(&db, 50).await;
    for child in &mut children {
        assert_eq!(child.next_report().as_deref(), Some("done"));
    }
    assert_eq!(stored(&db, &total()).await, 150);
}

pub(crate) async fn a_counter_is_eight_bytes_and_wraps_around(harness: &Harness) {
    let db = harness.db();
    add(&db, 1, 258).await;
    assert_eq!(get(&db, &k(1)).await, Some(vec![2, 1, 0, 0, 0, 0, 0, 0]));
    add(&db, 1, -258).await;
    assert_eq!(get(&db, &k(1)).await, Some(vec![0; 8]), "a counter of zero exists");
    add(&db, 1, -1).await;
    assert_eq!(get(&db, &k(1)).await, Some(vec![0xff; 8]));
    assert_eq!(counter(get(&db, &k(1)).await.as_deref()).cast_unsigned(), u64::MAX);

    add(&db, 2, i64::MAX).await;
    add(&db, 2, 1).await;
    assert_eq!(stored(&db, &k(2)).await, i64::MIN);
}

pub(crate) async fn an_addition_gives_a_value_of_another_length_eight_bytes(harness: &Harness) {
    let db = harness.db();
    put(
        &db,
        &[(1, Some("\u{1}")), (2, Some("\u{1}\0\0\0\0\0\0\0\u{9}")), (3, Some(""))],
    )
    .await;
    for n in [1, 2, 3] {
        add(&db, n, 1).await;
    }
    assert_eq!(get(&db, &k(1)).await, Some(vec![2, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!(get(&db, &k(2)).await, Some(vec![2, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!(get(&db, &k(3)).await, Some(vec![1, 0, 0, 0, 0, 0, 0, 0]));
}

pub(crate) async fn a_transaction_reads_its_own_additions(harness: &Harness) {
    let db = harness.db();
    add(&db, 1, 10).await;
    let run: Result<(), Error> = db
        .run(|txn| async move {
            let read = async |n: u32| {
                let (got, peeked) = (txn.get(&k(n)).await?, txn.peek(&k(n)).await?);
                assert_eq!(got, peeked);
                Ok::<_, Error>(got.map(|value| counter(Some(&value))))
            };
            txn.add(&k(1), 1)?;
            txn.add(&k(1), 2)?;
            assert_eq!(read(1).await?, Some(13), "added to the stored value");
            txn.add(&k(2), 5)?;
            assert_eq!(read(2).await?, Some(5), "added to nothing");
            txn.set(&k(3), 7_i64.to_le_bytes())?;
            txn.add(&k(3), -8)?;
            assert_eq!(read(3).await?, Some(-1), "added to the transaction's own value");
            txn.clear(&k(1))?;
            assert_eq!(read(1).await?, None);
            txn.add(&k(1), 4)?;
            assert_eq!(read(1).await?, Some(4), "added after a clear");

            for order in [Order::Ascending, Order::Descending] {
                let page = txn.range(&query(all(), order, 10)).await?;
                let mut found: Vec<_> = page.entries.iter().map(|entry| counter(Some(&entry.value))).collect();
                if order == Order::Descending {
                    found.reverse();
                }
                assert_eq!(found, [4, 5, -1]);
            }
            txn.clear_range(&all().after(&k(1)))?;
            txn.add(&k(2), 6)?;
            assert_eq!(read(2).await?, Some(6), "added in a cleared range");
            Ok(())
        })
        .await;
    run.expect("committed");
    assert_eq!((stored(&db, &k(1)).await, stored(&db, &k(2)).await), (4, 6));
    assert_eq!(get(&db, &k(3)).await, None);
}

pub(crate) async fn a_range_adds_to_the_stored_counters(harness: &Harness) {
    let db = harness.db();
    for n in [1, 3, 5] {
        add(&db, n, n.into()).await;
    }
    let run: Result<(), Error> = db
        .run(|txn| async move {
            for n in [2, 3, 6] {
                txn.add(&k(n), 100)?;
            }
            for (order, expected) in [
                (Order::Ascending, [1, 100, 103, 5]),
                (Order::Descending, [100, 5, 103, 100]),
            ] {
                let page = txn.range(&query(all(), order, 4)).await?;
                let found: Vec<_> = page.entries.iter().map(|entry| counter(Some(&entry.value))).collect();
                assert_eq!(found, expected, "{order:?}");
            }
            Ok(())
        })
        .await;
    run.expect("committed");
}

pub(crate) async fn an_addition_is_no_read_and_a_get_after_it_is_one(harness: &Harness) {
    let db = harness.db();
    let blind = |txn: Txn| async move { txn.add(&k(1), 1) };
    assert_eq!(attempts_with(&db, blind, &[(1, Some("A\0\0\0\0\0\0\0"))]).await, 1);
    assert_eq!(contents(&db).await, [(1, "B\0\0\0\0\0\0\0".to_owned())]);

    let peeked = |txn: Txn| async move {
        txn.add(&k(1), 1)?;
        txn.peek(&k(1)).await.map(drop)
    };
    assert_eq!(attempts_with(&db, peeked, &[(1, Some("P\0\0\0\0\0\0\0"))]).await, 1);
    assert_eq!(contents(&db).await, [(1, "Q\0\0\0\0\0\0\0".to_owned())]);

    let read = |txn: Txn| async move {
        txn.add(&k(1), 1)?;
        txn.get(&k(1)).await.map(drop)
    };
    assert_eq!(attempts_with(&db, read, &[(1, Some("a\0\0\0\0\0\0\0"))]).await, 2);
    assert_eq!(contents(&db).await, [(1, "b\0\0\0\0\0\0\0".to_owned())]);
}

pub(crate) async fn an_addition_conflicts_with_transactions_that_have_read_the_counter(harness: &Harness) {
    let db = harness.db();
    for read_range in [false, true] {
        let attempts = std::sync::atomic::AtomicU32::new(0);
        let (db, attempts) = (&db, &attempts);
        let run: Result<i64, Error> = db
            .run(|txn| async move {
                let read = if read_range {
                    let page = txn.range(&query(all(), Order::Ascending, 10)).await?;
                    page.entries.into_iter().next().map(|entry| entry.value)
                } else {
                    txn.get(&k(1)).await?
                };
                if attempts.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
                    add(db, 1, 1).await;
                }
                let read = counter(read.as_deref());
                txn.set(&k(2), read.to_le_bytes())?;
                Ok(read)
            })
            .await;
        assert_eq!(run, Ok(1 + i64::from(read_range)), "the second attempt's value");
    }
}

pub(crate) async fn a_change_of_a_peeked_key_is_no_conflict(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("old"))]).await;
    let peek = |txn: Txn| async move {
        let (present, missing) = (txn.peek(&k(1)).await?, txn.peek(&k(2)).await?);
        assert!(present.is_some() && missing.is_none());
        Ok(())
    };
    assert_eq!(attempts_with(&db, peek, &[(1, Some("new")), (2, Some("new"))]).await, 1);

    let read_too = |txn: Txn| async move {
        txn.peek(&k(1)).await?;
        txn.get(&k(1)).await.map(drop)
    };
    assert_eq!(attempts_with(&db, read_too, &[(1, Some("newer"))]).await, 2);
    let read_first = |txn: Txn| async move {
        txn.get(&k(1)).await?;
        txn.peek(&k(1)).await.map(drop)
    };
    assert_eq!(attempts_with(&db, read_first, &[(1, Some("newest"))]).await, 2);
}

pub(crate) async fn a_peek_reads_the_transactions_snapshot_and_its_own_writes(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("old")), (2, Some("old"))]).await;
    let db = &db;
    let run: Result<(), Error> = db
        .run(|txn| async move {
            txn.peek(&k(1)).await?;
            put(db, &[(1, Some("new")), (2, Some("new"))]).await;
            assert_eq!(txn.peek(&k(2)).await?, Some(b"old".to_vec()), "one snapshot");
            assert_eq!(txn.peek(&k(1)).await?, Some(b"old".to_vec()), "one snapshot");
            txn.set(&k(1), "own")?;
            txn.clear(&k(2))?;
            assert_eq!(txn.peek(&k(1)).await?, Some(b"own".to_vec()));
            assert_eq!(txn.peek(&k(2)).await?, None);
            put(db, &[(1, Some("old")), (2, Some("old"))]).await;
            txn.clear_range(&all())
        })
        .await;
    run.expect("committed");
}
