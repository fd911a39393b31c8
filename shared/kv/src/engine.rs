//! The engines, and the only module that distinguishes them: all others call [`Store`] and [`Transaction`].

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::task::coop::consume_budget;

use crate::error::Error;
#[cfg(feature = "fdb")]
use crate::fdb;
use crate::limits::Room;
use crate::lmdb;
use crate::meter::Trips;
use crate::query::{Order, RawEntry, Span};
use crate::watch::Watch;

/// The engine of a store, and its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// LMDB in a folder on a local disk. Several processes may share the folder; it is created if it is missing.
    Lmdb(PathBuf),
    /// A FoundationDB cluster.
    #[cfg(feature = "fdb")]
    Fdb(fdb::Cluster),
}

impl Engine {
    /// The name of its software, in lower case.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Lmdb(_) => "lmdb",
            #[cfg(feature = "fdb")]
            Self::Fdb(_) => "foundationdb",
        }
    }

    /// The LMDB folder. `None` for FoundationDB, where a store is a part of the cluster.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Lmdb(folder) => Some(folder),
            #[cfg(feature = "fdb")]
            Self::Fdb(_) => None,
        }
    }

    /// The LMDB folder, if it contains no store. A folder that cannot be searched is not missing: opening it reports
    /// the reason.
    pub fn missing_folder(&self) -> Option<&Path> {
        self.folder()
            .filter(|folder| lmdb::exists(folder).is_ok_and(|exists| !exists))
    }

    /// The LMDB folder, if another process has the store open. Only for a process that does not have it open: this
    /// would release the process's locks. `None` for FoundationDB, whose clients do not know each other.
    pub fn used_folder(&self) -> Option<&Path> {
        self.folder().filter(|folder| lmdb::is_in_use(folder))
    }
}

/// Stops the background threads of all engines.
pub(crate) fn shutdown() {
    #[cfg(feature = "fdb")]
    fdb::stop();
}

/// An open store.
#[derive(Clone)]
pub(crate) enum Store {
    Lmdb(Arc<lmdb::Store>),
    #[cfg(feature = "fdb")]
    Fdb(Arc<fdb::Store>),
}

impl Store {
    /// `max_len` limits LMDB's data file, in bytes.
    pub(crate) fn open(engine: &Engine, max_len: usize) -> Result<Self, Error> {
        match engine {
            Engine::Lmdb(folder) => lmdb::Store::open(folder, max_len).map(Self::Lmdb),
            #[cfg(feature = "fdb")]
            Engine::Fdb(cluster) => fdb::Store::open(cluster).map(Self::Fdb),
        }
    }

    /// Starts a copy of an LMDB store.
    pub(crate) fn copy(&self) -> Result<Option<lmdb::StoreCopy>, Error> {
        match self {
            Self::Lmdb(store) => store.copy().map(Some),
            #[cfg(feature = "fdb")]
            Self::Fdb(_) => Ok(None),
        }
    }

    /// Begins a transaction that reads from `start`, or from the newest snapshot.
    ///
    /// Engines with a client of their own pass it the transaction's deadline and maximum number of attempts.
    pub(crate) fn begin(
        &self,
        deadline: Duration,
        max_attempts: u32,
        start: Option<&EngineSnapshot>,
    ) -> Result<Transaction, Error> {
        match self {
            Self::Lmdb(store) => {
                let _ = (deadline, max_attempts);
                let store = store.clone();
                let txn = match start {
                    #[cfg(feature = "testing")]
                    Some(EngineSnapshot::Held(held)) => lmdb::Transaction::begin_on(store, held),
                    _ => lmdb::Transaction::begin(store),
                };
                txn.map(Transaction::Lmdb)
            }
            #[cfg(feature = "fdb")]
            Self::Fdb(store) => {
                let version = match start {
                    Some(EngineSnapshot::Fdb(version)) => Some(*version),
                    _ => None,
                };
                store.begin(deadline, max_attempts, version).map(Transaction::Fdb)
            }
        }
    }

    /// Begins a transaction that never commits, and reads from a snapshot of this moment without a time limit. `None`
    /// if the engine keeps no snapshot for that long.
    pub(crate) fn begin_read_only(&self) -> Result<Option<Transaction>, Error> {
        match self {
            Self::Lmdb(store) => {
                let txn = lmdb::Transaction::begin_read_only(store.clone())?;
                Ok(Some(Transaction::Lmdb(txn)))
            }
            #[cfg(feature = "fdb")]
            Self::Fdb(_) => Ok(None),
        }
    }

    /// Whether a commit can end with an unknown outcome.
    pub(crate) fn has_unknown_commits(&self) -> bool {
        match self {
            Self::Lmdb(_) => false,
            #[cfg(feature = "fdb")]
            Self::Fdb(_) => true,
        }
    }
}

/// A snapshot that a later transaction can read from.
#[derive(Clone)]
pub(crate) enum EngineSnapshot {
    /// The newest snapshot when the later transaction begins: it costs no trip, or no other snapshot is known.
    Newest,
    /// An LMDB snapshot that stays open for one later transaction.
    #[cfg(feature = "testing")]
    Held(Arc<lmdb::HeldSnapshot>),
    /// A version that was read, or that a commit created.
    #[cfg(feature = "fdb")]
    Fdb(i64),
}

/// One attempt of a transaction. Keys include the root.
pub(crate) enum Transaction {
    Lmdb(lmdb::Transaction),
    #[cfg(feature = "fdb")]
    Fdb(fdb::Transaction),
}

#[cfg_attr(
    not(feature = "fdb"),
    expect(
        clippy::unused_async,
        reason = "FoundationDB's client is asynchronous where LMDB is not"
    )
)]
impl Transaction {
    /// The value of `key`. Unless `peek` is set, the commit conflicts if another transaction has changed it.
    pub(crate) async fn get(&self, key: Vec<u8>, peek: bool) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Self::Lmdb(txn) => {
                // An LMDB read never waits. Without this, a closure that only reads would never yield, and its deadline
                // would never fire.
                consume_budget().await;
                txn.get(key, peek)
            }
            #[cfg(feature = "fdb")]
            Self::Fdb(txn) => txn.get(&key, peek).await,
        }
    }

    /// At most `limit` entries of `span`; adds the number of further trips to `extra_trips`.
    pub(crate) async fn range(
        &self,
        span: &Span,
        order: Order,
        limit: usize,
        extra_trips: &mut u32,
    ) -> Result<Vec<RawEntry>, Error> {
        match self {
            Self::Lmdb(txn) => {
                let _ = extra_trips;
                consume_budget().await;
                txn.range(span, order, limit)
            }
            #[cfg(feature = "fdb")]
            Self::Fdb(txn) => txn.range(span, order, limit, extra_trips).await,
        }
    }

    pub(crate) fn set(&self, key: Vec<u8>, value: Vec<u8>) -> Result<(), Error> {
        match self {
            Self::Lmdb(txn) => txn.set(key, value),
            #[cfg(feature = "fdb")]
            Self::Fdb(txn) => txn.set(&key, &value),
        }
    }

    pub(crate) fn clear(&self, key: Vec<u8>) -> Result<(), Error> {
        match self {
            Self::Lmdb(txn) => txn.clear(key),
            #[cfg(feature = "fdb")]
            Self::Fdb(txn) => txn.clear(&key),
        }
    }

    pub(crate) fn clear_range(&self, span: Span) -> Result<(), Error> {
        match self {
            Self::Lmdb(txn) => txn.clear_range(span),
            #[cfg(feature = "fdb")]
            Self::Fdb(txn) => txn.clear_range(&span),
        }
    }

    /// Adds `delta` to the counter at `key`, which the commit reads.
    pub(crate) fn add(&self, key: Vec<u8>, delta: i64) -> Result<(), Error> {
        match self {
            Self::Lmdb(txn) => txn.add(key, delta),
            #[cfg(feature = "fdb")]
            Self::Fdb(txn) => txn.add(&key, delta),
        }
    }

    /// Adds an entry whose key is `prefix` and the commit's stamp, with `order` as the stamp's last part.
    pub(crate) fn append(&self, prefix: Vec<u8>, order: u16, value: Vec<u8>) -> Result<(), Error> {
        match self {
            Self::Lmdb(txn) => txn.append(prefix, order, value),
            #[cfg(feature = "fdb")]
            Self::Fdb(txn) => txn.append(prefix, order, value),
        }
    }

    /// Watches `key` from this transaction's snapshot on. `None` if the engine sets no further watch.
    pub(crate) fn watch(&self, key: &[u8]) -> Result<Option<Watch>, Error> {
        match self {
            Self::Lmdb(txn) => {
                let _ = key;
                txn.check_open().map(|()| None)
            }
            #[cfg(feature = "fdb")]
            Self::Fdb(txn) => txn.watch(key),
        }
    }

    /// Makes the commit a conflict if another transaction writes `key` meanwhile. Costs no trip.
    pub(crate) fn add_read_conflict(&self, key: Vec<u8>) -> Result<(), Error> {
        match self {
            // A read adds the conflict, and on LMDB it costs no trip.
            Self::Lmdb(txn) => txn.get(key, false).map(drop),
            #[cfg(feature = "fdb")]
            Self::Fdb(txn) => txn.add_read_conflict(&key),
        }
    }

    /// The snapshot that this transaction reads from, or a newer one.
    pub(crate) async fn snapshot(&self, trips: &Trips) -> Result<EngineSnapshot, Error> {
        match self {
            Self::Lmdb(_) => {
                let _ = trips;
                Ok(EngineSnapshot::Newest)
            }
            #[cfg(feature = "fdb")]
            Self::Fdb(txn) => {
                let trip = trips.start_begin();
                let version = txn.version().await;
                trip.complete(0, &version);
                version.map(EngineSnapshot::Fdb)
            }
        }
    }

    /// Ends the attempt. Returns the store as of its commit, or as of its reads if it wrote nothing. Costs no trip.
    pub(crate) async fn commit_snapshot(&self) -> EngineSnapshot {
        match self {
            Self::Lmdb(_) => EngineSnapshot::Newest,
            #[cfg(feature = "fdb")]
            Self::Fdb(txn) => {
                let version = txn.commit_version().await;
                version.map_or(EngineSnapshot::Newest, EngineSnapshot::Fdb)
            }
        }
    }

    /// Whether the newest snapshot costs no trip.
    pub(crate) fn has_free_snapshots(&self) -> bool {
        match self {
            Self::Lmdb(_) => true,
            #[cfg(feature = "fdb")]
            Self::Fdb(_) => false,
        }
    }

    /// Ends the attempt and commits its writes, if any. If the future is dropped while the outcome is open, sets
    /// `undecided`.
    pub(crate) async fn commit(&self, room: Room, undecided: &AtomicBool) -> Result<(), Error> {
        match self {
            Self::Lmdb(txn) => txn.commit(room, undecided).await,
            #[cfg(feature = "fdb")]
            Self::Fdb(txn) => {
                // A cluster reports no full disk: it delays all transactions.
                let _ = room;
                txn.commit(undecided).await
            }
        }
    }

    /// Waits until the engine's client allows another attempt, and returns its transaction. `None`: the engine leaves
    /// retries to the caller. An error: the client allows no further attempt.
    pub(crate) async fn retry(&self) -> Result<Option<Self>, Error> {
        match self {
            Self::Lmdb(_) => Ok(None),
            #[cfg(feature = "fdb")]
            Self::Fdb(txn) => Ok(txn.retry().await?.map(Self::Fdb)),
        }
    }

    /// Ends the attempt without a commit; does nothing if it has ended.
    pub(crate) fn end(&self) {
        match self {
            Self::Lmdb(txn) => txn.end(),
            #[cfg(feature = "fdb")]
            Self::Fdb(txn) => txn.end(),
        }
    }
}

/// Fault injection needs commits and snapshots that are the same in every repetition.
#[cfg(feature = "testing")]
#[cfg_attr(
    not(feature = "fdb"),
    expect(
        clippy::unused_async,
        reason = "FoundationDB's client is asynchronous where LMDB is not"
    )
)]
impl Transaction {
    /// Like [`snapshot`](Self::snapshot), but on LMDB the snapshot of this moment and not the newest one later.
    pub(crate) async fn held_snapshot(&self, trips: &Trips) -> Result<EngineSnapshot, Error> {
        match self {
            Self::Lmdb(txn) => {
                let _ = trips;
                Ok(EngineSnapshot::Held(Arc::new(txn.hold_snapshot()?)))
            }
            #[cfg(feature = "fdb")]
            Self::Fdb(_) => self.snapshot(trips).await,
        }
    }

    /// Like [`commit_snapshot`](Self::commit_snapshot), but on LMDB the snapshot of the commit and not the newest one
    /// later.
    pub(crate) async fn held_commit_snapshot(&self) -> EngineSnapshot {
        match self {
            Self::Lmdb(txn) => txn
                .held_commit_snapshot()
                .map_or(EngineSnapshot::Newest, |held| EngineSnapshot::Held(Arc::new(held))),
            #[cfg(feature = "fdb")]
            Self::Fdb(_) => self.commit_snapshot().await,
        }
    }

    /// Like [`watch`](Self::watch), but LMDB emulates it: `commits` tells when to compare the value.
    pub(crate) fn emulated_watch(
        &self,
        key: Vec<u8>,
        commits: tokio::sync::watch::Receiver<()>,
    ) -> Result<Option<Watch>, Error> {
        match self {
            Self::Lmdb(txn) => txn.emulated_watch(key, commits),
            #[cfg(feature = "fdb")]
            Self::Fdb(txn) => {
                drop(commits);
                txn.watch(&key)
            }
        }
    }

    /// Like [`commit`](Self::commit), but on LMDB on the calling thread.
    pub(crate) async fn commit_in_place(&self, room: Room, undecided: &AtomicBool) -> Result<(), Error> {
        match self {
            Self::Lmdb(txn) => {
                let _ = undecided;
                txn.commit_in_place(room)
            }
            #[cfg(feature = "fdb")]
            Self::Fdb(txn) => txn.commit(undecided).await,
        }
    }

    /// Commits after `delay`, whether the transaction still exists then or not. FoundationDB's client commits
    /// immediately.
    pub(crate) async fn commit_later(&self, delay: Duration, room: Room, undecided: &AtomicBool) {
        match self {
            Self::Lmdb(txn) => {
                let _ = undecided;
                let detached = txn.detach();
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    // Nothing waits for the outcome.
                    let _ = detached.commit_in_place(room);
                });
            }
            #[cfg(feature = "fdb")]
            Self::Fdb(txn) => drop(txn.commit(undecided).await),
        }
    }
}
