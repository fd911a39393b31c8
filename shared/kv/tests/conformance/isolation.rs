//! Isolation: which concurrent writes are a conflict, and which are not.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use kv::{Error, Order, Txn};

use crate::common::Harness;
use crate::support::{Rejection, all, attempts_with, contents, k, pairs, put, query};

pub(crate) async fn a_transaction_conflicts_when_a_value_it_read_has_changed(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("old")), (2, Some("old"))]).await;
    let read = |txn: Txn| async move { txn.get(&k(1)).await.map(drop) };

    assert_eq!(attempts_with(&db, read, &[(1, Some("new"))]).await, 2);
    assert_eq!(attempts_with(&db, read, &[(1, None)]).await, 2);
    assert_eq!(
        attempts_with(&db, read, &[(2, Some("new"))]).await,
        1,
        "a key that it did not read"
    );
}

pub(crate) async fn a_transaction_conflicts_when_a_key_it_found_missing_has_appeared(harness: &Harness) {
    let db = harness.db();
    let read = |txn: Txn| async move { txn.get(&k(1)).await.map(drop) };

    assert_eq!(attempts_with(&db, read, &[(1, Some("new"))]).await, 2);
}

pub(crate) async fn write_skew_conflicts(harness: &Harness) {
    // Two doctors are on call. Each may leave only if the other stays.
    let db = harness.db();
    put(&db, &[(1, Some("on call")), (2, Some("on call"))]).await;
    let leave = async |me: u32, meanwhile: bool| {
        let attempts = AtomicU32::new(0);
        let (db, attempts) = (&db, &attempts);
        db.run(|txn| async move {
            let other = txn.get(&k(3 - me)).await?;
            if meanwhile && attempts.fetch_add(1, SeqCst) == 0 {
                let other_leaves: Result<(), Error> = db
                    .run(|txn| async move {
                        assert!(txn.get(&k(me)).await?.is_some());
                        txn.clear(&k(3 - me))
                    })
                    .await;
                other_leaves?;
            }
            if other.is_none() {
                return Err(Rejection::Taken);
            }
            Ok(txn.clear(&k(me))?)
        })
        .await
    };

    assert_eq!(
        leave(1, true).await,
        Err(Rejection::Taken),
        "the second attempt reads that the other has left"
    );
    assert_eq!(contents(&db).await, pairs(&[(1, "on call")]));
}

pub(crate) async fn a_phantom_in_an_examined_range_conflicts(harness: &Harness) {
    let db = harness.db();
    for order in [Order::Ascending, Order::Descending] {
        for limit in [3, usize::MAX] {
            let read = move |txn: Txn| async move { txn.range(&query(all(), order, limit)).await.map(drop) };
            let fresh = [
                (1, None),
                (2, Some("b")),
                (3, None),
                (4, Some("d")),
                (5, None),
                (6, Some("f")),
                (7, None),
            ];
            put(&db, &fresh).await;
            assert_eq!(
                attempts_with(&db, read, &[(3, Some("inserted"))]).await,
                2,
                "{order:?} {limit}"
            );
            put(&db, &fresh).await;
            assert_eq!(attempts_with(&db, read, &[(4, None)]).await, 2, "{order:?} {limit}");
            put(&db, &fresh).await;
            assert_eq!(
                attempts_with(&db, read, &[(4, Some("changed"))]).await,
                2,
                "{order:?} {limit}"
            );
            put(&db, &fresh).await;
            let last = if order == Order::Ascending { 6 } else { 2 };
            assert_eq!(
                attempts_with(&db, read, &[(last, Some("changed"))]).await,
                2,
                "{order:?} {limit}"
            );
            put(&db, &fresh).await;
            let before_the_first = if order == Order::Ascending { 1 } else { 7 };
            assert_eq!(
                attempts_with(&db, read, &[(before_the_first, Some("inserted"))]).await,
                2,
                "{order:?} {limit}"
            );
        }
        let end = if order == Order::Ascending { 7 } else { 1 };
        let read = move |txn: Txn| async move { txn.range(&query(all(), order, 4)).await.map(drop) };
        put(&db, &[(1, None), (3, None), (4, Some("d")), (7, None)]).await;
        assert_eq!(
            attempts_with(&db, read, &[(end, Some("inserted"))]).await,
            2,
            "{order:?}: a page that is not full"
        );
    }
}

pub(crate) async fn a_change_beyond_the_limit_is_no_conflict(harness: &Harness) {
    let db = harness.db();
    for order in [Order::Ascending, Order::Descending] {
        let read = move |txn: Txn| async move { txn.range(&query(all(), order, 2)).await.map(drop) };
        put(
            &db,
            &[
                (1, None),
                (2, Some("b")),
                (4, Some("d")),
                (6, Some("f")),
                (8, Some("h")),
                (9, None),
            ],
        )
        .await;
        let (next, beyond) = if order == Order::Ascending { (5, 6) } else { (5, 4) };
        assert_eq!(
            attempts_with(&db, read, &[(next, Some("inserted"))]).await,
            1,
            "{order:?}"
        );
        assert_eq!(
            attempts_with(&db, read, &[(next, None), (beyond, None)]).await,
            1,
            "{order:?}"
        );
    }
}

pub(crate) async fn a_read_only_transaction_never_conflicts(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("old"))]).await;
    let (db, attempts) = (&db, &AtomicU32::new(0));

    let read = db
        .run(|txn| async move {
            attempts.fetch_add(1, SeqCst);
            let read = txn.get(&k(1)).await?;
            put(db, &[(1, Some("new"))]).await;
            Ok::<_, Error>(read)
        })
        .await;

    assert_eq!((read, attempts.load(SeqCst)), (Ok(Some(b"old".to_vec())), 1));
}

pub(crate) async fn blind_writes_do_not_conflict(harness: &Harness) {
    let db = harness.db();
    let read_nothing = |txn: Txn| async move {
        txn.set(&k(1), "mine")?;
        // The transaction's own write supplies the value, so nothing is read from the store.
        txn.get(&k(1)).await.map(drop)
    };
    assert_eq!(
        attempts_with(&db, read_nothing, &[(1, Some("theirs")), (2, Some("theirs"))]).await,
        1
    );
    assert_eq!(contents(&db).await, pairs(&[(1, "mine"), (2, "theirs")]));
}
