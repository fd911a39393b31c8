//! What only the embedded engine has to stand: files, disks, and processes that share a folder.

mod common;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use common::{CHILD_ARGS, Child, Harness, child_command, say, task};
use futures_util::future::{join_all, pending};
use kv::{Cause, Db, Engine, Error, Key, Order, Query, Range, Settings, Txn};
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use tempfile::TempDir;
use tokio::sync::{Notify, watch};

/// What this binary does when it is the second process of a test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the tests that need a second process"]
async fn child() {
    let task = task();
    let words: Vec<_> = task.iter().map(String::as_str).collect();
    let Some((role, arguments)) = words.split_first() else {
        return;
    };
    if *role == "open" {
        let opened = Db::open(Settings::new(Engine::Lmdb(arguments[0].into())));
        return say(opened.map_or_else(|error| error.to_string(), |_| "opened".to_owned()));
    }
    if *role == "lock" {
        let file = File::options()
            .read(true)
            .write(true)
            .open(arguments[0])
            .expect("a lock file");
        let locked = fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive);
        return say(if locked.is_ok() { "nobody uses it" } else { "in use" });
    }
    let db = Harness::parse(arguments).db();
    match *role {
        "churn" => churn(&db).await,
        "snapshots" => hold_snapshots(&db, arguments[3].parse().expect("a number")).await,
        "fill" => fill_the_disk(&db).await,
        "neighbours" => fail_beside_others(&db).await,
        role => panic!("no such role: {role}"),
    }
    say("done");
}

fn folder(harness: &Harness) -> &Path {
    match &harness.engine {
        Engine::Lmdb(folder) => folder,
        #[cfg(feature = "fdb")]
        Engine::Fdb(_) => panic!("these tests are LMDB's"),
    }
}

fn k(n: u32) -> Key {
    Key::of(&("k", n))
}

async fn set(db: &Db, n: u32, value: &[u8]) -> Result<(), Error> {
    db.run(|txn| async move { txn.set(&k(n), value) }).await
}

async fn get(db: &Db, n: u32) -> Result<Option<Vec<u8>>, Error> {
    db.run(|txn| async move { txn.get(&k(n)).await }).await
}

/// Commits without end, and so holds the write lock nearly all the time. Reads nothing, so that it is never stopped while it
/// holds the lock of the reader table.
async fn churn(db: &Db) {
    loop {
        set(db, 0, &vec![0; 50_000]).await.expect("committed");
        say("committed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_waits_for_a_stopped_process_is_withdrawn_at_the_deadline() {
    let harness = Harness::lmdb("withdrawn");
    let db = harness.db();
    set(&db, 1, b"before").await.unwrap();
    let mut child = Child::start(child_command(), &format!("churn {}", harness.describe()));
    let pid = Pid::from_child(&child.process);

    // It is stopped at a place of chance: with the write lock if the commit below fails, without it if not.
    let mut withdrawn = false;
    for _ in 0..100 {
        child.hear().expect("the child commits");
        kill_process(pid, Signal::STOP).unwrap();
        match set(&db.with_deadline(Duration::from_millis(100)), 1, b"too late").await {
            Err(Error::Unavailable {
                cause: Cause::Deadline { attempts: 1, .. },
            }) => withdrawn = true,
            // The disk may be so slow that a commit which found the lock free is not done by then.
            Ok(())
            | Err(Error::Unavailable {
                cause: Cause::Undecided { .. },
            }) => {}
            Err(error) => panic!("{error}"),
        }
        if withdrawn {
            break;
        }
        kill_process(pid, Signal::CONT).unwrap();
        set(&db, 1, b"before").await.unwrap();
    }
    assert!(withdrawn, "no commit was withdrawn");
    assert_eq!(get(&db, 1).await, Ok(Some(b"before".to_vec())), "reads need no lock");

    kill_process(pid, Signal::CONT).unwrap();
    // Commits are applied in the order they came: what came before this one and was not withdrawn is applied by now.
    set(&db, 2, b"after").await.unwrap();
    assert_eq!(get(&db, 1).await, Ok(Some(b"before".to_vec())));
}

/// Makes the process `command` starts one without privileges, for which permissions count.
fn unprivileged(command: &mut Command) -> &mut Command {
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534)
    } else {
        command
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named_in_the_error() {
    let outside = TempDir::new().unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    mode(outside.path(), 0o755);
    // Readable to the unprivileged, as a build folder need not be.
    let binary = outside.path().join("binary");
    fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    let closed = outside.path().join("closed");
    fs::create_dir(&closed).unwrap();
    mode(&closed, 0o555);
    let open = |folder: &Path| {
        let mut command = Command::new(&binary);
        unprivileged(command.args(CHILD_ARGS));
        Child::start(command, &format!("open {}", folder.display()))
            .hear()
            .expect("an answer")
    };

    let missing = closed.join("store");
    for (folder, why) in [
        (&missing, "the folder cannot be made"),
        (&closed, "its lock file cannot be written"),
    ] {
        let expected = format!(
            "cannot open the store in {}: {why}: Permission denied (os error 13)",
            folder.display()
        );
        assert_eq!(open(folder), expected);
    }
    mode(&closed, 0o755);
}

#[test]
fn a_path_that_is_not_a_folder_of_ours_is_named_in_the_error() {
    let outside = TempDir::new().unwrap();
    let refused = |folder: &Path| match Db::open(Settings::new(Engine::Lmdb(folder.to_owned()))) {
        Err(Error::Open { folder: named, why }) if named == folder => why,
        other => panic!("{other:?}"),
    };
    let file = outside.path().join("file");
    File::create(&file).unwrap();
    assert_eq!(refused(&file), "it is not a folder");
    assert_eq!(
        refused(&file.join("store")),
        "the folder cannot be made: Not a directory (os error 20)"
    );

    let foreign = outside.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("data.mdb"), [b'x'; 8192]).unwrap();
    assert_eq!(refused(&foreign), "its files are not LMDB's");
}

#[tokio::test]
async fn a_missing_folder_is_made_for_its_owner_alone() {
    let outside = TempDir::new().unwrap();
    let folder = outside.path().join("missing").join("store");
    let db = Db::open(Settings::new(Engine::Lmdb(folder.clone()))).unwrap();
    set(&db, 1, b"one").await.unwrap();

    let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("data.mdb")), 0o600);
    assert_eq!(mode(&folder.join("lock.mdb")), 0o600);
}

#[cfg(target_os = "linux")]
#[test]
fn the_lock_file_has_its_space_reserved() {
    let harness = Harness::lmdb("reserved");
    let _db = harness.db();
    let folder = folder(&harness);
    let file = folder.join("lock.mdb").metadata().unwrap();
    assert!(
        file.blocks() * 512 >= file.len(),
        "{} blocks for {} bytes",
        file.blocks(),
        file.len()
    );
    assert!(
        file.len() >= 1024 * 64,
        "{} bytes are too few for 1024 readers",
        file.len()
    );
}

#[tokio::test]
async fn a_folder_is_opened_once_whatever_it_is_called() {
    let harness = Harness::lmdb("once");
    let db = harness.db();
    let folder = folder(&harness);
    let link = folder.parent().unwrap().join("link");
    symlink(folder, &link).unwrap();
    let linked = Db::open(Settings {
        engine: Engine::Lmdb(link),
        ..harness.settings()
    })
    .unwrap();
    set(&linked, 1, b"one").await.unwrap();
    assert_eq!(get(&db, 1).await, Ok(Some(b"one".to_vec())));

    drop(db);
    // Closing any of its files would drop the locks of all, and the next process would take the store for one unused.
    let task = format!("lock {}", folder.join("lock.mdb").display());
    assert_eq!(Child::start(child_command(), &task).hear().as_deref(), Some("in use"));
    drop(linked);
}

#[tokio::test]
async fn a_store_is_reopened_as_soon_as_its_last_handle_is_dropped() {
    let harness = Harness::lmdb("reopened");
    for n in 0..50 {
        let db = harness.db();
        set(&db, n, b"kept").await.unwrap();
        assert_eq!(get(&db, 0).await, Ok(Some(b"kept".to_vec())));
    }
}

#[tokio::test]
async fn a_folder_replaced_under_an_open_store_is_refused() {
    let harness = Harness::lmdb("replaced");
    let db = harness.db();
    let folder = folder(&harness);
    fs::remove_dir_all(folder).unwrap();
    let reopened = Db::open(harness.settings());
    assert!(
        matches!(&reopened, Err(Error::Open { why, .. }) if why.contains("removed or replaced")),
        "{reopened:?}"
    );

    drop(db);
    let db = Db::open(harness.settings()).unwrap();
    assert_eq!(get(&db, 1).await, Ok(None));
}

/// Bytes of the data file after overwriting one large value three hundred times, 15 MB in all.
async fn size_after_overwriting(harness: &Harness, db: &Db) -> u64 {
    for n in 0..300_u32 {
        set(db, 1, &n.to_be_bytes().repeat(12_500)).await.expect("committed");
    }
    folder(harness).join("data.mdb").metadata().expect("a data file").len()
}

#[tokio::test]
async fn a_run_that_ended_does_not_keep_old_values_from_being_reused() {
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
        _ = hangs => unreachable!("it hangs"),
        () = taken.notified() => {}
    }

    let size = size_after_overwriting(&harness, &db).await;
    assert_eq!(kept.lock().unwrap().len(), 2);
    assert!(size < 2_000_000, "{size} bytes");
}

/// Reads in as many transactions at once, and keeps them open until killed.
async fn hold_snapshots(db: &Db, count: u32) {
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
        say("holding");
    });
}

fn kill_while_holding_snapshots(harness: &Harness, count: u32) {
    let mut child = Child::start(child_command(), &format!("snapshots {} {count}", harness.describe()));
    assert_eq!(child.hear().as_deref(), Some("holding"));
}

#[tokio::test]
async fn a_process_killed_while_reading_does_not_keep_old_values_from_being_reused() {
    let harness = Harness::lmdb("stale");
    let db = harness.db();
    set(&db, 1, b"old").await.unwrap();
    kill_while_holding_snapshots(&harness, 1);

    let size = size_after_overwriting(&harness, &db).await;
    assert!(size < 8_000_000, "{size} bytes");
}

#[tokio::test]
async fn the_places_of_killed_readers_are_taken_over() {
    let harness = Harness::lmdb("taken-over");
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
    let (refused, released) = (&Notify::new(), &released);
    let reads = (0..1500).map(|n| {
        db.run(move |txn| async move {
            let read = txn.get(&k(n)).await;
            if let Err(error) = &read {
                assert_eq!(error, &Error::Unavailable { cause: Cause::Readers });
                refused.notify_one();
            }
            read?;
            released
                .clone()
                .wait_for(|released| *released)
                .await
                .expect("it is released");
            Ok::<_, Error>(())
        })
    });
    let (reads, ()) = tokio::join!(join_all(reads), async {
        refused.notified().await;
        release.send_replace(true);
    });

    assert!(reads.iter().all(Result::is_ok));
    assert!(db.usage().attempts > 1500);
}

/// A second process whose files cannot grow over about 2 MB, as on a full disk. (The size is in units of 512 or 1024 bytes,
/// depending on the shell.) Ignoring the signal makes it an error of the write.
fn child_with_little_disk() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", r#"trap '' XFSZ; ulimit -S -f 4096; exec "$0" "$@""#]);
    command
        .arg(std::env::current_exe().expect("a path of this binary"))
        .args(CHILD_ARGS);
    command
}

/// Adds an entry and counts it.
async fn fill(db: &Db) -> Result<(), Error> {
    db.run(|txn| async move {
        let count = txn.get(&Key::of(&("count",))).await?.map_or(0, |count| count[0]);
        txn.set(&k(count.into()), vec![count; 50_000])?;
        txn.set(&Key::of(&("count",)), [count + 1])
    })
    .await
}

/// The number of entries, as counted; panics if those are not the entries that are there.
async fn filled(db: &Db) -> u8 {
    let (count, entries) = db
        .run(|txn| async move {
            let count = txn.get(&Key::of(&("count",))).await?.map_or(0, |count| count[0]);
            let range = Range::below(&Key::of(&("k",)));
            let page = txn
                .range(&Query {
                    range,
                    order: Order::Ascending,
                    limit: usize::MAX,
                })
                .await?;
            Ok::<_, Error>((count, page.entries))
        })
        .await
        .expect("reading needs no disk");
    let expected = (0..count).map(|n| (k(n.into()), vec![n; 50_000]));
    assert!(entries.into_iter().map(|entry| (entry.key, entry.value)).eq(expected));
    count
}

async fn fill_the_disk(db: &Db) {
    let error = loop {
        if let Err(error) = fill(db).await {
            break error;
        }
    };
    let attempts = db.usage().attempts;
    assert!(
        matches!(
            &error,
            Error::Unavailable {
                cause: Cause::Disk { .. }
            }
        ),
        "{error:?}"
    );
    let full = filled(db).await;
    assert!(matches!(
        fill(db).await,
        Err(Error::Unavailable {
            cause: Cause::Disk { .. }
        })
    ));
    assert_eq!(filled(db).await, full);
    assert_eq!(db.usage().attempts, attempts + 3, "a full disk is answered at once");

    let limit = getrlimit(Resource::Fsize);
    setrlimit(
        Resource::Fsize,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )
    .expect("the limit is raised");
    fill(db).await.expect("there is room again");
    assert_eq!(filled(db).await, full + 1);
    say(error);
}

#[test]
fn a_full_disk_refuses_commits_whole_and_serves_on_when_there_is_room() {
    let harness = Harness::lmdb("full");
    let mut child = Child::start(child_with_little_disk(), &format!("fill {}", harness.describe()));
    let error = child.hear().expect("an error");
    assert!(
        error.starts_with("the store is unavailable: the disk does not take the write: "),
        "{error}"
    );
    assert_eq!(child.hear().as_deref(), Some("done"));
}

async fn fail_beside_others(db: &Db) {
    for round in 0..20 {
        let write = |n: u32, len: usize| async move {
            let value = &vec![round; len.min(90_000)];
            let keys = u32::try_from(len.div_ceil(90_000)).expect("few");
            db.run(|txn| async move { (0..keys).try_for_each(|i| txn.set(&k(100 * n + i), value)) })
                .await
        };
        // The first keeps the committer busy while the others queue up behind it.
        let lens = [1000, 8_900_000, 1000, 1000, 1000, 1000];
        let outcomes: Vec<Result<(), Error>> = join_all((0..).zip(lens).map(|(n, len)| write(n, len))).await;
        for (outcome, len) in outcomes.into_iter().zip(lens) {
            match outcome {
                Ok(()) if len == 1000 => {}
                Err(Error::Unavailable {
                    cause: Cause::Disk { .. },
                }) if len != 1000 => {}
                outcome => panic!("round {round}, {len} bytes: {outcome:?}"),
            }
        }
        for n in [0, 2, 3, 4, 5] {
            assert_eq!(get(db, 100 * n).await, Ok(Some(vec![round; 1000])));
        }
        assert_eq!(get(db, 100).await, Ok(None));
    }
}

#[test]
fn a_transaction_too_large_for_the_disk_does_not_fail_those_beside_it() {
    let harness = Harness::lmdb("neighbours");
    let mut child = Child::start(child_with_little_disk(), &format!("neighbours {}", harness.describe()));
    assert_eq!(child.hear().as_deref(), Some("done"));
}
