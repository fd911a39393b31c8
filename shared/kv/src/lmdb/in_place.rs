//! Commits on the calling thread, held snapshots and emulated watches, for fault injection.
//!
//! Under a paused clock, a wait for the commit thread would count as idling, and the time would jump to the deadline.

use std::sync::{Arc, Mutex};

use tokio::sync::{oneshot, watch};

use super::committer::Committer;
use super::environment::{ReadTxn, stopped};
use super::queue::Commit;
use super::store::Store;
use super::transaction::Transaction;
use crate::error::Error;
use crate::limits::Room;
use crate::sync::lock;
use crate::watch::Watch;

/// A snapshot that stays open for one later transaction.
pub(crate) struct HeldSnapshot(Mutex<Option<ReadTxn>>);

impl Transaction {
    /// Begins an attempt that reads from `held`, or from the newest snapshot if another attempt has taken `held`.
    pub(crate) fn begin_on(store: Arc<Store>, held: &HeldSnapshot) -> Result<Self, Error> {
        let txn = Self::begin(store)?;
        txn.with(|work| {
            work.snapshot = lock(&held.0).take();
            Ok(())
        })?;
        Ok(txn)
    }

    /// A snapshot of this moment.
    pub(crate) fn hold_snapshot(&self) -> Result<HeldSnapshot, Error> {
        Ok(HeldSnapshot(Mutex::new(Some(self.store.environment.snapshot()?))))
    }

    /// Ends the attempt. Returns the store as of its commit in place, or as of its reads if it wrote nothing; `None` if
    /// it did not read either.
    pub(crate) fn held_commit_snapshot(&self) -> Option<HeldSnapshot> {
        let read = lock(&self.work).take().and_then(|work| work.snapshot);
        let snapshot = lock(&self.commit_snapshot).take().or(read)?;
        Some(HeldSnapshot(Mutex::new(Some(snapshot))))
    }

    /// Ends the attempt and moves its work to another object, which the end of this transaction does not affect.
    pub(crate) fn detach(&self) -> Self {
        Self {
            store: self.store.clone(),
            work: Mutex::new(lock(&self.work).take()),
            commit_snapshot: Mutex::default(),
        }
    }

    /// Watches `key` as a remote engine would, and compares its value after each of `commits`.
    pub(crate) fn emulated_watch(
        &self,
        key: Vec<u8>,
        mut commits: watch::Receiver<()>,
    ) -> Result<Option<Watch>, Error> {
        let (store, seen) = (self.store.clone(), self.get(key.clone(), true)?);
        Ok(Watch::set(|| async move {
            while Self::begin(store.clone())?.get(key.clone(), true)? == seen {
                commits.changed().await.map_err(|_| stopped())?;
            }
            Ok(())
        }))
    }

    /// Ends the attempt and commits its writes on the calling thread.
    pub(crate) fn commit_in_place(&self, room: Room) -> Result<(), Error> {
        let Some(mut work) = lock(&self.work).take() else {
            return Ok(());
        };
        if work.writes.is_empty() {
            *lock(&self.commit_snapshot) = work.snapshot;
            return Ok(());
        }
        work.room = room;
        // This committer gets its own queue, because it closes its queue when it is dropped.
        let committer = Committer::new(self.store.environment.clone(), self.store.space.clone(), Arc::default());
        let commit = Commit {
            id: 0,
            work,
            outcome: oneshot::channel().0,
        };
        let outcomes = committer
            .write_now(&[commit])
            .map_err(|failure| committer.error(failure))?;
        outcomes.into_iter().collect::<Result<(), _>>()?;
        // Taken now and not on demand: the response may be delayed, and other transactions commit meanwhile.
        *lock(&self.commit_snapshot) = self.store.environment.snapshot().ok();
        Ok(())
    }
}
