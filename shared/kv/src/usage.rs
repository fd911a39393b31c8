//! Counters of what a [`Db`](crate::Db) and its clones have done.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Cumulative counts for a [`Db`](crate::Db) and its clones.
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

/// The shared, live form of [`Usage`].
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) transactions: AtomicU64,
    pub(crate) attempts: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) conflicts: AtomicU64,
    pub(crate) reads: AtomicU64,
    pub(crate) keys_read: AtomicU64,
}

impl Counters {
    pub(crate) fn read(&self) -> Usage {
        Usage {
            transactions: self.transactions.load(Relaxed),
            attempts: self.attempts.load(Relaxed),
            commits: self.commits.load(Relaxed),
            conflicts: self.conflicts.load(Relaxed),
            reads: self.reads.load(Relaxed),
            keys_read: self.keys_read.load(Relaxed),
        }
    }
}
