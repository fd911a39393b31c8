//! Contents on a real store.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kv::faulty::{Latency, Plan};
use kv::{Db, Engine, Key, Meter, Order, Query, Settings};
use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::error::{Error, Result};
use crate::id::{Id as _, TenantId};
use crate::scope::TenantScope;
use crate::tenants;
use crate::time::Timestamp;
use crate::usage::{self, Quota};

fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

struct TestStore {
    _folder: TempDir,
    db: Db,
}

fn scope(tenant: u128) -> TenantScope {
    TenantScope::of_stored_key(TenantId::from_uuid(Uuid::from_u128(tenant)))
}

impl TestStore {
    /// A store with the tenants 1 and 2.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(Settings::new(Engine::Lmdb(folder.path().into()))).unwrap();
        let store = Self { _folder: folder, db };
        for tenant in [1, 2] {
            let key = &tenants::keys::tenant(scope(tenant));
            store.run(|txn| async move { Ok(txn.set(key, b"exists")?) }).await;
        }
        store
    }

    async fn run<T, F, Fut>(&self, body: F) -> T
    where
        F: Fn(kv::Txn) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        self.db.run(body).await.unwrap()
    }

    async fn put(&self, tenant: u128, content: &Content) {
        self.run(|txn| async move { put_counted(&txn, scope(tenant), content).await })
            .await;
    }

    async fn release(&self, tenant: u128, content: &Content) {
        self.run(|txn| async move { store::release(&txn, scope(tenant), &content.digest(), 1) })
            .await;
    }

    async fn exists(&self, tenant: u128, content: &Content) -> bool {
        let found = self.run(|txn| async move { store::find(&txn, scope(tenant), &content.digest()).await });
        found.await.is_some()
    }

    async fn read(&self, tenant: u128, content: &Content) -> Vec<u8> {
        self.run(|txn| async move { store::read(&txn, scope(tenant), &content.digest(), 0..content.size()).await })
            .await
    }

    async fn collect(&self) -> usize {
        collect_all(&self.db).await
    }

    async fn stored_bytes(&self, tenant: u128) -> i64 {
        let key = &usage::keys::counter(scope(tenant), Quota::StoredBytes);
        kv::counter(self.run(|txn| async move { Ok(txn.get(key).await?) }).await.as_deref())
    }

    /// The keys of contents and garbage.
    async fn keys(&self) -> Vec<Key> {
        let all = &Query {
            range: kv::Range::below(&Key::of(&())),
            order: Order::Ascending,
            limit: 10_000,
        };
        let entries = self.run(|txn| async move { Ok(txn.range(all).await?.entries) }).await;
        let keys = entries.into_iter().map(|entry| entry.key);
        keys.filter(|key| {
            let text = format!("{key:?}");
            text.contains("content") || text.contains("garbage")
        })
        .collect()
    }
}

/// Adds a reference as an operation does, which counts what is stored in addition.
async fn put_counted(txn: &kv::Txn, scope: TenantScope, content: &Content) -> Result<()> {
    let added = store::put(txn, scope, content, 1).await?;
    Ok(txn.add(&usage::keys::counter(scope, Quota::StoredBytes), added)?)
}

async fn collect_all(db: &Db) -> usize {
    let mut contents = 0;
    for shard in 0..keys::GARBAGE_SHARDS {
        let collected = garbage::collect(db, now(), shard, None, 1000).await.unwrap();
        assert!(collected.errors.is_empty(), "{:?}", collected.errors);
        contents += collected.contents;
    }
    contents
}

fn content(size: usize) -> Content {
    let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect();
    Content::new(bytes)
}

#[test]
fn a_builder_makes_the_content_of_its_pieces() {
    let mut builder = Builder::with_capacity(6);
    for piece in [&b"ab"[..], b"", b"cdef"] {
        builder.push(piece);
    }
    assert_eq!(builder.size(), 6);
    assert_eq!(builder.finish(), Content::new(&b"abcdef"[..]));
}

#[tokio::test]
async fn a_content_is_stored_once_per_tenant_and_never_shared_across_tenants() {
    let store = TestStore::new().await;
    let content = &content(20_000);
    for (tenant, added) in [(1, 20_000), (1, 0), (2, 20_000), (2, 0)] {
        let stored = store.run(|txn| async move { store::put(&txn, scope(tenant), content, 1).await });
        assert_eq!(stored.await, added);
    }
    store.release(1, content).await;
    store.release(1, content).await;
    assert_eq!(store.collect().await, 1);
    assert!(!store.exists(1, content).await);
    assert_eq!(store.read(2, content).await, *content.bytes());
}

#[tokio::test]
async fn a_prefetched_result_writes_the_same_without_a_read() {
    let store = TestStore::new().await;
    let (one, other) = (&content(5000), &content(9000));
    store.put(1, one).await;
    let added = store.run(|txn| async move {
        let (first, second) = (one.digest(), other.digest());
        let (found, absent) = futures_util::try_join!(
            store::find(&txn, scope(1), &first),
            store::find(&txn, scope(1), &second)
        )?;
        assert_eq!((found, absent), (Some(5000), None));
        let added = store::put_found(&txn, scope(1), one, 1, found)?;
        Ok((added, store::put_found(&txn, scope(1), other, 1, absent)?))
    });
    assert_eq!(added.await, (0, 9000));
    for content in [one, other] {
        assert_eq!(store.read(1, content).await, *content.bytes());
    }
}

#[tokio::test]
async fn an_empty_content_exists_and_reads_as_nothing() {
    let store = TestStore::new().await;
    let empty = &content(0);
    store.put(1, empty).await;
    assert!(store.exists(1, empty).await);
    assert_eq!(store.read(1, empty).await, b"");
    store.release(1, empty).await;
    assert_eq!(store.collect().await, 1);
    assert!(store.keys().await.is_empty());
}

#[tokio::test]
async fn the_largest_content_fits_into_one_transaction_and_a_larger_one_is_rejected() {
    let store = TestStore::new().await;
    let largest = &content(usize::try_from(MAX_BYTES).unwrap());
    store.put(1, largest).await;
    assert!(store.read(1, largest).await == *largest.bytes());
    let larger = &content(usize::try_from(MAX_BYTES).unwrap() + 1);
    let rejected = store
        .db
        .run(|txn| async move { store::put(&txn, scope(1), larger, 1).await });
    assert!(matches!(
        rejected.await,
        Err(Error::Store(kv::Error::ValueTooLarge { .. }))
    ));
    assert!(!store.exists(1, larger).await);
}

#[tokio::test]
async fn released_contents_are_collected_and_their_bytes_subtracted() {
    let store = TestStore::new().await;
    let (gone, kept) = (&content(30_000), &content(100));
    for content in [gone, kept, kept] {
        store.put(1, content).await;
    }
    assert_eq!(store.stored_bytes(1).await, 30_100);
    store.release(1, gone).await;
    store.release(1, kept).await;
    assert_eq!(store.collect().await, 1);
    assert_eq!(store.stored_bytes(1).await, 100);
    // The header, a chunk and the counter of the other one; nothing is in the garbage list.
    assert_eq!(store.keys().await.len(), 3);
    assert_eq!(store.collect().await, 0);
}

#[tokio::test]
async fn a_content_that_is_used_again_before_its_collection_stays() {
    let store = TestStore::new().await;
    let content = &content(30_000);
    store.put(1, content).await;
    store.release(1, content).await;
    store.put(1, content).await;
    assert_eq!(store.collect().await, 0);
    assert_eq!(store.read(1, content).await, *content.bytes());
    assert_eq!(store.stored_bytes(1).await, 30_000);
}

#[tokio::test]
async fn a_writer_that_has_found_a_content_conflicts_with_its_collection() {
    let store = &TestStore::new().await;
    let content = &content(30_000);
    store.put(1, content).await;
    store.release(1, content).await;
    let attempts = &AtomicU32::new(0);
    store
        .run(|txn| async move {
            let found = store::find(&txn, scope(1), &content.digest()).await?;
            if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
                assert_eq!(found, Some(30_000));
                assert_eq!(store.collect().await, 1);
            }
            let added = store::put_found(&txn, scope(1), content, 1, found)?;
            Ok(txn.add(&usage::keys::counter(scope(1), Quota::StoredBytes), added)?)
        })
        .await;
    assert_eq!(attempts.load(Ordering::Relaxed), 2);
    assert_eq!(store.read(1, content).await, *content.bytes());
    assert_eq!(store.stored_bytes(1).await, 30_000);
}

#[tokio::test]
async fn a_copy_of_an_entry_conflicts_with_the_collection_of_its_content() {
    let store = &TestStore::new().await;
    let (content, entry, copy) = (&content(30_000), &Key::of(&("entry",)), &Key::of(&("copy",)));
    store.put(1, content).await;
    store.run(|txn| async move { Ok(txn.set(entry, b"")?) }).await;
    let attempts = &AtomicU32::new(0);
    let copied = store.run(|txn| async move {
        let is_present = txn.get(entry).await?.is_some();
        if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
            // The last entry is removed, and its content collected.
            store
                .run(|txn| async move {
                    txn.clear(entry)?;
                    store::release(&txn, scope(1), &content.digest(), 1)
                })
                .await;
            assert_eq!(store.collect().await, 1);
        }
        if is_present {
            store::retain(&txn, scope(1), &content.digest(), 1)?;
            txn.set(copy, b"")?;
        }
        Ok(is_present)
    });
    assert!(!copied.await);
    assert!(store.keys().await.is_empty());
}

#[tokio::test]
async fn a_collector_that_has_found_no_reference_conflicts_with_a_new_one() {
    let store = &TestStore::new().await;
    let content = &content(30_000);
    store.put(1, content).await;
    store.release(1, content).await;
    let attempts = &AtomicU32::new(0);
    let tenant = scope(1).tenant();
    let is_removed = store.run(|txn| async move {
        let is_removed = garbage::remove_unreferenced(&txn, tenant, &content.digest(), now()).await?;
        if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
            assert!(is_removed);
            store.put(1, content).await;
        }
        Ok(is_removed)
    });
    assert!(!is_removed.await);
    assert_eq!(store.read(1, content).await, *content.bytes());
}

#[tokio::test]
async fn a_content_that_changes_all_the_time_does_not_fail_the_collector() {
    let store = &TestStore::new().await;
    let (busy, gone) = (&content(100), &content(200));
    for content in [busy, gone] {
        store.put(1, content).await;
        store.release(1, content).await;
    }
    // Every commit fails, as if others always came first.
    let plan = Plan {
        conflict: 1.0,
        ..Plan::default()
    };
    assert_eq!(collect_all(&store.db.with_faults(plan)).await, 0);
    assert_eq!(store.collect().await, 2);
}

#[tokio::test]
async fn a_collection_that_is_cut_off_continues_with_the_next_sweep() {
    let store = TestStore::new().await;
    let contents: Vec<Content> = (1..40).map(content).collect();
    for content in &contents {
        store.put(1, content).await;
        store.release(1, content).await;
    }
    let plan = Plan {
        unknown: 0.5,
        outage: 0.2,
        outage_len: 200,
        fates: vec![kv::faulty::Fate::Lost, kv::faulty::Fate::Committed],
        ..Plan::default()
    };
    let faulty = store.db.with_faults(plan).with_deadline(Duration::from_millis(50));
    for shard in 0..keys::GARBAGE_SHARDS {
        let _ = garbage::collect(&faulty, now(), shard, None, 1000).await;
    }
    store.collect().await;
    assert!(store.keys().await.is_empty());
    assert_eq!(store.stored_bytes(1).await, 0);
}

#[tokio::test]
async fn an_entry_that_cannot_be_decoded_is_reported_and_keeps_nothing_else() {
    let store = TestStore::new().await;
    let content = &content(100);
    store.put(1, content).await;
    store.release(1, content).await;
    let shard = content.digest().as_bytes()[0] % keys::GARBAGE_SHARDS;
    let junk = &keys::garbage_shard(shard).child(&("junk",));
    store.run(|txn| async move { Ok(txn.set(junk, b"")?) }).await;
    let collected = garbage::collect(&store.db, now(), shard, None, 100).await.unwrap();
    assert_eq!((collected.contents, collected.errors.len()), (1, 1));
}

#[tokio::test]
async fn a_reference_released_after_its_tenants_removal_leaves_nothing_behind() {
    let store = TestStore::new().await;
    let (first, second) = (&content(30_000), &content(100));
    for content in [first, second] {
        store.put(1, content).await;
    }
    store.put(2, second).await;
    store.release(1, first).await;
    store
        .run(|txn| async move { Ok(txn.clear(&tenants::keys::tenant(scope(1)))?) })
        .await;
    while store
        .run(|txn| async move { garbage::remove_some(&txn, scope(1), 1, now()).await })
        .await
    {}
    let key = &usage::keys::counter(scope(1), Quota::StoredBytes);
    store.run(|txn| async move { Ok(txn.clear(key)?) }).await;
    store.release(1, second).await;
    assert_eq!(store.collect().await, 0);
    // Only the other tenant's header, chunk and counter.
    assert_eq!(store.keys().await.len(), 3);
    assert_eq!(store.stored_bytes(1).await, 0);
    assert_eq!(store.read(2, second).await, *second.bytes());
}

#[tokio::test]
async fn a_missing_chunk_is_an_error_and_never_other_bytes() {
    let store = TestStore::new().await;
    let content = &content(5 * CHUNK_BYTES);
    store.put(1, content).await;
    let chunk = &keys::numbered(&keys::chunks(scope(1), &content.digest()), 2);
    store.run(|txn| async move { Ok(txn.clear(chunk)?) }).await;
    let missing = 2 * CHUNK_BYTES as u64;
    for (range, is_complete) in [
        (0..missing, true),
        (missing - 1..missing + 1, false),
        (missing + CHUNK_BYTES as u64..content.size(), true),
        (0..content.size(), false),
        (0..content.size() + 1, false),
        (MAX_BYTES..MAX_BYTES + 1, false),
    ] {
        let asked = &range;
        let read = store
            .db
            .run(|txn| async move { store::read(&txn, scope(1), &content.digest(), asked.clone()).await });
        assert_eq!(read.await.is_ok(), is_complete, "{range:?}");
    }
}

#[tokio::test]
async fn a_write_takes_three_trips_and_a_read_two_whatever_the_size() {
    let store = TestStore::new().await;
    // From here on, commits take place on this thread.
    tokio::time::pause();
    let db = &store.db.with_faults(Plan {
        latency: Latency::of(Duration::from_millis(1)),
        ..Plan::default()
    });
    let content = &content(300_000);
    for _ in 0..2 {
        let meter = Meter::new();
        let write = db.run(|txn| async move { store::put(&txn, scope(1), content, 1).await });
        meter.measure(write).await.unwrap();
        assert_eq!(meter.trips(), 3);
    }
    let meter = Meter::new();
    let read = db.run(|txn| async move { store::read(&txn, scope(1), &content.digest(), 0..300_000).await });
    assert_eq!(meter.measure(read).await.unwrap(), *content.bytes());
    assert_eq!(meter.trips(), 2);
}

/// Offsets around the borders of chunks and of the pieces that are read at once.
fn offset() -> impl Strategy<Value = usize> {
    (0..20usize, 0..3usize).prop_map(|(chunk, beside)| (chunk * CHUNK_BYTES + beside).saturating_sub(1))
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Put(u128, usize),
    Release(u128, usize),
    Collect,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1..3u128, 0..4usize).prop_map(|(tenant, content)| Act::Put(tenant, content)),
        4 => (1..3u128, 0..4usize).prop_map(|(tenant, content)| Act::Release(tenant, content)),
        1 => Just(Act::Collect),
    ]
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_range_reads_exactly_its_bytes(size in offset(), from in offset(), to in offset()) {
        block_on(async {
            let store = TestStore::new().await;
            let content = &content(size);
            store.put(1, content).await;
            let (from, to) = (from.min(size), to.min(size));
            let range = &(from as u64..to as u64);
            let read = store.run(|txn| async move {
                store::read(&txn, scope(1), &content.digest(), range.clone()).await
            });
            prop_assert!(read.await == content.bytes().get(from..to).unwrap_or_default());
            Ok(())
        })?;
    }

    #[test]
    fn counters_equal_a_model(acts in proptest::collection::vec(act(), 0..40)) {
        block_on(async {
            let store = TestStore::new().await;
            let contents: Vec<Content> = [0, 1, 9000, 20_000].map(content).into();
            // The references, and what is stored.
            let mut model: BTreeMap<(u128, usize), u64> = BTreeMap::new();
            for act in acts {
                match act {
                    Act::Put(tenant, index) => {
                        store.put(tenant, &contents[index]).await;
                        *model.entry((tenant, index)).or_default() += 1;
                    }
                    Act::Release(tenant, index) => {
                        if let Some(count) = model.get_mut(&(tenant, index)).filter(|count| **count > 0) {
                            store.release(tenant, &contents[index]).await;
                            *count -= 1;
                        }
                    }
                    Act::Collect => {
                        let stored = model.len();
                        model.retain(|_, count| *count > 0);
                        prop_assert_eq!(store.collect().await, stored - model.len());
                    }
                }
            }
            for tenant in [1, 2] {
                let own = model.keys().filter(|(of, _)| *of == tenant);
                let sum: u64 = own.map(|(_, index)| contents[*index].size()).sum();
                prop_assert_eq!(store.stored_bytes(tenant).await, sum.cast_signed());
                for (index, content) in contents.iter().enumerate() {
                    let key = &keys::references(scope(tenant), &content.digest());
                    let references = store.run(|txn| async move { Ok(txn.get(key).await?) }).await;
                    let expected = model.get(&(tenant, index)).map(|count| count.cast_signed());
                    prop_assert_eq!(references.map(|value| kv::counter(Some(&value))), expected);
                    prop_assert_eq!(store.exists(tenant, content).await, expected.is_some());
                }
            }
            Ok(())
        })?;
    }
}
