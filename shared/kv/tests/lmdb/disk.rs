//! A full store: the limit of its data file, of the process, and of a file system.

use std::process::Command;

use futures_util::future::join_all;
use kv::{Db, Error, Key, Order, Query, Range, Settings};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::common::{CHILD_ARGS, Child, Harness, report};
use crate::support::{get, k, set};

/// Values of one transaction of [`fill`].
const STEP: u32 = 4;

fn value(n: u32) -> Vec<u8> {
    n.to_le_bytes().repeat(25_000)
}

/// A second process whose files cannot grow beyond 20 or 40 MB: the limit's unit is 512 or 1024 bytes, depending on the
/// shell. `SIGXFSZ` is ignored, so that the write fails with an error instead.
fn child_with_little_disk() -> Command {
    shell(r#"trap '' XFSZ; ulimit -S -f 40960; exec "$0" "$@""#)
}

/// A second process that `script` starts as `"$0" "$@"`.
fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .arg(std::env::current_exe().expect("a path of this binary"))
        .args(CHILD_ARGS);
    command
}

async fn count(txn: &kv::Txn) -> Result<u32, Error> {
    let count = txn.get(&Key::of(&("count",))).await?;
    Ok(u32::try_from(kv::counter(count.as_deref())).expect("a small number"))
}

/// Adds entries and increments their count.
async fn fill(db: &Db) -> Result<(), Error> {
    db.run(|txn| async move {
        let count = count(&txn).await?;
        for n in count..count + STEP {
            txn.set(&k(n), value(n))?;
        }
        txn.add(&Key::of(&("count",)), STEP.into())
    })
    .await
}

/// The count of entries; panics if the entries differ from the count.
async fn filled(db: &Db) -> u32 {
    let (count, entries) = db
        .run(|txn| async move {
            let range = Range::below(&Key::of(&("k",)));
            let query = Query {
                range,
                order: Order::Ascending,
                limit: usize::MAX,
            };
            Ok::<_, Error>((count(&txn).await?, txn.range(&query).await?.entries))
        })
        .await
        .expect("a read needs no disk space");
    let expected = (0..count).map(|n| (k(n), value(n)));
    assert!(entries.into_iter().map(|entry| (entry.key, entry.value)).eq(expected));
    count
}

/// Fills the store and returns its last error.
async fn fill_up(db: &Db) -> Error {
    loop {
        if let Err(error) = fill(db).await {
            break error;
        }
    }
}

/// Removes the last entries. Unlike an ordinary transaction, it may use the reserve.
async fn remove_some(db: &Db) -> Result<(), Error> {
    db.run(|txn| async move {
        txn.use_reserve();
        let count = count(&txn).await?;
        for n in count - STEP..count {
            txn.clear(&k(n))?;
        }
        txn.add(&Key::of(&("count",)), -i64::from(STEP))
    })
    .await
}

/// A small write that fails in a store that is nearly full.
async fn probe(db: &Db) -> Result<(), Error> {
    db.run(|txn| async move {
        txn.require_room();
        txn.set(&Key::of(&("probe",)), "")
    })
    .await
}

/// Fills the store and empties it, as long as nothing but its own limit changes.
async fn fill_and_empty(db: &Db) -> Error {
    set(db, 1_000_000, b"before").await.expect("committed");
    let cleared: Result<(), Error> = db.run(|txn| async move { txn.clear(&k(1_000_000)) }).await;
    cleared.expect("committed");
    probe(db).await.expect("the store is not full");

    let error = fill_up(db).await;
    assert!(matches!(error, Error::Full { .. }), "{error:?}");
    let full = filled(db).await;
    #[cfg(feature = "testing")]
    let attempts = db.usage().attempts;
    assert!(full > 5 * STEP, "{full} entries before the store was full");
    assert_eq!(fill(db).await, Err(error.clone()));
    #[cfg(feature = "testing")]
    assert_eq!(db.usage().attempts, attempts + 1, "a full store is not retried");
    assert_eq!(filled(db).await, full);
    assert!(matches!(probe(db).await, Err(Error::Full { .. })));
    // The store reuses the space of a removed entry two commits later, so deletions need new space at first.
    let written: Result<(), Error> = db
        .run(|txn| async move {
            txn.use_reserve();
            (0..20).try_for_each(|n| txn.set(&Key::of(&("reserve", n)), value(n)))
        })
        .await;
    written.expect("2 MB of the reserve");
    let read: Result<_, Error> = db
        .run(|txn| async move { txn.get(&Key::of(&("reserve", 7))).await })
        .await;
    assert_eq!(read, Ok(Some(value(7))));
    assert!(
        matches!(set(db, 0, &value(0)).await, Err(Error::Full { .. })),
        "not even a change"
    );
    let range = &Range::below(&Key::of(&("reserve",)));
    let cleared: Result<(), Error> = db
        .run(|txn| async move {
            txn.use_reserve();
            txn.clear_range(range)
        })
        .await;
    cleared.expect("a deletion uses the reserve");

    for removed in 1..=4 {
        remove_some(db).await.expect("a deletion uses the reserve");
        assert_eq!(filled(db).await, full - removed * STEP);
    }
    probe(db).await.expect("there is room again");
    // The freed pages are used again, which takes a few commits.
    for _ in 0..3 {
        fill(db).await.expect("there is room again");
    }
    let error = fill_up(db).await;
    while filled(db).await > 0 {
        remove_some(db).await.expect("a deletion uses the reserve");
    }
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_at_its_largest_size_rejects_writes_and_can_be_emptied() {
    let harness = Harness::lmdb("map");
    let db = open_small(&harness, 32 << 20);
    fill_and_empty(&db).await;
}

fn open_small(harness: &Harness, max_len: usize) -> Db {
    let settings = harness.settings();
    Db::open(Settings { max_len, ..settings }).expect("the store opens")
}

pub(crate) async fn fill_the_disk(db: &Db) {
    let error = fill_and_empty(db).await;
    fill_up(db).await;
    let full = filled(db).await;
    let limit = getrlimit(Resource::Fsize);
    setrlimit(
        Resource::Fsize,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )
    .expect("the limit can be raised");
    fill(db).await.expect("the file can grow again");
    assert_eq!(filled(db).await, full + STEP);
    report(error);
}

#[test]
fn a_full_disk_rejects_whole_commits_and_the_store_can_be_emptied() {
    let harness = Harness::lmdb("full");
    let mut child = Child::start(child_with_little_disk(), &format!("fill {}", harness.describe()));
    let error = child.next_report().expect("an error");
    assert!(error.starts_with("the store is full: "), "{error}");
    assert_eq!(child.next_report().as_deref(), Some("done"));
}

/// Fills the store's file system with other files as well, so that only what the store has reserved is left.
pub(crate) async fn fill_the_file_system(db: &Db, folder: &std::path::Path) {
    fill(db).await.expect("the file system is empty");
    let mut other = std::fs::File::create(folder.join("other")).expect("a file");
    let full = loop {
        if let Err(error) = std::io::Write::write_all(&mut other, &[1; 4096]) {
            break error;
        }
    };
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let error = fill_and_empty(db).await;
    assert!(matches!(error, Error::Full { .. }), "{error:?}");
}

#[test]
#[ignore = "mounts a file system in a user namespace, which many machines forbid"]
fn a_full_file_system_rejects_writes_and_the_store_can_be_emptied() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().display();
    let mut command = Command::new("unshare");
    command
        .args(["--map-root-user", "--mount", "sh", "-c"])
        .arg(format!(r#"mount -t tmpfs -o size=40m tmpfs {path} && exec "$0" "$@""#))
        .arg(std::env::current_exe().expect("a path of this binary"))
        .args(CHILD_ARGS);
    let mut child = Child::start(command, &format!("file-system lmdb {path}/store full {path}"));
    assert_eq!(child.next_report().as_deref(), Some("done"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_too_large_for_the_disk_does_not_fail_the_others_in_its_batch() {
    let harness = Harness::lmdb("neighbours");
    let db = &open_small(&harness, 16 << 20);
    for round in 0..20 {
        let write = |n: u32, len: usize| async move {
            let value = &vec![round; len.min(90_000)];
            let keys = u32::try_from(len.div_ceil(90_000)).expect("few");
            db.run(|txn| async move { (0..keys).try_for_each(|i| txn.set(&k(100 * n + i), value)) })
                .await
        };
        // The first commit keeps the committer busy while the others wait in the queue.
        let lens = [1000, 8_900_000, 1000, 1000, 1000, 1000];
        let outcomes: Vec<Result<(), Error>> = join_all((0..).zip(lens).map(|(n, len)| write(n, len))).await;
        for (outcome, len) in outcomes.into_iter().zip(lens) {
            match outcome {
                Ok(()) if len == 1000 => {}
                Err(Error::Full { .. }) if len != 1000 => {}
                outcome => panic!("round {round}, {len} bytes: {outcome:?}"),
            }
        }
        for n in [0, 2, 3, 4, 5] {
            assert_eq!(get(db, 100 * n).await, Ok(Some(vec![round; 1000])));
        }
        assert_eq!(get(db, 100).await, Ok(None));
    }
}
