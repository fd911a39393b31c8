//! Reads: own writes, ranges, pages, and one snapshot per transaction.

use kv::{Error, Order, Page};

use crate::common::Harness;
use crate::support::{all, contents, get, k, pairs, put, query, readable, walk};

pub(crate) async fn a_committed_write_is_read_by_the_next_transaction(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("one")), (2, Some(""))]).await;

    assert_eq!(get(&harness.db(), &k(1)).await, Some(b"one".to_vec()));
    assert_eq!(get(&db, &k(2)).await, Some(Vec::new()), "an empty value is a value");
    assert_eq!(get(&db, &k(3)).await, None);

    put(&db, &[(1, None), (3, None)]).await;
    assert_eq!(contents(&db).await, pairs(&[(2, "")]));
}

pub(crate) async fn a_transaction_reads_its_own_writes(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("old")), (2, Some("old")), (3, Some("old"))]).await;

    let run: Result<(), Error> = db
        .run(|txn| async move {
            let read = async |n| {
                txn.get(&k(n))
                    .await
                    .map(|value| value.map(|v| String::from_utf8_lossy(&v).into_owned()))
            };
            txn.set(&k(1), "new")?;
            txn.clear(&k(2))?;
            assert_eq!(read(1).await?.as_deref(), Some("new"));
            assert_eq!(read(2).await?, None);
            assert_eq!(read(3).await?.as_deref(), Some("old"));

            txn.clear_range(&all())?;
            assert_eq!((read(1).await?, read(3).await?), (None, None));
            txn.set(&k(3), "newer")?;
            assert_eq!(read(3).await?.as_deref(), Some("newer"));
            Ok(())
        })
        .await;
    run.unwrap_or_else(|error| panic!("{error}"));

    assert_eq!(contents(&db).await, pairs(&[(3, "newer")]));
}

pub(crate) async fn a_range_includes_the_transactions_own_writes_in_both_orders(harness: &Harness) {
    let db = harness.db();
    put(
        &db,
        &[
            (2, Some("b")),
            (4, Some("d")),
            (6, Some("f")),
            (8, Some("h")),
            (9, Some("i")),
        ],
    )
    .await;
    let expected = pairs(&[(1, "A"), (2, "b"), (4, "D"), (8, "h"), (9, "I"), (10, "J")]);
    let expected = &expected;

    let run: Result<(), Error> = db
        .run(|txn| async move {
            txn.set(&k(1), "A")?;
            txn.set(&k(4), "D")?;
            txn.clear(&k(6))?;
            txn.clear_range(&all().after(&k(8)))?;
            txn.set(&k(9), "I")?;
            txn.set(&k(10), "J")?;

            assert_eq!(&walk(&txn, query(all(), Order::Ascending, usize::MAX)).await?, expected);
            let mut descending = walk(&txn, query(all(), Order::Descending, usize::MAX)).await?;
            descending.reverse();
            assert_eq!(&descending, expected);
            Ok(())
        })
        .await;
    run.expect("committed");

    assert_eq!(&contents(&db).await, expected);
}

pub(crate) async fn a_limit_counts_merged_entries_and_continuations_return_the_rest(harness: &Harness) {
    let db = harness.db();
    put(
        &db,
        &[
            (1, Some("a")),
            (2, Some("b")),
            (3, Some("c")),
            (5, Some("e")),
            (6, Some("f")),
        ],
    )
    .await;
    let expected = pairs(&[(1, "a"), (3, "C"), (4, "D"), (6, "f"), (7, "G")]);
    let expected = &expected;

    let run: Result<(), Error> = db
        .run(|txn| async move {
            txn.clear(&k(2))?;
            txn.set(&k(3), "C")?;
            txn.set(&k(4), "D")?;
            txn.clear(&k(5))?;
            txn.set(&k(7), "G")?;
            for limit in 1..=6 {
                let page = txn.range(&query(all(), Order::Ascending, limit)).await?;
                assert_eq!(
                    page.entries.iter().map(readable).collect::<Vec<_>>(),
                    expected[..limit.min(5)]
                );

                assert_eq!(&walk(&txn, query(all(), Order::Ascending, limit)).await?, expected);
                let mut descending = walk(&txn, query(all(), Order::Descending, limit)).await?;
                descending.reverse();
                assert_eq!(&descending, expected);
            }
            Ok(())
        })
        .await;
    run.expect("committed");
}

pub(crate) async fn a_full_page_has_a_continuation_and_the_last_page_has_none(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("a")), (2, Some("b"))]).await;

    let run: Result<(), Error> = db
        .run(|txn| async move {
            let full = txn.range(&query(all(), Order::Ascending, 2)).await?;
            assert_eq!(full.next, Some(query(all().after(&k(2)), Order::Ascending, 2)));
            let end = txn.range(&full.next.unwrap_or_else(|| unreachable!())).await?;
            assert_eq!(
                end,
                Page {
                    entries: Vec::new(),
                    next: None
                }
            );

            let full = txn.range(&query(all(), Order::Descending, 2)).await?;
            assert_eq!(full.next, Some(query(all().before(&k(1)), Order::Descending, 2)));

            assert_eq!(txn.range(&query(all(), Order::Ascending, 3)).await?.next, None);
            assert_eq!(
                txn.range(&query(all(), Order::Ascending, 0)).await?,
                Page {
                    entries: Vec::new(),
                    next: None
                }
            );
            Ok(())
        })
        .await;
    run.expect("committed");
}

pub(crate) async fn an_empty_or_inverted_range_has_no_effect(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("a")), (2, Some("b"))]).await;

    let run: Result<(), Error> = db
        .run(|txn| async move {
            for range in [
                all().after(&k(2)).before(&k(1)),
                all().after(&k(1)).before(&k(1)),
                all().before(&k(0)),
            ] {
                for order in [Order::Ascending, Order::Descending] {
                    let page = txn.range(&query(range.clone(), order, 10)).await?;
                    assert_eq!(
                        page,
                        Page {
                            entries: Vec::new(),
                            next: None
                        }
                    );
                }
                txn.clear_range(&range)?;
            }
            Ok(())
        })
        .await;
    run.expect("committed");

    assert_eq!(contents(&db).await, pairs(&[(1, "a"), (2, "b")]));
}

pub(crate) async fn all_reads_of_a_transaction_use_one_snapshot(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("old")), (2, Some("old"))]).await;
    let db = &db;

    let read = db
        .run(|txn| async move {
            txn.get(&k(1)).await?;
            put(db, &[(1, Some("new")), (2, Some("new")), (3, Some("new"))]).await;
            walk(&txn, query(all(), Order::Ascending, usize::MAX)).await
        })
        .await;

    assert_eq!(read, Ok(pairs(&[(1, "old"), (2, "old")])));
    assert_eq!(contents(db).await, pairs(&[(1, "new"), (2, "new"), (3, "new")]));
}
