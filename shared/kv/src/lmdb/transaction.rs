//! One attempt of a transaction on LMDB.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::environment::{ReadTxn, bounds, failure, stopped};
use super::queue::{QueuedCommit, Work};
use super::store::Store;
use crate::counter;
use crate::error::Error;
use crate::limits::Room;
use crate::overlay::{Lookup, examined, merge};
use crate::query::{Order, RawEntry, Span};
use crate::sync::lock;

/// A snapshot of the store, and the buffered writes.
pub(crate) struct Transaction {
    pub(super) store: Arc<Store>,
    /// `None` after the attempt has ended.
    pub(super) work: Mutex<Option<Work>>,
    /// The snapshot after a commit in place.
    #[cfg(feature = "testing")]
    pub(super) commit_snapshot: Mutex<Option<ReadTxn>>,
}

impl Transaction {
    /// Fails if the store needs a restart of the process, so that a readiness check detects that without a commit.
    pub(crate) fn begin(store: Arc<Store>) -> Result<Self, Error> {
        if store.queue.is_closed() {
            return Err(stopped());
        }
        Ok(Self {
            store,
            work: Mutex::new(Some(Work::default())),
            #[cfg(feature = "testing")]
            commit_snapshot: Mutex::default(),
        })
    }

    /// Begins an attempt that never commits and reads from a snapshot of this moment. Its reads use no memory, so it
    /// can read a whole store.
    pub(crate) fn begin_read_only(store: Arc<Store>) -> Result<Self, Error> {
        let txn = Self::begin(store)?;
        txn.with(|work| {
            work.is_read_only = true;
            open_snapshot(&mut work.snapshot, &txn.store).map(drop)
        })?;
        Ok(txn)
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Work) -> Result<T, Error>) -> Result<T, Error> {
        match lock(&self.work).as_mut() {
            Some(work) => act(work),
            None => Err(Error::Engine {
                why: "a transaction was used after its attempt had ended".to_owned(),
            }),
        }
    }

    /// Fails if the attempt has ended.
    pub(crate) fn check_open(&self) -> Result<(), Error> {
        self.with(|_| Ok(()))
    }

    /// The value of `key`. Unless `peek` is set, the commit conflicts if the snapshot's value has changed.
    pub(crate) fn get(&self, key: Vec<u8>, peek: bool) -> Result<Option<Vec<u8>>, Error> {
        self.with(|work| {
            let delta = match work.writes.lookup(&key) {
                Lookup::Value(value) => return Ok(Some(value.to_vec())),
                Lookup::Cleared => return Ok(None),
                Lookup::Added(delta) => Some(delta),
                Lookup::Untouched => None,
            };
            let snapshot = open_snapshot(&mut work.snapshot, &self.store)?;
            let stored = self
                .store
                .environment
                .data
                .get(snapshot, &key)
                .map_err(|error| failure(&error))?;
            let value = match delta {
                Some(delta) => Some(counter::sum(stored, delta)),
                None => stored.map(<[u8]>::to_vec),
            };
            if !peek && !work.is_read_only {
                work.keys.push(key);
            }
            Ok(value)
        })
    }

    pub(crate) fn range(&self, span: &Span, order: Order, limit: usize) -> Result<Vec<RawEntry>, Error> {
        self.with(|work| {
            let snapshot = open_snapshot(&mut work.snapshot, &self.store)?;
            let writes = &work.writes;
            let untouched = |entry: &Result<(&[u8], _), _>| match entry {
                Ok((key, _)) => writes.lookup(key) == Lookup::Untouched,
                Err(_) => true,
            };
            let (bounds, data) = (bounds(span), &self.store.environment.data);
            let own = writes.entries_in(span, |key| data.get(snapshot, key));
            let found = match order {
                Order::Ascending => data
                    .range(snapshot, &bounds)
                    .and_then(|entries| merge(entries.filter(untouched), own, order, limit)),
                Order::Descending => data
                    .rev_range(snapshot, &bounds)
                    .and_then(|entries| merge(entries.filter(untouched), own.rev(), order, limit)),
            };
            let found = found.map_err(|error| failure(&error))?;
            if !work.is_read_only {
                work.spans.push(examined(span, order, limit, &found));
            }
            Ok(found)
        })
    }

    pub(crate) fn set(&self, key: Vec<u8>, value: Vec<u8>) -> Result<(), Error> {
        self.with(|work| {
            work.writes.set(key, value);
            Ok(())
        })
    }

    pub(crate) fn clear(&self, key: Vec<u8>) -> Result<(), Error> {
        self.with(|work| {
            work.writes.clear(key);
            Ok(())
        })
    }

    pub(crate) fn clear_range(&self, span: Span) -> Result<(), Error> {
        self.with(|work| {
            work.writes.clear_range(span);
            Ok(())
        })
    }

    pub(crate) fn add(&self, key: Vec<u8>, delta: i64) -> Result<(), Error> {
        self.with(|work| {
            work.writes.add(key, delta);
            Ok(())
        })
    }

    pub(crate) fn append(&self, prefix: Vec<u8>, order: u16, value: Vec<u8>) -> Result<(), Error> {
        self.with(|work| {
            work.writes.append(prefix, order, value);
            Ok(())
        })
    }

    /// Ends the attempt without a commit and closes its snapshot; does nothing if it has ended.
    pub(crate) fn end(&self) {
        lock(&self.work).take();
        #[cfg(feature = "testing")]
        lock(&self.commit_snapshot).take();
    }

    /// Ends the attempt and commits its writes, if any. If the future is dropped, the commit is withdrawn; if the
    /// committer has taken it already, `undecided` is set.
    pub(crate) async fn commit(&self, room: Room, undecided: &AtomicBool) -> Result<(), Error> {
        let Some(mut work) = lock(&self.work).take().filter(|work| !work.writes.is_empty()) else {
            return Ok(());
        };
        work.room = room;
        let (sender, outcome) = oneshot::channel();
        let id = self.store.push(work, sender)?;
        let mut queued = QueuedCommit::new(&self.store.queue, id, undecided);
        let outcome = outcome.await;
        queued.resolve();
        outcome.unwrap_or_else(|_| Err(stopped()))
    }
}

/// The snapshot of a transaction, which its first read opens.
fn open_snapshot<'s>(snapshot: &'s mut Option<ReadTxn>, store: &Store) -> Result<&'s ReadTxn, Error> {
    match snapshot {
        Some(snapshot) => Ok(snapshot),
        None => Ok(snapshot.insert(store.environment.snapshot()?)),
    }
}
