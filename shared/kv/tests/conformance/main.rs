//! One suite of behaviour for all engines. A test receives a [`Harness`] and does not know the engine behind it.

mod appends;
#[path = "../common/mod.rs"]
mod common;
mod concurrency;
mod counters;
mod isolation;
mod limits;
mod random;
mod reads;
mod runs;
mod snapshots;
mod support;
#[cfg(feature = "testing")]
mod watches;

use common::{Harness, report, task};
#[cfg(feature = "testing")]
use kv::faulty::{Fate, Plan, Watches};

/// Instantiates the suite for an engine. `$start` creates the [`Harness`] of a test from the test's name.
macro_rules! conformance {
    ($engine:ident, $start:expr) => {
        conformance! { $engine, $start;
            reads:
                a_committed_write_is_read_by_the_next_transaction
                a_transaction_reads_its_own_writes
                a_range_includes_the_transactions_own_writes_in_both_orders
                a_limit_counts_merged_entries_and_continuations_return_the_rest
                a_full_page_has_a_continuation_and_the_last_page_has_none
                an_empty_or_inverted_range_has_no_effect
                all_reads_of_a_transaction_use_one_snapshot;
            isolation:
                a_transaction_conflicts_when_a_value_it_read_has_changed
                a_transaction_conflicts_when_a_key_it_found_missing_has_appeared
                write_skew_conflicts
                a_phantom_in_an_examined_range_conflicts
                a_change_beyond_the_limit_is_no_conflict
                a_read_only_transaction_never_conflicts
                blind_writes_do_not_conflict;
            snapshots:
                a_transaction_reads_from_the_snapshot_of_an_earlier_one
                a_transaction_on_a_snapshot_conflicts_when_its_reads_have_changed_since
                a_transaction_on_a_commit_snapshot_reads_the_committed_writes
                a_transaction_on_a_commit_snapshot_does_not_conflict_with_that_commit
                a_transaction_on_a_commit_snapshot_conflicts_with_a_later_commit
                a_transaction_continues_from_one_without_writes
                a_whole_store_is_read_at_one_moment_or_commits_are_noticed;
            runs:
                a_failed_closure_commits_nothing_and_its_error_is_returned
                a_conflict_in_the_closures_own_error_is_retried
                a_closure_borrows_from_its_caller_and_run_can_be_spawned
                a_closure_that_always_conflicts_stops_at_the_deadline
                a_closure_that_hangs_stops_at_the_deadline
                a_closure_that_reads_forever_stops_at_the_deadline
                attempts_are_limited
                dropping_run_commits_nothing_and_ends_the_transaction
                a_transaction_kept_after_its_end_returns_errors;
            concurrency:
                concurrent_tasks_lose_no_increment
                concurrent_processes_lose_no_increment
                a_killed_process_leaves_all_acknowledged_transactions_and_no_partial_one;
            appends:
                appended_entries_are_in_commit_order_across_tasks
                appended_entries_are_in_commit_order_across_processes
                appends_of_one_transaction_keep_their_order_and_are_hidden_from_it
                clearing_a_prefix_removes_earlier_appends_to_it;
            counters:
                concurrent_additions_lose_none_and_never_conflict
                additions_of_several_processes_are_all_counted
                a_counter_is_eight_bytes_and_wraps_around
                an_addition_gives_a_value_of_another_length_eight_bytes
                a_transaction_reads_its_own_additions
                a_range_adds_to_the_stored_counters
                an_addition_is_no_read_and_a_get_after_it_is_one
                an_addition_conflicts_with_transactions_that_have_read_the_counter
                a_change_of_a_peeked_key_is_no_conflict
                a_peek_reads_the_transactions_snapshot_and_its_own_writes;
            limits:
                keys_over_the_limit_are_rejected_everywhere
                values_over_the_limit_are_rejected
                transactions_over_the_limit_are_rejected
                more_appends_than_stamps_are_rejected
                roots_are_isolated;
            random:
                random_transactions_agree_with_a_map;
        }
    };
    ($engine:ident, $start:expr; $($module:ident: $($test:ident)*;)*) => {
        mod $engine {
            use super::Harness;
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let start: fn(&str) -> Harness = $start;
                    super::$module::$test(&start(stringify!($test))).await;
                }
            )*)*
        }
    };
}

conformance!(lmdb, Harness::lmdb);

#[cfg(feature = "testing")]
conformance! { lmdb_counts, Harness::lmdb; runs: usage_counts_operations; }

#[cfg(all(feature = "fdb", feature = "testing"))]
impl Harness {
    /// A root of its own on the cluster in `FDB_CLUSTER_FILE`.
    #[expect(clippy::disallowed_methods, reason = "the cluster is the only input of a test run")]
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

#[cfg(all(feature = "fdb", feature = "testing"))]
conformance! { fdb_counts, Harness::fdb; runs: usage_counts_operations; }

/// Instantiates the tests of watches, for an engine that has them.
#[cfg(feature = "testing")]
macro_rules! watching {
    ($engine:ident, $start:expr) => {
        conformance! { $engine, $start;
            watches:
                a_watch_completes_when_the_value_of_its_key_changes
                a_watch_completes_at_a_counters_first_addition_and_at_its_removal
                a_change_between_a_read_and_its_watch_completes_the_watch
                a_watch_outlives_its_transaction_and_one_that_is_dropped_is_no_obstacle
                a_watch_of_a_transaction_that_fails_affects_no_other;
        }
    };
}

#[cfg(feature = "testing")]
watching!(emulated_watches, |test| {
    let watches = super::Watches::Emulated;
    super::lmdb_with_faults(
        test,
        super::Plan {
            watches,
            ..super::Plan::default()
        },
    )
});

#[cfg(all(feature = "fdb", feature = "testing"))]
watching!(fdb_watches, Harness::fdb);

#[cfg(feature = "testing")]
conformance! { lmdb_watches, Harness::lmdb; watches: an_engine_without_watches_sets_none; }

// Fault injection without faults changes no behaviour.
#[cfg(feature = "testing")]
conformance!(lmdb_under_an_empty_plan, |test| super::lmdb_with_faults(
    test,
    super::Plan::default()
));

// Faults that a transaction recovers from are invisible to a caller that does not count attempts.
#[cfg(feature = "testing")]
conformance! { lmdb_under_mild_faults, |test| super::lmdb_with_faults(test, super::mild_faults());
    reads:
        a_committed_write_is_read_by_the_next_transaction
        a_transaction_reads_its_own_writes
        a_range_includes_the_transactions_own_writes_in_both_orders
        a_limit_counts_merged_entries_and_continuations_return_the_rest
        a_full_page_has_a_continuation_and_the_last_page_has_none
        an_empty_or_inverted_range_has_no_effect;
    snapshots:
        a_transaction_reads_from_the_snapshot_of_an_earlier_one
        a_transaction_on_a_commit_snapshot_reads_the_committed_writes
        a_transaction_on_a_commit_snapshot_conflicts_with_a_later_commit
        a_transaction_continues_from_one_without_writes;
    concurrency:
        concurrent_tasks_lose_no_increment
        concurrent_processes_lose_no_increment;
    appends:
        appended_entries_are_in_commit_order_across_processes
        appends_of_one_transaction_keep_their_order_and_are_hidden_from_it
        clearing_a_prefix_removes_earlier_appends_to_it;
    counters:
        concurrent_additions_lose_none_and_never_conflict
        additions_of_several_processes_are_all_counted
        a_counter_is_eight_bytes_and_wraps_around
        an_addition_gives_a_value_of_another_length_eight_bytes
        a_transaction_reads_its_own_additions
        a_range_adds_to_the_stored_counters;
}

// On a cluster too: the commit marker that resolves an unknown commit is read from there.
#[cfg(all(feature = "fdb", feature = "testing"))]
conformance! { fdb_under_mild_faults, |test| super::fdb_with_faults(test, super::mild_faults());
    reads:
        a_committed_write_is_read_by_the_next_transaction
        a_transaction_reads_its_own_writes;
    snapshots:
        a_transaction_reads_from_the_snapshot_of_an_earlier_one
        a_transaction_on_a_commit_snapshot_reads_the_committed_writes
        a_transaction_on_a_commit_snapshot_conflicts_with_a_later_commit
        a_transaction_continues_from_one_without_writes;
    concurrency:
        concurrent_tasks_lose_no_increment
        concurrent_processes_lose_no_increment;
    appends:
        appended_entries_are_in_commit_order_across_processes;
    counters:
        concurrent_additions_lose_none_and_never_conflict
        additions_of_several_processes_are_all_counted
        a_transaction_reads_its_own_additions;
}

#[cfg(all(feature = "fdb", feature = "testing"))]
fn fdb_with_faults(test: &str, plan: Plan) -> Harness {
    let mut harness = Harness::fdb(&format!("{test}-behind-faults"));
    harness.faults = Some(plan);
    harness
}

#[cfg(feature = "testing")]
fn lmdb_with_faults(test: &str, plan: Plan) -> Harness {
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

/// The second process of a test: this binary runs only this test, with a task on its standard input.
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
        "count" => support::count(&db, 100).await,
        "add" => counters::add_up(&db, 50).await,
        "append" => appends::append_numbers(&db, 50).await,
        "pairs" => concurrency::commit_until_killed(&db).await,
        role => panic!("no such role: {role}"),
    }
    report("done");
}
