//! Counters of what a [`Db`](crate::Db) and its clones have done, for tests.
//!
//! Without the feature `testing` they count nothing: every transaction would change them several times, and the cores
//! would pass their cache line back and forth.

#[cfg(feature = "testing")]
use std::sync::Arc;
#[cfg(feature = "testing")]
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Cumulative counts for a [`Db`](crate::Db) and its clones.
#[cfg(feature = "testing")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Calls of [`Db::run`](crate::Db::run) and [`Db::run_with_snapshot`](crate::Db::run_with_snapshot).
    pub transactions: u64,
    /// Executions of closures, first attempts and retries.
    pub attempts: u64,
    /// Successful attempts, including those that wrote nothing.
    pub commits: u64,
    /// Attempts that ended with a conflict.
    pub conflicts: u64,
    /// Calls of [`Txn::get`](crate::Txn::get), [`Txn::peek`](crate::Txn::peek) and [`Txn::range`](crate::Txn::range).
    pub reads: u64,
    /// Keys looked up by `get` and `peek`, found or not, and entries returned by `range`.
    pub keys_read: u64,
}

/// A counter: a member of [`Usage`].
#[derive(Clone, Copy)]
pub(crate) enum Counter {
    Transactions,
    Attempts,
    Commits,
    Conflicts,
    Reads,
    KeysRead,
}

/// The live form of [`Usage`]. Clones share the counts.
#[derive(Clone, Default)]
pub(crate) struct Counters(#[cfg(feature = "testing")] Arc<[AtomicU64; 6]>);

impl Counters {
    /// Adds `number` to a counter.
    pub(crate) fn add(&self, counter: Counter, number: u64) {
        #[cfg(feature = "testing")]
        self.0[counter as usize].fetch_add(number, Relaxed);
        #[cfg(not(feature = "testing"))]
        let _ = (self, counter, number);
    }

    #[cfg(feature = "testing")]
    pub(crate) fn read(&self) -> Usage {
        let count = |counter: Counter| self.0[counter as usize].load(Relaxed);
        Usage {
            transactions: count(Counter::Transactions),
            attempts: count(Counter::Attempts),
            commits: count(Counter::Commits),
            conflicts: count(Counter::Conflicts),
            reads: count(Counter::Reads),
            keys_read: count(Counter::KeysRead),
        }
    }
}
