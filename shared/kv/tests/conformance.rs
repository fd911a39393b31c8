//! One suite of behaviour for every engine: each test takes a [`Harness`] and knows nothing of the engine behind it.

mod common;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use common::{Child, Harness, child_command, say, task};
use futures_util::future::{join_all, try_join_all};
#[cfg(feature = "testing")]
use kv::faulty::{Fate, Plan};
use kv::{Cause, Db, Entry, Error, Key, Order, Page, Query, Range, RunError, Settings, Snapshot, Txn, Versionstamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

/// Instantiates the suite for an engine; `$start` makes the [`Harness`] of a test from its name.
macro_rules! conformance {
    ($engine:ident, $start:expr) => {
        conformance!($engine, $start,
            a_committed_write_is_read_by_the_next_transaction
            a_transaction_reads_its_own_writes
            a_range_shows_the_transactions_own_writes_in_both_orders
            a_limit_counts_merged_entries_and_the_continuation_finds_the_rest
            a_full_page_continues_and_the_end_does_not
            an_empty_or_inverted_range_is_harmless
            every_read_of_a_transaction_sees_one_snapshot
            a_failed_body_commits_nothing_and_its_error_comes_back
            a_conflict_inside_the_callers_own_error_is_retried
            a_transaction_is_refused_when_a_value_it_read_has_changed
            a_transaction_is_refused_when_a_key_it_missed_has_appeared
            write_skew_is_refused
            a_phantom_in_an_examined_range_is_refused
            a_change_beyond_the_limit_is_no_conflict
            a_read_only_transaction_never_conflicts
            blind_writes_do_not_conflict
            a_run_since_a_snapshot_reads_what_that_had
            a_run_since_a_snapshot_is_refused_when_what_it_read_has_changed_meanwhile
            a_run_since_a_commit_reads_what_that_wrote
            a_run_since_a_commit_is_no_conflict_with_it
            a_run_since_a_commit_is_refused_when_somebody_came_between
            a_run_since_one_that_wrote_nothing_goes_on_from_there
            a_run_borrows_from_its_caller_and_can_be_spawned
            tasks_that_hammer_one_counter_lose_nothing
            processes_that_hammer_one_counter_lose_nothing
            a_body_that_always_conflicts_stops_at_the_deadline
            a_body_that_hangs_stops_at_the_deadline
            a_body_that_reads_forever_stops_at_the_deadline
            attempts_are_limited
            a_dropped_run_commits_nothing_and_ends_its_transaction
            a_transaction_kept_after_its_run_is_refused
            appended_entries_are_in_commit_order_across_tasks
            appended_entries_are_in_commit_order_across_processes
            appends_of_one_transaction_keep_their_order_and_are_hidden_from_it
            clearing_a_prefix_takes_back_what_was_appended_to_it
            keys_over_the_limit_are_refused_everywhere
            values_over_the_limit_are_refused
            transactions_over_the_limit_are_refused
            more_appends_than_stamps_are_refused
            roots_do_not_see_each_other
            usage_counts_what_was_done
            random_transactions_agree_with_a_map
            a_killed_process_leaves_every_acknowledged_and_no_half_transaction
        );
    };
    ($engine:ident, $start:expr, $($test:ident)*) => {
        mod $engine {
            use super::Harness;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let start: fn(&str) -> Harness = $start;
                    super::$test(&start(stringify!($test))).await;
                }
            )*
        }
    };
}

conformance!(lmdb, Harness::lmdb);
#[cfg(all(feature = "fdb", feature = "testing"))]
impl Harness {
    /// A root of its own on the cluster that `FDB_CLUSTER_FILE` names.
    #[expect(
        clippy::disallowed_methods,
        reason = "which cluster to test on is the one thing that a test run is told"
    )]
    fn fdb(test: &str) -> Self {
        let file = std::env::var_os("FDB_CLUSTER_FILE").expect("FDB_CLUSTER_FILE names the cluster to test on");
        let mut harness = Self::lmdb(test);
        harness.engine = kv::Engine::Fdb(kv::Cluster::File(file.into()));
        harness.root = format!("test-{}-{test}", std::process::id());
        harness.clear = true;
        harness
    }
}

#[cfg(all(feature = "fdb", feature = "testing"))]
conformance!(fdb, Harness::fdb);

// The layer that injects faults changes nothing when it injects none.
#[cfg(feature = "testing")]
conformance!(faulty, |test| super::behind(test, super::Plan::default()));

// Nor can those tell faults that a run gets over who do not count its attempts.
#[cfg(feature = "testing")]
conformance!(faulty_in_fact, |test| super::behind(test, super::mild_faults()),
    a_committed_write_is_read_by_the_next_transaction
    a_transaction_reads_its_own_writes
    a_range_shows_the_transactions_own_writes_in_both_orders
    a_limit_counts_merged_entries_and_the_continuation_finds_the_rest
    a_full_page_continues_and_the_end_does_not
    an_empty_or_inverted_range_is_harmless
    a_run_since_a_snapshot_reads_what_that_had
    a_run_since_a_commit_reads_what_that_wrote
    a_run_since_a_commit_is_refused_when_somebody_came_between
    a_run_since_one_that_wrote_nothing_goes_on_from_there
    tasks_that_hammer_one_counter_lose_nothing
    processes_that_hammer_one_counter_lose_nothing
    appended_entries_are_in_commit_order_across_processes
    appends_of_one_transaction_keep_their_order_and_are_hidden_from_it
    clearing_a_prefix_takes_back_what_was_appended_to_it
);

// On a cluster, too: what decides a commit in doubt is read back from there.
#[cfg(all(feature = "fdb", feature = "testing"))]
conformance!(fdb_faulty_in_fact, |test| super::faulty_fdb(test, super::mild_faults()),
    a_committed_write_is_read_by_the_next_transaction
    a_transaction_reads_its_own_writes
    a_run_since_a_snapshot_reads_what_that_had
    a_run_since_a_commit_reads_what_that_wrote
    a_run_since_a_commit_is_refused_when_somebody_came_between
    a_run_since_one_that_wrote_nothing_goes_on_from_there
    tasks_that_hammer_one_counter_lose_nothing
    processes_that_hammer_one_counter_lose_nothing
    appended_entries_are_in_commit_order_across_processes
);

#[cfg(all(feature = "fdb", feature = "testing"))]
fn faulty_fdb(test: &str, plan: Plan) -> Harness {
    let mut harness = Harness::fdb(&format!("{test}-behind-faults"));
    harness.faults = Some(plan);
    harness
}

/// LMDB in a new folder, behind `plan`.
#[cfg(feature = "testing")]
fn behind(test: &str, plan: Plan) -> Harness {
    let mut harness = Harness::lmdb(test);
    harness.faults = Some(plan);
    harness
}

#[cfg(feature = "testing")]
fn mild_faults() -> Plan {
    Plan {
        conflict: 0.1,
        unknown: 0.2,
        fates: vec![Fate::Lost, Fate::Committed, Fate::Late],
        too_old: 0.05,
        ..Plan::default()
    }
}

/// What this binary does when it is the second process of a test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the tests that need a second process"]
async fn child() {
    let task = task();
    let words: Vec<_> = task.iter().map(String::as_str).collect();
    let Some((role, store)) = words.split_first() else {
        return;
    };
    let db = Harness::parse(store).db();
    match *role {
        "count" => count(&db, 100).await,
        "append" => append_numbers(&db, 50).await,
        "pairs" => commit_until_killed(&db).await,
        role => panic!("no such role: {role}"),
    }
    say("done");
}

fn k(n: u32) -> Key {
    Key::of(&("k", n))
}

fn all() -> Range {
    Range::below(&Key::of(&("k",)))
}

fn query(range: Range, order: Order, limit: usize) -> Query {
    Query { range, order, limit }
}

/// Commits `writes` (`None` clears) in a transaction that reads nothing.
async fn put(db: &Db, writes: &[(u32, Option<&str>)]) {
    let written: Result<(), Error> = db
        .run(|txn| async move {
            writes.iter().try_for_each(|(n, value)| match value {
                Some(value) => txn.set(&k(*n), value),
                None => txn.clear(&k(*n)),
            })
        })
        .await;
    written.expect("a plain write is committed");
}

async fn get(db: &Db, key: &Key) -> Option<Vec<u8>> {
    db.run(|txn| async move { txn.get(key).await })
        .await
        .expect("a plain read succeeds")
}

/// The numbers and values of a range, following continuations.
async fn walk(txn: &Txn, mut query: Query) -> Result<Vec<(u32, String)>, Error> {
    let mut found = Vec::new();
    loop {
        let page = txn.range(&query).await?;
        found.extend(page.entries.iter().map(readable));
        match page.next {
            Some(next) => query = next,
            None => return Ok(found),
        }
    }
}

fn readable(entry: &Entry) -> (u32, String) {
    let (_, n): (String, u32) = entry.key.unpack().expect("a key of the test");
    (n, String::from_utf8_lossy(&entry.value).into_owned())
}

async fn contents(db: &Db) -> Vec<(u32, String)> {
    db.run(|txn| async move { walk(&txn, query(all(), Order::Ascending, usize::MAX)).await })
        .await
        .expect("a plain read")
}

fn pairs(expected: &[(u32, &str)]) -> Vec<(u32, String)> {
    expected.iter().map(|(n, value)| (*n, (*value).to_owned())).collect()
}

/// Runs `read` and then a write of another key in one transaction, with `meanwhile` committed between the two in the first
/// attempt. Returns how many attempts that took: one if `meanwhile` did not matter, two if it was a conflict.
async fn attempts_with<F>(db: &Db, read: impl Fn(Txn) -> F + Send + Sync, meanwhile: &[(u32, Option<&str>)]) -> u32
where
    F: Future<Output = Result<(), Error>> + Send,
{
    let attempts = AtomicU32::new(0);
    let (attempts, read) = (&attempts, &read);
    let run: Result<(), Error> = db
        .run(|txn| async move {
            read(txn.clone()).await?;
            if attempts.fetch_add(1, SeqCst) == 0 {
                put(db, meanwhile).await;
            }
            txn.set(&Key::of(&("elsewhere",)), "")
        })
        .await;
    run.expect("the transaction is committed in the end");
    attempts.load(SeqCst)
}

async fn a_committed_write_is_read_by_the_next_transaction(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("one")), (2, Some(""))]).await;

    assert_eq!(get(&harness.db(), &k(1)).await, Some(b"one".to_vec()));
    assert_eq!(get(&db, &k(2)).await, Some(Vec::new()), "an empty value is a value");
    assert_eq!(get(&db, &k(3)).await, None);

    put(&db, &[(1, None), (3, None)]).await;
    assert_eq!(contents(&db).await, pairs(&[(2, "")]));
}

async fn a_transaction_reads_its_own_writes(harness: &Harness) {
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

async fn a_range_shows_the_transactions_own_writes_in_both_orders(harness: &Harness) {
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

async fn a_limit_counts_merged_entries_and_the_continuation_finds_the_rest(harness: &Harness) {
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

async fn a_full_page_continues_and_the_end_does_not(harness: &Harness) {
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

async fn an_empty_or_inverted_range_is_harmless(harness: &Harness) {
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

async fn every_read_of_a_transaction_sees_one_snapshot(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("old")), (2, Some("old"))]).await;
    let db = &db;

    let seen = db
        .run(|txn| async move {
            txn.get(&k(1)).await?;
            put(db, &[(1, Some("new")), (2, Some("new")), (3, Some("new"))]).await;
            walk(&txn, query(all(), Order::Ascending, usize::MAX)).await
        })
        .await;

    assert_eq!(seen, Ok(pairs(&[(1, "old"), (2, "old")])));
    assert_eq!(contents(db).await, pairs(&[(1, "new"), (2, "new"), (3, "new")]));
}

/// An error as the store's callers have it.
#[derive(Debug, PartialEq)]
enum Refusal {
    Taken,
    Store(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl RunError for Refusal {
    fn kv(&self) -> Option<&Error> {
        match self {
            Self::Taken => None,
            Self::Store(error) => Some(error),
        }
    }
}

async fn a_failed_body_commits_nothing_and_its_error_comes_back(harness: &Harness) {
    let db = harness.db();
    let run: Result<(), Refusal> = db
        .run(|txn| async move {
            txn.set(&k(1), "one")?;
            Err(Refusal::Taken)
        })
        .await;

    assert_eq!(run, Err(Refusal::Taken));
    assert_eq!(contents(&db).await, []);
    assert_eq!(db.usage().attempts, 2, "one for each run");
}

async fn a_conflict_inside_the_callers_own_error_is_retried(harness: &Harness) {
    let db = harness.db();
    let attempts = AtomicU32::new(0);
    let run: Result<(), Refusal> = db
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
    assert_eq!(db.usage().conflicts, 1);
}

async fn a_transaction_is_refused_when_a_value_it_read_has_changed(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("old")), (2, Some("old"))]).await;
    let read = |txn: Txn| async move { txn.get(&k(1)).await.map(drop) };

    assert_eq!(attempts_with(&db, read, &[(1, Some("new"))]).await, 2);
    assert_eq!(attempts_with(&db, read, &[(1, None)]).await, 2);
    assert_eq!(
        attempts_with(&db, read, &[(2, Some("new"))]).await,
        1,
        "a key it did not read"
    );
}

async fn a_transaction_is_refused_when_a_key_it_missed_has_appeared(harness: &Harness) {
    let db = harness.db();
    let read = |txn: Txn| async move { txn.get(&k(1)).await.map(drop) };

    assert_eq!(attempts_with(&db, read, &[(1, Some("new"))]).await, 2);
}

async fn write_skew_is_refused(harness: &Harness) {
    // Two doctors are on call and both want to leave; each checks that the other stays.
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
                return Err(Refusal::Taken);
            }
            Ok(txn.clear(&k(me))?)
        })
        .await
    };

    assert_eq!(
        leave(1, true).await,
        Err(Refusal::Taken),
        "the second attempt sees that the other has left"
    );
    assert_eq!(contents(&db).await, pairs(&[(1, "on call")]));
}

async fn a_phantom_in_an_examined_range_is_refused(harness: &Harness) {
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
            "{order:?}: a page that was not full"
        );
    }
}

async fn a_change_beyond_the_limit_is_no_conflict(harness: &Harness) {
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

async fn a_read_only_transaction_never_conflicts(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("old"))]).await;
    let (db, attempts) = (&db, &AtomicU32::new(0));

    let seen = db
        .run(|txn| async move {
            attempts.fetch_add(1, SeqCst);
            let seen = txn.get(&k(1)).await?;
            put(db, &[(1, Some("new"))]).await;
            Ok::<_, Error>(seen)
        })
        .await;

    assert_eq!((seen, attempts.load(SeqCst)), (Ok(Some(b"old".to_vec())), 1));
}

async fn blind_writes_do_not_conflict(harness: &Harness) {
    let db = harness.db();
    let read_nothing = |txn: Txn| async move {
        txn.set(&k(1), "mine")?;
        // Answered by the transaction's own write, so that nothing was learnt about the store.
        txn.get(&k(1)).await.map(drop)
    };
    assert_eq!(
        attempts_with(&db, read_nothing, &[(1, Some("theirs")), (2, Some("theirs"))]).await,
        1
    );
    assert_eq!(contents(&db).await, pairs(&[(1, "mine"), (2, "theirs")]));
}

async fn a_run_since_a_snapshot_reads_what_that_had(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("one"))]).await;
    let snapshot = db
        .run(|txn| async move {
            txn.get(&k(1)).await?;
            txn.snapshot().await
        })
        .await
        .expect("a plain read");

    let later = db.reading_from(snapshot);
    assert_eq!(get(&later, &k(1)).await, Some(b"one".to_vec()));
    put(&later, &[(2, Some("two"))]).await;
    assert_eq!(contents(&db).await, pairs(&[(1, "one"), (2, "two")]));
}

async fn a_run_since_a_snapshot_is_refused_when_what_it_read_has_changed_meanwhile(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("old"))]).await;
    let snapshot = db
        .run(|txn| async move {
            txn.get(&k(1)).await?;
            txn.snapshot().await
        })
        .await
        .expect("a plain read");
    put(&db, &[(1, Some("new"))]).await;

    let copied: Result<(), Error> = db
        .reading_from(snapshot)
        .run(|txn| async move {
            let seen = txn.get(&k(1)).await?.unwrap_or_default();
            txn.set(&k(2), seen)
        })
        .await;
    copied.expect("a later attempt is committed");
    assert_eq!(contents(&db).await, pairs(&[(1, "new"), (2, "new")]));
}

/// Adds a letter to key 1 and answers what it is then, and the store right after that.
async fn grow(db: &Db) -> (String, Snapshot) {
    let grown: Result<_, Error> = db
        .run_with_snapshot(|txn| async move {
            let seen = txn.get(&k(1)).await?.unwrap_or_default();
            let grown = String::from_utf8_lossy(&seen).into_owned() + "x";
            txn.set(&k(1), &grown)?;
            Ok(grown)
        })
        .await;
    grown.expect("committed")
}

async fn a_run_since_a_commit_reads_what_that_wrote(harness: &Harness) {
    let db = harness.db();
    let (grown, snapshot) = grow(&db).await;
    assert_eq!(grown, "x");
    assert_eq!(contents(&db.reading_from(snapshot.clone())).await, pairs(&[(1, "x")]));

    // A commit that has read nothing, and one after the other.
    let cleared: Result<_, Error> = db.run_with_snapshot(|txn| async move { txn.clear(&k(1)) }).await;
    let ((), mut snapshot) = cleared.expect("committed");
    for grown in ["x", "xx", "xxx", "xxxx"] {
        let next = grow(&db.reading_from(snapshot)).await;
        assert_eq!(next.0, grown);
        snapshot = next.1;
    }
    assert_eq!(contents(&db).await, pairs(&[(1, "xxxx")]));
}

async fn a_run_since_a_commit_is_no_conflict_with_it(harness: &Harness) {
    let db = harness.db();
    let (_, mut snapshot) = grow(&db).await;
    for _ in 0..20 {
        snapshot = grow(&db.reading_from(snapshot)).await.1;
    }
    let used = db.usage();
    assert_eq!((used.transactions, used.attempts, used.commits), (21, 21, 21));
    assert_eq!((used.conflicts, used.reads, used.keys_read), (0, 21, 21));
}

async fn a_run_since_a_commit_is_refused_when_somebody_came_between(harness: &Harness) {
    let db = harness.db();
    let (_, snapshot) = grow(&db).await;
    put(&db, &[(1, Some("theirs"))]).await;

    let (grown, snapshot) = grow(&db.reading_from(snapshot)).await;
    assert_eq!(grown, "theirsx");
    assert_eq!(grow(&db.reading_from(snapshot)).await.0, "theirsxx");
}

async fn a_run_since_one_that_wrote_nothing_goes_on_from_there(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("x"))]).await;
    let read: Result<_, Error> = db.run_with_snapshot(|txn| async move { txn.get(&k(1)).await }).await;
    let (value, snapshot) = read.expect("a plain read");
    assert_eq!(value, Some(b"x".to_vec()));
    assert_eq!(grow(&db.reading_from(snapshot.clone())).await.0, "xx");
    // As old as the read, or newer; the attempt that writes finds out.
    assert_eq!(grow(&db.reading_from(snapshot)).await.0, "xxx");

    let idle: Result<_, Error> = db.run_with_snapshot(|_| async move { Ok(()) }).await;
    let ((), snapshot) = idle.expect("nothing to fail");
    assert_eq!(grow(&db.reading_from(snapshot)).await.0, "xxxx");
}

async fn a_run_borrows_from_its_caller_and_can_be_spawned(harness: &Harness) {
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

fn number(value: Option<Vec<u8>>) -> u64 {
    value.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().expect("eight bytes")))
}

fn counter() -> Key {
    Key::of(&("counter",))
}

async fn count(db: &Db, times: u32) {
    for _ in 0..times {
        let run: Result<(), Error> = db
            .run(|txn| async move {
                let count = number(txn.get(&counter()).await?);
                txn.set(&counter(), (count + 1).to_be_bytes())
            })
            .await;
        run.expect("counted");
    }
}

async fn tasks_that_hammer_one_counter_lose_nothing(harness: &Harness) {
    let db = harness.db();
    let tasks = (0..8).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { count(&db, 25).await })
    });
    try_join_all(tasks).await.expect("no panic");

    assert_eq!(number(get(&db, &counter()).await), 200);
}

async fn processes_that_hammer_one_counter_lose_nothing(harness: &Harness) {
    let db = harness.db();
    let task = format!("count {}", harness.describe());
    let mut children = [
        Child::start(child_command(), &task),
        Child::start(child_command(), &task),
    ];
    count(&db, 100).await;
    for child in &mut children {
        assert_eq!(child.hear().as_deref(), Some("done"));
    }

    assert_eq!(number(get(&db, &counter()).await), 300);
}

async fn a_body_that_always_conflicts_stops_at_the_deadline(harness: &Harness) {
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
    // Where a commit is a trip, the deadline may pass in the middle of one.
    let Err(Error::Unavailable {
        cause:
            Cause::Deadline {
                deadline: told,
                attempts,
            }
            | Cause::Undecided {
                deadline: told,
                attempts,
            },
    }) = run
    else {
        panic!("{run:?}")
    };
    assert_eq!(told, deadline);
    assert!(attempts >= made, "{attempts} attempts reported, {made} made");
    assert_eq!(get(db, &k(2)).await, None);
}

async fn a_body_that_hangs_stops_at_the_deadline(harness: &Harness) {
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

async fn a_body_that_reads_forever_stops_at_the_deadline(harness: &Harness) {
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

async fn attempts_are_limited(harness: &Harness) {
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

async fn a_dropped_run_commits_nothing_and_ends_its_transaction(harness: &Harness) {
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
        _ = run => unreachable!("the body never ends"),
        () = written.notified() => {}
    }

    let txn = kept.lock().expect("no panic").take().expect("the body has run");
    assert!(matches!(txn.get(&k(1)).await, Err(Error::Engine { .. })));
    assert_eq!(contents(&db).await, []);
}

async fn a_transaction_kept_after_its_run_is_refused(harness: &Harness) {
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
    assert_eq!(contents(&db).await, pairs(&[(1, "one")]));
}

fn log() -> Key {
    Key::of(&("log",))
}

/// Appends the number of the commit, as counted by a key that all writers read and write.
async fn append_numbers(db: &Db, times: u32) {
    for _ in 0..times {
        let run: Result<(), Error> = db
            .run(|txn| async move {
                let count = number(txn.get(&counter()).await?);
                txn.set(&counter(), (count + 1).to_be_bytes())?;
                txn.append(&log(), count.to_be_bytes())
            })
            .await;
        run.expect("appended");
    }
}

async fn logged(db: &Db) -> Vec<Entry> {
    let range = Range::below(&log());
    let query = &query(range, Order::Ascending, usize::MAX);
    db.run(|txn| async move { txn.range(query).await })
        .await
        .expect("a plain read")
        .entries
}

fn assert_numbers_in_order(entries: Vec<Entry>, expected: u64) {
    let numbers: Vec<_> = entries.into_iter().map(|entry| number(Some(entry.value))).collect();
    assert_eq!(numbers, (0..expected).collect::<Vec<_>>());
}

async fn appended_entries_are_in_commit_order_across_tasks(harness: &Harness) {
    let db = harness.db();
    // Blind appends beside them share batches with the numbered ones.
    let blind = (0..4).map(|_| {
        let db = db.clone();
        tokio::spawn(async move {
            for _ in 0..20 {
                let run: Result<(), Error> = db.run(|txn| async move { txn.append(&Key::of(&("blind",)), "") }).await;
                run.expect("appended");
            }
        })
    });
    let numbered = (0..4).map(|_| {
        let db = db.clone();
        tokio::spawn(async move { append_numbers(&db, 20).await })
    });
    try_join_all(blind.chain(numbered)).await.expect("no panic");

    assert_numbers_in_order(logged(&db).await, 80);
    let blind = &query(Range::below(&Key::of(&("blind",))), Order::Ascending, usize::MAX);
    let blind = db
        .run(|txn| async move { txn.range(blind).await })
        .await
        .expect("a plain read")
        .entries;
    assert_eq!(blind.len(), 80, "no two stamps are the same");
}

async fn appended_entries_are_in_commit_order_across_processes(harness: &Harness) {
    let db = harness.db();
    let task = format!("append {}", harness.describe());
    let mut children = [
        Child::start(child_command(), &task),
        Child::start(child_command(), &task),
    ];
    append_numbers(&db, 50).await;
    for child in &mut children {
        assert_eq!(child.hear().as_deref(), Some("done"));
    }

    assert_numbers_in_order(logged(&db).await, 150);
}

async fn appends_of_one_transaction_keep_their_order_and_are_hidden_from_it(harness: &Harness) {
    let db = harness.db();
    let run: Result<usize, Error> = db
        .run(|txn| async move {
            for value in ["a", "b", "c"] {
                txn.append(&log(), value)?;
            }
            let seen = txn.range(&query(Range::below(&log()), Order::Ascending, 10)).await?;
            Ok(seen.entries.len())
        })
        .await;
    assert_eq!(run, Ok(0));

    let entries = logged(&db).await;
    let values: Vec<_> = entries
        .iter()
        .map(|entry| String::from_utf8_lossy(&entry.value))
        .collect();
    assert_eq!(values, ["a", "b", "c"]);
    let stamps: Vec<Versionstamp> = entries.iter().map(|entry| entry.key.last().expect("a stamp")).collect();
    assert_eq!(
        stamps.iter().map(Versionstamp::user_version).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    assert!(
        stamps
            .iter()
            .all(|stamp| stamp.transaction_version() == stamps[0].transaction_version())
    );
    assert!(stamps.iter().all(Versionstamp::is_complete));
}

async fn clearing_a_prefix_takes_back_what_was_appended_to_it(harness: &Harness) {
    let db = harness.db();
    let run: Result<(), Error> = db
        .run(|txn| async move {
            txn.append(&log(), "taken back")?;
            txn.clear_range(&Range::below(&Key::of(&("another",))))?;
            txn.clear_range(&Range::below(&log()))?;
            txn.append(&log(), "stays")
        })
        .await;
    run.expect("committed");

    let values: Vec<_> = logged(&db).await.into_iter().map(|entry| entry.value).collect();
    assert_eq!(values, [b"stays"]);
}

/// A key whose length, with the root of `harness`, is `len` bytes.
fn key_of_len(harness: &Harness, len: usize) -> Key {
    // Root and key are each a string, with a type code before and a terminator behind.
    Key::of(&("x".repeat(len - harness.root.len() - 4),))
}

async fn keys_over_the_limit_are_refused_everywhere(harness: &Harness) {
    let db = harness.db();
    let (fits, too_long) = (
        &key_of_len(harness, kv::MAX_KEY_LEN),
        &key_of_len(harness, kv::MAX_KEY_LEN + 1),
    );
    let (stamped, too_long_stamped) = (&key_of_len(harness, 511 - 13), &key_of_len(harness, 512 - 13));
    let refused = Error::KeyTooLarge { len: 512 };
    let refused = &refused;

    let run: Result<(), Error> = db
        .run(|txn| async move {
            assert_eq!(txn.get(too_long).await.as_ref(), Err(refused));
            assert_eq!(txn.set(too_long, "").as_ref(), Err(refused));
            assert_eq!(txn.clear(too_long).as_ref(), Err(refused));
            assert_eq!(txn.append(too_long_stamped, "").as_ref(), Err(refused));

            // A bound may be longer than a key: nothing is stored under it.
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
    // All that is not the store's own.
    let everything = Range::below(&Key::of(&())).after(&Key::of(&("_z",)));
    let everything = &query(everything.before(too_long), Order::Descending, 10);
    let page = db.run(|txn| async move { txn.range(everything).await }).await;
    assert_eq!(page.map(|page| page.entries.len()), Ok(2));
}

async fn values_over_the_limit_are_refused(harness: &Harness) {
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

async fn transactions_over_the_limit_are_refused(harness: &Harness) {
    let db = harness.db();
    let value = &vec![b'v'; 89_500];
    let run: Result<(), Error> = db
        .run(|txn| async move {
            for n in 0..100 {
                txn.set(&k(n), value)?;
            }
            let refused = txn.set(&k(100), value);
            assert!(
                matches!(refused, Err(Error::TransactionTooLarge { len: 9_000_001.. })),
                "{refused:?}"
            );
            assert!(matches!(
                txn.append(&log(), value),
                Err(Error::TransactionTooLarge { .. })
            ));
            Ok(())
        })
        .await;

    assert_eq!(run, Ok(()), "what fitted is committed");
    assert_eq!(contents(&db).await.len(), 100);
    assert_eq!(logged(&db).await, []);
}

async fn more_appends_than_stamps_are_refused(harness: &Harness) {
    // With the shortest keys there are, or the limit on the transaction's size would come first.
    let db = Db::open(Settings {
        root: String::new(),
        deadline: Duration::from_mins(1),
        ..harness.settings()
    });
    let prefix = &Key::of(&());
    let run: Result<(), Refusal> = db
        .expect("the store opens")
        .run(|txn| async move {
            for _ in 0..=u16::MAX {
                txn.append(prefix, "")?;
            }
            assert_eq!(txn.append(prefix, ""), Err(Error::TooManyAppends));
            Err(Refusal::Taken)
        })
        .await;
    assert_eq!(run, Err(Refusal::Taken));
}

async fn roots_do_not_see_each_other(harness: &Harness) {
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
    let left = join_all(roots.iter().map(contents)).await;
    assert_eq!(left.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0, 2, 2]);
}

async fn usage_counts_what_was_done(harness: &Harness) {
    let db = harness.db();
    put(&db, &[(1, Some("a")), (2, Some("b")), (3, Some("c"))]).await;
    let (before, shared) = (db.usage(), db.clone().with_deadline(Duration::from_secs(30)));
    let read = |txn: Txn| async move {
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

#[derive(Debug, Clone)]
enum Op {
    Set(u32, u8),
    Clear(u32),
    ClearRange(u32, u32),
    Get(u32),
    Read {
        after: u32,
        before: u32,
        order: Order,
        limit: usize,
    },
}

const KEYS: u32 = 12;

fn op() -> impl Strategy<Value = Op> {
    let key = || 0..KEYS;
    let order = prop_oneof![Just(Order::Ascending), Just(Order::Descending)];
    prop_oneof![
        4 => (key(), any::<u8>()).prop_map(|(key, value)| Op::Set(key, value)),
        2 => key().prop_map(Op::Clear),
        1 => (key(), key()).prop_map(|(after, before)| Op::ClearRange(after, before)),
        2 => key().prop_map(Op::Get),
        4 => (key(), key(), order, 0..6_usize).prop_map(|(after, before, order, limit)| Op::Read { after, before, order, limit }),
    ]
}

type Model = BTreeMap<u32, u8>;

fn within(after: u32, before: u32) -> Range {
    all().after(&k(after)).before(&k(before))
}

/// Does `ops` in the transaction and in the model, and says where they first differ.
async fn compare(txn: &Txn, model: &mut Model, ops: &[Op]) -> Result<(), Divergence> {
    let entry = |entry: &Entry| (readable(entry).0, entry.value[0]);
    for op in ops {
        match *op {
            Op::Set(key, value) => {
                txn.set(&k(key), [value])?;
                model.insert(key, value);
            }
            Op::Clear(key) => {
                txn.clear(&k(key))?;
                model.remove(&key);
            }
            Op::ClearRange(after, before) => {
                txn.clear_range(&within(after, before))?;
                model.retain(|key, _| *key <= after || before <= *key);
            }
            Op::Get(key) => {
                let found = txn.get(&k(key)).await?.map(|value| value[0]);
                Divergence::check(op, &found, &model.get(&key).copied())?;
            }
            Op::Read {
                after,
                before,
                order,
                limit,
            } => {
                let mut expected: Vec<_> = model
                    .iter()
                    .map(|(k, v)| (*k, *v))
                    .filter(|(key, _)| after < *key && *key < before)
                    .collect();
                if order == Order::Descending {
                    expected.reverse();
                }
                let start = query(within(after, before), order, limit);
                let page = txn.range(&start).await?;
                let found: Vec<_> = page.entries.iter().map(entry).collect();
                Divergence::check(op, &found, &expected[..expected.len().min(limit)].to_vec())?;

                let (mut walked, mut next) = (found, page.next);
                while let Some(query) = next {
                    let page = txn.range(&query).await?;
                    walked.extend(page.entries.iter().map(entry));
                    next = page.next;
                }
                if limit > 0 {
                    Divergence::check(op, &walked, &expected)?;
                }
            }
        }
    }
    Ok(())
}

/// Why a random transaction was not committed.
enum Divergence {
    Differs(String),
    /// On purpose.
    Abandoned,
    Store(Error),
}

impl Divergence {
    fn check<T: PartialEq + fmt::Debug>(op: &Op, found: &T, expected: &T) -> Result<(), Self> {
        if found == expected {
            return Ok(());
        }
        Err(Self::Differs(format!("{op:?}: found {found:?}, expected {expected:?}")))
    }
}

impl From<Error> for Divergence {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl RunError for Divergence {
    fn kv(&self) -> Option<&Error> {
        None
    }
}

async fn random_transactions_agree_with_a_map(harness: &Harness) {
    let transactions = proptest::collection::vec(
        (proptest::collection::vec(op(), 1..16), proptest::bool::weighted(0.8)),
        1..6,
    );
    let mut runner = TestRunner::new(Config {
        cases: 96,
        failure_persistence: None,
        ..Config::default()
    });
    let root = AtomicU32::new(0);
    let outcome = runner.run(&transactions, |transactions| {
        let root = format!("{}-{}", harness.root, root.fetch_add(1, SeqCst));
        let db = Db::open(Settings {
            root,
            ..harness.settings()
        })
        .map_err(|error| TestCaseError::fail(error.to_string()))?;
        block_in_place(|| Handle::current().block_on(agrees(&db, &transactions))).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

async fn agrees(db: &Db, transactions: &[(Vec<Op>, bool)]) -> Result<(), String> {
    let mut model = Model::new();
    for (ops, commit) in transactions {
        let before = &model;
        let run = db
            .run(|txn| async move {
                let mut model = before.clone();
                compare(&txn, &mut model, ops).await?;
                if *commit { Ok(model) } else { Err(Divergence::Abandoned) }
            })
            .await;
        match run {
            Ok(after) => model = after,
            Err(Divergence::Abandoned) => {}
            Err(Divergence::Differs(how)) => return Err(how),
            Err(Divergence::Store(error)) => return Err(error.to_string()),
        }
        let stored: Vec<_> = model.iter().map(|(key, value)| (*key, *value)).collect();
        let found: Vec<_> = db
            .run(|txn| async move { txn.range(&query(all(), Order::Ascending, usize::MAX)).await })
            .await
            .map_err(|error| error.to_string())?
            .entries
            .iter()
            .map(|entry| (readable(entry).0, entry.value[0]))
            .collect();
        if found != stored {
            return Err(format!("stored {found:?}, expected {stored:?}"));
        }
    }
    Ok(())
}

/// Enough of a value to spread a transaction over many pages of a store.
fn filling(n: u64) -> Vec<u8> {
    n.to_be_bytes().repeat(2500)
}

fn record(n: u64) -> Key {
    Key::of(&("record", n))
}

/// Commits numbered transactions of several keys for as long as it lives, and says each number once it is committed.
async fn commit_until_killed(db: &Db) {
    loop {
        let n = db
            .run(|txn| async move {
                let n = number(txn.get(&counter()).await?) + 1;
                txn.set(&k(1), filling(n))?;
                txn.set(&record(n), n.to_be_bytes())?;
                txn.set(&k(2), filling(n))?;
                txn.set(&counter(), n.to_be_bytes())?;
                Ok::<_, Error>(n)
            })
            .await
            .expect("committed");
        say(n);
    }
}

async fn a_killed_process_leaves_every_acknowledged_and_no_half_transaction(harness: &Harness) {
    let db = &harness.db();
    let mut last = 0;
    for round in 0..100 {
        let mut child = Child::start(child_command(), &format!("pairs {}", harness.describe()));
        // Killed right after an acknowledgement, it is in the middle of the next commit.
        for _ in 0..=round % 3 {
            let acknowledged = child.hear().expect("the child commits until it is killed");
            last = acknowledged.parse().expect("a number");
        }
        child.process.kill().expect("the child still runs");
        child.process.wait().expect("the child has ended");
        while let Some(acknowledged) = child.hear() {
            last = acknowledged.parse().expect("a number");
        }

        let (counted, a, b, records) = db
            .run(|txn| async move {
                let counted = number(txn.get(&counter()).await?);
                let (a, b) = (txn.get(&k(1)).await?, txn.get(&k(2)).await?);
                let records = txn
                    .range(&query(
                        Range::below(&Key::of(&("record",))),
                        Order::Ascending,
                        usize::MAX,
                    ))
                    .await?;
                // Takes the write lock over from the dead.
                txn.set(&Key::of(&("round",)), [round])?;
                Ok::<_, Error>((counted, a, b, records.entries))
            })
            .await
            .expect("the store serves on");
        assert!(
            last <= counted && counted <= last + 1,
            "{last} acknowledged, {counted} counted"
        );
        assert!(
            [a, b].iter().flatten().eq(&[filling(counted), filling(counted)]),
            "half of transaction {counted}"
        );
        let records: Vec<_> = records.into_iter().map(|entry| number(Some(entry.value))).collect();
        assert_eq!(records, (1..=counted).collect::<Vec<_>>());
        last = counted;
    }
}
