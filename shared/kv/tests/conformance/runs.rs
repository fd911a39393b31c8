//! `Db::run`: errors, retries, deadlines, the limit on attempts, and the end of a transaction.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use kv::{Cause, Db, Error, Order, Settings};

use crate::common::Harness;
use crate::support::{Rejection, all, contents, get, k, pairs, put, query};

pub(crate) async fn a_failed_closure_commits_nothing_and_its_error_is_returned(harness: &Harness) {
    let db = harness.db();
    let run: Result<(), Rejection> = db
        .run(|txn| async move {
            txn.set(&k(1), "one")?;
            Err(Rejection::Taken)
        })
        .await;

    assert_eq!(run, Err(Rejection::Taken));
    assert_eq!(contents(&db).await, []);
    #[cfg(feature = "testing")]
    assert_eq!(db.usage().attempts, 2, "one per transaction");
}

pub(crate) async fn a_conflict_in_the_closures_own_error_is_retried(harness: &Harness) {
    let db = harness.db();
    let attempts = AtomicU32::new(0);
    let run: Result<(), Rejection> = db
        .run(|txn| {
            let first = attempts.fetch_add(1, SeqCst) == 0;
            async move {
                txn.set(&k(1), if first { "first" } else { "second" })?;
                if first { Err(Error::Conflict.into()) } else { Ok(()) }
            }
        })
        .await;

    assert_eq!(run, Ok(()));
    assert_eq!(contents(&db).await, pairs(&[(1, "second")]));
    #[cfg(feature = "testing")]
    assert_eq!(db.usage().conflicts, 1);
}

pub(crate) async fn a_closure_borrows_from_its_caller_and_run_can_be_spawned(harness: &Harness) {
    let db = harness.db();
    let spawned = tokio::spawn(async move {
        let (name, number) = ("borrowed".to_owned(), 7);
        let session = &name;
        db.run(|txn| async move {
            txn.set(&k(number), session)?;
            let page = txn.range(&query(all(), Order::Ascending, 10)).await?;
            Ok::<_, Error>((session.len(), page.entries.len()))
        })
        .await
    });
    assert_eq!(spawned.await.expect("no panic"), Ok((8, 1)));
}

pub(crate) async fn a_closure_that_always_conflicts_stops_at_the_deadline(harness: &Harness) {
    let db = harness.db();
    let (db, attempts) = (&db, &AtomicU32::new(0));
    let deadline = Duration::from_millis(200);
    let run: Result<(), Error> = db
        .with_deadline(deadline)
        .run(|txn| async move {
            txn.get(&k(1)).await?;
            let value = attempts.fetch_add(1, SeqCst).to_string();
            put(db, &[(1, Some(&value))]).await;
            txn.set(&k(2), "never")
        })
        .await;

    let made = attempts.load(SeqCst);
    // On an engine where a commit is a trip, the deadline may pass during one.
    let Err(Error::Unavailable {
        cause:
            Cause::Deadline {
                deadline: reported,
                attempts,
            }
            | Cause::Undecided {
                deadline: reported,
                attempts,
            },
    }) = run
    else {
        panic!("{run:?}")
    };
    assert_eq!(reported, deadline);
    assert!(attempts >= made, "{attempts} attempts reported, {made} made");
    assert_eq!(get(db, &k(2)).await, None);
}

pub(crate) async fn a_closure_that_hangs_stops_at_the_deadline(harness: &Harness) {
    let db = harness.db();
    let run: Result<(), Error> = db
        .with_deadline(Duration::from_millis(20))
        .run(|txn| async move {
            txn.set(&k(1), "never")?;
            std::future::pending().await
        })
        .await;

    let cause = Cause::Deadline {
        deadline: Duration::from_millis(20),
        attempts: 1,
    };
    assert_eq!(run, Err(Error::Unavailable { cause }));
    assert_eq!(contents(&db).await, []);
}

pub(crate) async fn a_closure_that_reads_forever_stops_at_the_deadline(harness: &Harness) {
    let db = harness.db();
    let run: Result<(), Error> = db
        .with_deadline(Duration::from_millis(20))
        .run(|txn| async move {
            loop {
                txn.get(&k(1)).await?;
            }
        })
        .await;

    assert!(
        matches!(
            run,
            Err(Error::Unavailable {
                cause: Cause::Deadline { attempts: 1, .. }
            })
        ),
        "{run:?}"
    );
}

pub(crate) async fn attempts_are_limited(harness: &Harness) {
    let db = Db::open(Settings {
        attempts: 3,
        ..harness.settings()
    })
    .expect("the store opens");
    let (other, attempts) = (&harness.db(), &AtomicU32::new(0));
    let run: Result<(), Error> = db
        .run(|txn| async move {
            txn.get(&k(1)).await?;
            let value = attempts.fetch_add(1, SeqCst).to_string();
            put(other, &[(1, Some(&value))]).await;
            txn.set(&k(2), "never")
        })
        .await;

    let cause = Cause::Attempts {
        attempts: 3,
        last: Box::new(Error::Conflict),
    };
    assert_eq!(run, Err(Error::Unavailable { cause }));
    assert_eq!(attempts.load(SeqCst), 3);
    assert_eq!(get(other, &k(2)).await, None);
}

pub(crate) async fn dropping_run_commits_nothing_and_ends_the_transaction(harness: &Harness) {
    let db = harness.db();
    let (kept, written) = (&Mutex::new(None), &tokio::sync::Notify::new());
    let run = db.run(|txn| async move {
        txn.get(&k(1)).await?;
        txn.set(&k(1), "never")?;
        *kept.lock().expect("no panic") = Some(txn);
        written.notify_one();
        std::future::pending::<Result<(), Error>>().await
    });
    tokio::select! {
        _ = run => unreachable!("the closure never ends"),
        () = written.notified() => {}
    }

    let txn = kept.lock().expect("no panic").take().expect("the closure has started");
    assert!(matches!(txn.get(&k(1)).await, Err(Error::Engine { .. })));
    assert_eq!(contents(&db).await, []);
}

pub(crate) async fn a_transaction_kept_after_its_end_returns_errors(harness: &Harness) {
    let db = harness.db();
    let txn = db
        .run(|txn| async move {
            txn.set(&k(1), "one")?;
            Ok::<_, Error>(txn)
        })
        .await
        .expect("committed");

    assert!(matches!(txn.get(&k(1)).await, Err(Error::Engine { .. })));
    assert!(matches!(
        txn.range(&query(all(), Order::Ascending, 1)).await,
        Err(Error::Engine { .. })
    ));
    assert!(matches!(txn.set(&k(1), "two"), Err(Error::Engine { .. })));
    assert!(matches!(txn.watch(&k(1)), Err(Error::Engine { .. })));
    assert_eq!(contents(&db).await, pairs(&[(1, "one")]));
}

#[cfg(feature = "testing")]
pub(crate) async fn usage_counts_operations(harness: &Harness) {
    use crate::support::attempts_with;

    let db = harness.db();
    put(&db, &[(1, Some("a")), (2, Some("b")), (3, Some("c"))]).await;
    let (before, shared) = (db.usage(), db.clone().with_deadline(Duration::from_secs(30)));
    let read = |txn: kv::Txn| async move {
        txn.get(&k(1)).await?;
        txn.get(&k(9)).await?;
        txn.range(&query(all(), Order::Ascending, 2)).await.map(drop)
    };
    assert_eq!(attempts_with(&shared, read, &[(1, Some("A"))]).await, 2);

    let after = db.usage();
    assert_eq!(after.transactions - before.transactions, 2);
    assert_eq!(after.attempts - before.attempts, 3);
    assert_eq!(after.commits - before.commits, 2);
    assert_eq!(after.conflicts - before.conflicts, 1);
    assert_eq!(after.reads - before.reads, 2 * 3);
    assert_eq!(after.keys_read - before.keys_read, 2 * (1 + 1 + 2));
    assert_eq!(harness.db().usage(), kv::Usage::default());
}
