//! Readers: reuse of their space, their limit, and readers that died.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use futures_util::future::{join_all, pending};
use kv::{Cause, Db, Error, Txn};
use tokio::sync::{Notify, watch};

use crate::common::{Child, Harness, child_command, report};
use crate::support::{folder, k, set};

/// Overwrites one value 300 times, 15 MB in all, and returns the size of the data file in bytes.
async fn size_after_overwriting(harness: &Harness, db: &Db) -> u64 {
    for n in 0..300_u32 {
        set(db, 1, &n.to_be_bytes().repeat(12_500)).await.expect("committed");
    }
    folder(harness).join("data.mdb").metadata().expect("a data file").len()
}

#[tokio::test]
async fn space_of_old_values_is_reused_although_a_closure_keeps_its_transaction() {
    let harness = Harness::lmdb("reused");
    let db = harness.db();
    set(&db, 1, b"old").await.unwrap();
    let kept = &Mutex::new(Vec::new());
    let read = |txn: Txn| async move {
        txn.get(&k(1)).await?;
        Ok::<_, Error>(txn)
    };
    let ended = db.run(read).await.unwrap();
    kept.lock().unwrap().push(ended);
    let taken = &Notify::new();
    let hangs = db.run(|txn| async move {
        let txn = read(txn).await?;
        kept.lock().unwrap().push(txn);
        taken.notify_one();
        pending::<Result<(), Error>>().await
    });
    tokio::select! {
        _ = hangs => unreachable!("the closure hangs"),
        () = taken.notified() => {}
    }

    let size = size_after_overwriting(&harness, &db).await;
    assert_eq!(kept.lock().unwrap().len(), 2);
    assert!(size < 2_000_000, "{size} bytes");
}

/// Reads in `count` concurrent transactions, and keeps them open until the process is killed.
pub(crate) async fn hold_snapshots(db: &Db, count: u32) {
    let (open, opened) = (&AtomicU32::new(0), &Notify::new());
    let all = join_all((0..count).map(|n| {
        db.run(move |txn| async move {
            txn.get(&k(n)).await?;
            if open.fetch_add(1, SeqCst) + 1 == count {
                opened.notify_one();
            }
            pending::<Result<(), Error>>().await
        })
    }));
    tokio::join!(all, async {
        opened.notified().await;
        report("holding");
    });
}

fn kill_while_holding_snapshots(harness: &Harness, count: u32) {
    let mut child = Child::start(child_command(), &format!("snapshots {} {count}", harness.describe()));
    assert_eq!(child.next_report().as_deref(), Some("holding"));
}

#[tokio::test]
async fn space_of_old_values_is_reused_after_a_reading_process_was_killed() {
    let harness = Harness::lmdb("stale");
    let db = harness.db();
    set(&db, 1, b"old").await.unwrap();
    kill_while_holding_snapshots(&harness, 1);

    let size = size_after_overwriting(&harness, &db).await;
    assert!(size < 8_000_000, "{size} bytes");
}

#[tokio::test]
async fn the_slots_of_killed_readers_are_reused() {
    let harness = Harness::lmdb("slots");
    let db = harness.db();
    kill_while_holding_snapshots(&harness, 1000);

    let (barrier, deadline) = (
        &tokio::sync::Barrier::new(500),
        db.with_deadline(Duration::from_secs(20)),
    );
    let reads = (0..500).map(|n| {
        deadline.run(move |txn| async move {
            txn.get(&k(n)).await?;
            barrier.wait().await;
            Ok::<_, Error>(())
        })
    });
    assert!(join_all(reads).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn readers_beyond_the_limit_wait_until_others_end() {
    let harness = Harness::lmdb("readers");
    let db = &harness.db();
    let (release, released) = watch::channel(false);
    let (rejected, released) = (&Notify::new(), &released);
    let reads = (0..1500).map(|n| {
        db.run(move |txn| async move {
            let read = txn.get(&k(n)).await;
            if let Err(error) = &read {
                assert_eq!(error, &Error::Unavailable { cause: Cause::Readers });
                rejected.notify_one();
            }
            read?;
            released
                .clone()
                .wait_for(|released| *released)
                .await
                .expect("the sender exists");
            Ok::<_, Error>(())
        })
    });
    let (reads, ()) = tokio::join!(join_all(reads), async {
        rejected.notified().await;
        release.send_replace(true);
    });

    assert!(reads.iter().all(Result::is_ok));
    #[cfg(feature = "testing")]
    assert!(db.usage().attempts > 1500);
}
