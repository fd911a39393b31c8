//! Size limits, and the isolation of roots.

use std::time::Duration;

use futures_util::future::join_all;
use kv::{Db, Error, Key, Order, Range, Settings};

use crate::appends::{log, logged};
use crate::common::Harness;
use crate::support::{Rejection, all, contents, get, k, pairs, put, query};

/// A key of `len` bytes, including the root of `harness`.
fn key_of_len(harness: &Harness, len: usize) -> Key {
    // Root and key are one string each, with a type code before it and a terminator after it.
    Key::of(&("x".repeat(len - harness.root.len() - 4),))
}

pub(crate) async fn keys_over_the_limit_are_rejected_everywhere(harness: &Harness) {
    let db = harness.db();
    let (fits, too_long) = (
        &key_of_len(harness, kv::MAX_KEY_LEN),
        &key_of_len(harness, kv::MAX_KEY_LEN + 1),
    );
    let (stamped, too_long_stamped) = (&key_of_len(harness, 511 - 13), &key_of_len(harness, 512 - 13));
    let error = Error::KeyTooLarge { len: 512 };
    let error = &error;

    let run: Result<(), Error> = db
        .run(|txn| async move {
            assert_eq!(txn.get(too_long).await.as_ref(), Err(error));
            assert_eq!(txn.peek(too_long).await.as_ref(), Err(error));
            assert_eq!(txn.add(too_long, 1).as_ref(), Err(error));
            assert_eq!(txn.set(too_long, "").as_ref(), Err(error));
            assert_eq!(txn.clear(too_long).as_ref(), Err(error));
            assert_eq!(txn.append(too_long_stamped, "").as_ref(), Err(error));

            // The bound of a range may be longer than a key: it is not stored.
            for bound in [fits, too_long] {
                for order in [Order::Ascending, Order::Descending] {
                    let range = Range::below(&Key::of(&())).after(bound);
                    assert_eq!(txn.range(&query(range, order, 10)).await?.entries, []);
                }
            }
            txn.set(fits, "long")?;
            assert_eq!(txn.get(fits).await?, Some(b"long".to_vec()));
            txn.append(stamped, "long")
        })
        .await;
    assert_eq!(run, Ok(()));

    assert_eq!(get(&db, fits).await, Some(b"long".to_vec()));
    // Everything except the store's own commit markers.
    let everything = Range::below(&Key::of(&())).after(&Key::of(&("_z",)));
    let everything = &query(everything.before(too_long), Order::Descending, 10);
    let page = db.run(|txn| async move { txn.range(everything).await }).await;
    assert_eq!(page.map(|page| page.entries.len()), Ok(2));
}

pub(crate) async fn values_over_the_limit_are_rejected(harness: &Harness) {
    let db = harness.db();
    let run: Result<(), Error> = db
        .run(|txn| async move {
            let (fits, too_long) = (vec![b'v'; kv::MAX_VALUE_LEN], vec![b'v'; kv::MAX_VALUE_LEN + 1]);
            assert_eq!(txn.set(&k(1), &too_long), Err(Error::ValueTooLarge { len: 100_001 }));
            assert_eq!(
                txn.append(&log(), &too_long),
                Err(Error::ValueTooLarge { len: 100_001 })
            );
            txn.append(&log(), &fits)?;
            txn.set(&k(1), &fits)
        })
        .await;

    assert_eq!(run, Ok(()));
    assert_eq!(get(&db, &k(1)).await.map(|value| value.len()), Some(100_000));
}

pub(crate) async fn transactions_over_the_limit_are_rejected(harness: &Harness) {
    let db = harness.db();
    let value = &vec![b'v'; 89_500];
    let run: Result<(), Error> = db
        .run(|txn| async move {
            for n in 0..100 {
                txn.set(&k(n), value)?;
            }
            let rejected = txn.set(&k(100), value);
            assert!(
                matches!(rejected, Err(Error::TransactionTooLarge { len: 9_000_001.. })),
                "{rejected:?}"
            );
            assert!(matches!(
                txn.append(&log(), value),
                Err(Error::TransactionTooLarge { .. })
            ));
            Ok(())
        })
        .await;

    assert_eq!(run, Ok(()), "the writes within the limit are committed");
    assert_eq!(contents(&db).await.len(), 100);
    assert_eq!(logged(&db).await, []);

    let endless: Result<(), Error> = db
        .run(|txn| async move {
            loop {
                txn.add(&Key::of(&("total",)), 1)?;
            }
        })
        .await;
    assert!(matches!(endless, Err(Error::TransactionTooLarge { .. })), "{endless:?}");
}

pub(crate) async fn more_appends_than_stamps_are_rejected(harness: &Harness) {
    // With the shortest possible keys: longer ones would reach the limit on the transaction's size first.
    let db = Db::open(Settings {
        root: String::new(),
        deadline: Duration::from_mins(1),
        ..harness.settings()
    });
    let prefix = &Key::of(&());
    let run: Result<(), Rejection> = db
        .expect("the store opens")
        .run(|txn| async move {
            for _ in 0..=u16::MAX {
                txn.append(prefix, "")?;
            }
            assert_eq!(txn.append(prefix, ""), Err(Error::TooManyAppends));
            Err(Rejection::Taken)
        })
        .await;
    assert_eq!(run, Err(Rejection::Taken));
}

pub(crate) async fn roots_are_isolated(harness: &Harness) {
    let rooted = |root: &str| {
        Db::open(Settings {
            root: format!("{}{root}", harness.root),
            ..harness.settings()
        })
        .expect("the store opens")
    };
    let roots = [rooted("a"), rooted("ab"), rooted("b"), rooted("")];
    for (n, db) in (0..).zip(&roots) {
        put(db, &[(1, Some("mine")), (10 + n, Some("mine"))]).await;
    }
    let everything = &Range::below(&Key::of(&()));
    for (n, db) in (0..).zip(&roots) {
        assert_eq!(contents(db).await, pairs(&[(1, "mine"), (10 + n, "mine")]));
        let page = db
            .run(|txn| async move { txn.range(&query(everything.clone(), Order::Descending, 10)).await })
            .await;
        let own = page.expect("read").entries;
        let own = own.iter().filter(|entry| all().contains(&entry.key));
        assert_eq!(own.count(), 2);
    }

    let cleared: Result<(), Error> = roots[1].run(|txn| async move { txn.clear_range(everything) }).await;
    cleared.expect("committed");
    let remaining = join_all(roots.iter().map(contents)).await;
    assert_eq!(remaining.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0, 2, 2]);
}
