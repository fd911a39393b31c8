//! The queue of commits that wait for the write lock. A commit in the queue can be withdrawn; a taken one cannot.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::environment::ReadTxn;
use crate::error::Error;
use crate::limits::Room;
use crate::overlay::Overlay;
use crate::query::Span;
use crate::sync::lock;

/// Maximum number of commits in one write transaction. The position of a commit in it is part of the stamp of an
/// append.
pub(super) const MAX_BATCH: usize = 256;

/// The data of a transaction that its commit needs.
#[derive(Default)]
pub(super) struct Work {
    pub(super) snapshot: Option<ReadTxn>,
    /// The keys read; a key that was read several times appears as often.
    pub(super) keys: Vec<Vec<u8>>,
    /// The examined parts of the ranges read.
    pub(super) spans: Vec<Span>,
    pub(super) writes: Overlay,
    /// Set if the transaction never commits: its reads are not recorded.
    pub(super) is_read_only: bool,
    /// The space that the commit must leave.
    pub(super) room: Room,
}

pub(super) struct Commit {
    pub(super) id: u64,
    pub(super) work: Work,
    pub(super) outcome: oneshot::Sender<Result<(), Error>>,
}

#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// In the order of their ids.
    commits: VecDeque<Commit>,
    next_id: u64,
    closed: bool,
}

impl Queue {
    /// Adds a commit and returns its id; `None` if the queue is closed.
    pub(super) fn push(&self, work: Work, outcome: oneshot::Sender<Result<(), Error>>) -> Option<u64> {
        let mut waiting = lock(&self.waiting);
        if waiting.closed {
            return None;
        }
        let id = waiting.next_id;
        waiting.next_id += 1;
        waiting.commits.push_back(Commit { id, work, outcome });
        self.changed.notify_one();
        Some(id)
    }

    /// Removes a commit that has not been taken, and returns whether it did.
    fn withdraw(&self, id: u64) -> bool {
        let mut waiting = lock(&self.waiting);
        let position = waiting.commits.binary_search_by_key(&id, |commit| commit.id);
        // Drop the commit, and with it its snapshot, only after the lock is released.
        let withdrawn = position.ok().and_then(|position| waiting.commits.remove(position));
        drop(waiting);
        withdrawn.is_some()
    }

    /// Waits for a commit; returns false when the queue is closed and empty.
    pub(super) fn wait(&self) -> bool {
        let waiting = lock(&self.waiting);
        let idle = |waiting: &mut Waiting| waiting.commits.is_empty() && !waiting.closed;
        let waiting = self
            .changed
            .wait_while(waiting, idle)
            .unwrap_or_else(PoisonError::into_inner);
        !waiting.commits.is_empty()
    }

    /// Takes the oldest commits, up to [`MAX_BATCH`]. They can no longer be withdrawn.
    pub(super) fn take(&self) -> Vec<Commit> {
        let mut waiting = lock(&self.waiting);
        let count = waiting.commits.len().min(MAX_BATCH);
        waiting.commits.drain(..count).collect()
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.waiting).closed
    }

    /// Rejects further commits; those in the queue remain.
    pub(super) fn close(&self) {
        lock(&self.waiting).closed = true;
        self.changed.notify_all();
    }

    /// Drops the commits in the queue, so that their transactions receive an error.
    pub(super) fn clear(&self) {
        lock(&self.waiting).commits.clear();
    }
}

/// Withdraws a queued commit if it is dropped before the outcome arrives. Sets `undecided` if the commit has been
/// taken.
pub(super) struct QueuedCommit<'q> {
    queue: &'q Queue,
    id: u64,
    undecided: &'q AtomicBool,
    has_outcome: bool,
}

impl<'q> QueuedCommit<'q> {
    pub(super) fn new(queue: &'q Queue, id: u64, undecided: &'q AtomicBool) -> Self {
        Self {
            queue,
            id,
            undecided,
            has_outcome: false,
        }
    }

    pub(super) fn resolve(&mut self) {
        self.has_outcome = true;
    }
}

impl Drop for QueuedCommit<'_> {
    fn drop(&mut self) {
        if !self.has_outcome && !self.queue.withdraw(self.id) {
            self.undecided.store(true, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &Queue) -> u64 {
        queue.push(Work::default(), oneshot::channel().0).unwrap()
    }

    /// Drops a [`QueuedCommit`] and returns whether its transaction is undecided.
    fn drop_queued(queue: &Queue, id: u64, has_outcome: bool) -> bool {
        let undecided = AtomicBool::new(false);
        drop(QueuedCommit {
            queue,
            id,
            undecided: &undecided,
            has_outcome,
        });
        undecided.into_inner()
    }

    #[test]
    fn a_dropped_commit_is_withdrawn_from_the_queue_and_undecided_once_taken() {
        let queue = Queue::default();
        let ids = [push(&queue), push(&queue), push(&queue)];
        assert!(!drop_queued(&queue, ids[1], false));

        let taken: Vec<_> = queue.take().iter().map(|commit| commit.id).collect();
        assert_eq!(taken, [ids[0], ids[2]]);
        assert!(drop_queued(&queue, ids[0], false));
        assert!(!drop_queued(&queue, ids[2], true), "it has its outcome");
    }

    #[test]
    fn a_batch_is_bounded_and_in_order() {
        let queue = Queue::default();
        let ids: Vec<_> = (0..=MAX_BATCH).map(|_| push(&queue)).collect();
        let batches: Vec<Vec<_>> = (0..3)
            .map(|_| queue.take().iter().map(|commit| commit.id).collect())
            .collect();
        assert_eq!(
            batches,
            [ids[..MAX_BATCH].to_vec(), ids[MAX_BATCH..].to_vec(), Vec::new()]
        );
    }

    #[test]
    fn a_closed_queue_rejects_commits_and_ends_the_wait_once_it_is_empty() {
        let queue = Queue::default();
        push(&queue);
        queue.close();
        assert!(queue.push(Work::default(), oneshot::channel().0).is_none());
        assert!(queue.wait());
        queue.take();
        assert!(!queue.wait());
    }
}
