//! Copies of a store in use, and folders that are reserved for one.

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use kv::{DATA_FILE, Db, Error, Key, Occupied, Order, Query, Range, Settings, VacantFolder};

use crate::common::Harness;
use crate::support::{folder, k};

/// Adds an entry, and counts it.
async fn add(db: &Db, value: &[u8]) -> Result<u32, Error> {
    db.run(|txn| async move {
        let count = txn.get(&Key::of(&("count",))).await?;
        let count = u32::try_from(kv::counter(count.as_deref())).expect("a small number");
        txn.set(&k(count), value)?;
        txn.add(&Key::of(&("count",)), 1)?;
        Ok(count + 1)
    })
    .await
}

/// The number of entries; panics if the entries differ from the count.
async fn count(db: &Db) -> u32 {
    let query = &Query {
        range: Range::below(&Key::of(&("k",))),
        order: Order::Ascending,
        limit: usize::MAX,
    };
    let read = db.run(|txn| async move {
        let count = txn.get(&Key::of(&("count",))).await?;
        Ok::<_, Error>((count, txn.range(query).await?.entries))
    });
    let (count, entries) = read.await.expect("a read");
    let count = u32::try_from(kv::counter(count.as_deref())).expect("a small number");
    assert!(entries.into_iter().map(|entry| entry.key).eq((0..count).map(k)));
    count
}

/// Appends an entry to a log.
async fn append(db: &Db, value: &[u8]) {
    let appended = db.run(|txn| async move { txn.append(&Key::of(&("log",)), value) });
    appended.await.map_err(|error: Error| error).expect("committed");
}

/// The values of the log, in its order.
async fn log(db: &Db) -> Vec<Vec<u8>> {
    let query = &Query {
        range: Range::below(&Key::of(&("log",))),
        order: Order::Ascending,
        limit: usize::MAX,
    };
    let page = db
        .run(|txn| async move { txn.range(query).await })
        .await
        .expect("a read");
    page.entries.into_iter().map(|entry| entry.value).collect()
}

/// A second store that contains `bytes`.
fn store_with(bytes: &[u8]) -> Harness {
    let copied = Harness::lmdb("copied");
    let vacant = VacantFolder::claim(folder(&copied)).expect("an empty folder");
    let mut file = vacant.data_file().expect("a file");
    std::io::Write::write_all(&mut file, bytes).expect("written");
    vacant.install().expect("installed");
    copied
}

fn open(harness: &Harness, root: &str) -> Db {
    let settings = Settings {
        root: root.to_owned(),
        ..harness.settings()
    };
    Db::open(settings).expect("the store opens")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_has_the_acknowledged_writes_before_it_and_none_after_it() {
    let harness = Harness::lmdb("copy");
    let db = harness.db();
    let value = &vec![7; 50_000];
    let mut before = 0;
    while before < 40 {
        before = add(&db, value).await.expect("committed");
    }
    append(&db, b"earlier").await;
    let mut copy = db.copy().expect("it starts").expect("this is LMDB");
    // Once a part was read, the snapshot is fixed, and the pipe is too short for the rest.
    let mut bytes = vec![0; 20_000];
    copy.read_exact(&mut bytes).expect("the beginning");
    for _ in 0..40 {
        add(&db, value).await.expect("committed");
    }
    copy.read_to_end(&mut bytes).expect("the rest");

    let copied = open(&store_with(&bytes), &harness.root);
    assert_eq!(count(&copied).await, before);
    // The copy continues the ids of its transactions, so later entries are appended after the earlier ones.
    append(&copied, b"later").await;
    assert_eq!(log(&copied).await, [&b"earlier"[..], b"later"]);
    assert_eq!(add(&copied, value).await, Ok(before + 1));
    assert_eq!(count(&db).await, before + 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_a_store_under_load_are_consistent() {
    let harness = Harness::lmdb("load");
    let (db, stop) = (harness.db(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                while !stop.load(Relaxed) {
                    add(&db, &[7; 5000]).await.expect("committed");
                }
            });
        });
        for _ in 0..10 {
            let mut bytes = Vec::new();
            let mut copy = db.copy().expect("it starts").expect("this is LMDB");
            copy.read_to_end(&mut bytes).expect("a copy");
            let copied = open(&store_with(&bytes), &harness.root);
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(count(&copied)));
        }
        stop.store(true, Relaxed);
    });
}

/// Overwrites an entry until that fails.
async fn overwrite(db: &Db) -> Error {
    let value = &vec![8; 90_000];
    loop {
        let written: Result<(), Error> = db.run(|txn| async move { txn.set(&k(0), value) }).await;
        if let Err(error) = written {
            break error;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_a_copy_keeps_can_fill_the_store_until_it_ends() {
    let harness = Harness::lmdb("pages");
    let settings = Settings {
        max_len: 24 << 20,
        ..harness.settings()
    };
    let db = Db::open(settings).expect("the store opens");
    for _ in 0..5 {
        add(&db, &vec![7; 90_000]).await.expect("committed");
    }
    let mut copy = db.copy().expect("it starts").expect("this is LMDB");
    let mut bytes = vec![0; 20_000];
    copy.read_exact(&mut bytes).expect("the beginning");

    let error = overwrite(&db).await;
    assert!(matches!(error, Error::Full { .. }), "{error:?}");
    assert_eq!(count(&db).await, 5);

    copy.read_to_end(&mut bytes).expect("the rest");
    for _ in 0..300 {
        add(&db, b"small").await.expect("the pages are free again");
    }
    let copied = open(&store_with(&bytes), &harness.root);
    assert_eq!(count(&copied).await, 5);
}

#[tokio::test]
async fn a_folder_with_a_store_cannot_be_claimed_and_one_that_was_claimed_is_empty() {
    let harness = Harness::lmdb("claim");
    let folder = folder(&harness);
    let claim = || VacantFolder::claim(folder);
    let vacant = claim().expect("a missing folder");
    vacant.data_file().expect("a file");
    // As if the restore failed: the next one starts from nothing.
    drop(vacant);
    let names = || {
        folder
            .read_dir()
            .expect("the folder")
            .map(|entry| entry.expect("an entry").file_name())
    };
    assert_eq!(names().collect::<Vec<_>>(), ["lock.mdb"]);
    // As if it was killed: no store is created in the place of the one that was to be restored.
    let unfinished = claim().expect("a folder with a lock file only").unfinished();
    std::fs::create_dir(&unfinished).expect("a folder");
    let error = Db::open(harness.settings()).expect_err("an unfinished restore");
    assert!(
        error.to_string().contains("a restore into it was interrupted"),
        "{error}"
    );
    drop(claim().expect("a folder with an unfinished restore"));
    assert!(!unfinished.exists());

    add(&harness.db(), b"value").await.expect("committed");
    assert!(matches!(claim(), Err(Occupied::Store(at)) if at == folder));
    assert!(folder.join(DATA_FILE).exists());
    let below_a_file = folder.join(DATA_FILE).join("store");
    assert!(matches!(VacantFolder::claim(&below_a_file), Err(Occupied::Io { .. })));
}

#[tokio::test]
async fn every_root_of_a_store_is_found_once() {
    let harness = Harness::lmdb("roots");
    let roots = ["", "a", "a\0", "a\0b", "aa", "ä"];
    for root in roots {
        let db = open(&harness, root);
        for _ in 0..3 {
            add(&db, root.as_bytes()).await.expect("committed");
        }
        let last = db.run(|txn| async move { txn.set(&Key::of(&(i64::MAX,)), []) });
        last.await.map_err(|error: Error| error).expect("committed");
    }
    let db = open(&harness, "empty");
    let found = db.every_root().await.expect("a read").expect("this is LMDB");
    assert_eq!(found.len(), roots.len());
    for (db, root) in found.iter().zip(roots) {
        assert_eq!(count(db).await, 3);
        let value = db.run(|txn| async move { txn.get(&k(0)).await }).await;
        assert_eq!(value, Ok(Some(root.as_bytes().to_vec())));
    }
}
