//! One attempt of a transaction: the six verbs, the root of every key, and the limits that hold on every engine.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

use tokio::time::Instant;

use crate::db::Counters;
use crate::error::Error;
#[cfg(feature = "testing")]
use crate::faulty;
#[cfg(feature = "fdb")]
use crate::fdb;
use crate::key::{Key, Range, Span};
use crate::lmdb;
use crate::meter::Trips;
use crate::overlay::Found;

/// The longest key, its root included, in bytes.
pub const MAX_KEY_LEN: usize = 511;
/// The longest value, in bytes.
pub const MAX_VALUE_LEN: usize = 100_000;
/// The most bytes that one transaction writes, its keys three times and 64 bytes a write besides; every write counts, also one that a later
/// write undoes. `FoundationDB` takes 10,000,000, in which it counts what was read too; the rest is left for that.
pub const MAX_TRANSACTION_LEN: usize = 9_000_000;

/// What a write costs besides its key and its value: `FoundationDB` also sends the range that it may conflict with, whose two ends are the
/// key and its successor, and some bytes around them.
const WRITE_OVERHEAD: usize = 64;

/// Bytes that [`Txn::append`] puts behind the prefix: a type code and the stamp.
const STAMP_LEN: usize = 13;

/// Which end of a range comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// A read of several keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The keys to read.
    pub range: Range,
    /// Which end comes first.
    pub order: Order,
    /// The most entries to return; zero reads nothing.
    pub limit: usize,
}

/// The answer to a [`Query`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The entries found, in the order asked for.
    pub entries: Vec<Entry>,
    /// The query that continues after the last entry; `None` if the range was read to its end.
    ///
    /// A page that is full always has one, and the page it leads to may be empty: what lies behind the limit was not looked
    /// at, so that a write there is no conflict. To learn whether there is more, ask for one entry more than is shown.
    pub next: Option<Query>,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key, without the root.
    pub key: Key,
    /// Its value.
    pub value: Vec<u8>,
}

/// A transaction in progress, as [`Db::run`](crate::Db::run) gives it to its closure. Clones are the same transaction.
///
/// Reads see the store as it was at the transaction's first read, with the transaction's own writes over it. Writes reach the
/// store together when the closure returns `Ok`, or not at all.
#[derive(Clone)]
pub struct Txn(Arc<Inner>);

struct Inner {
    engine: Transaction,
    root: Arc<[u8]>,
    usage: Arc<Counters>,
    trips: Trips,
    written: AtomicUsize,
    appended: AtomicU32,
    /// Its snapshot is not older than that.
    begun: Instant,
    #[cfg(feature = "testing")]
    faults: Option<faulty::Attempt>,
}

/// A transaction of each engine.
pub(crate) enum Transaction {
    Lmdb(lmdb::Transaction),
    #[cfg(feature = "fdb")]
    Fdb(fdb::Transaction),
}

/// What the store was at some time, for a later transaction to read from: see [`Db::reading_from`](crate::Db::reading_from).
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) engine: EngineSnapshot,
    /// A time that it is not older than.
    pub(crate) begun: Instant,
    /// Whether a transaction that reads from it has no snapshot to ask the store for; or would have none, if its engine were one that has
    /// to be asked.
    pub(crate) spares_begin: bool,
}

/// A snapshot of each engine.
#[derive(Clone)]
pub(crate) enum EngineSnapshot {
    /// None, so that the later transaction takes the newest one: because that costs no trip, or because none is known.
    Newest,
    #[cfg(feature = "testing")]
    Held(Arc<lmdb::Held>),
    /// A version that was read, or that a commit made.
    #[cfg(feature = "fdb")]
    Fdb(i64),
}

impl Txn {
    pub(crate) fn new(
        engine: Transaction,
        begun: Instant,
        root: Arc<[u8]>,
        usage: Arc<Counters>,
        trips: Trips,
        #[cfg(feature = "testing")] faults: Option<faulty::Attempt>,
    ) -> Self {
        Self(Arc::new(Inner {
            engine,
            root,
            usage,
            trips,
            written: AtomicUsize::new(0),
            appended: AtomicU32::new(0),
            begun,
            #[cfg(feature = "testing")]
            faults,
        }))
    }

    /// The snapshot that this transaction reads from, or a newer one; meant for a transaction that has read and does not write.
    ///
    /// It may not have what the transaction writes, which would then be a conflict for whoever reads it there and writes:
    /// [`Db::run_with_snapshot`](crate::Db::run_with_snapshot) answers a snapshot that does.
    #[cfg_attr(
        not(feature = "fdb"),
        expect(clippy::unused_async, reason = "other engines ask the store")
    )]
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        let engine = match &self.0.engine {
            #[cfg(feature = "testing")]
            Transaction::Lmdb(engine) if self.0.faults.is_some() => EngineSnapshot::Held(Arc::new(engine.hold()?)),
            Transaction::Lmdb(_) => EngineSnapshot::Newest,
            #[cfg(feature = "fdb")]
            Transaction::Fdb(engine) => {
                let trip = self.0.trips.send_begin();
                let version = engine.version().await;
                trip.answered(0);
                EngineSnapshot::Fdb(version?)
            }
        };
        Ok(self.snapshot_of(engine, self.0.begun))
    }

    /// Ends the attempt and answers what it leaves: the store right after its commit, or as it was read if nothing was written.
    /// That is not older than `begun`. Asks the store for nothing, and cannot fail: what was committed stays so.
    #[cfg_attr(
        not(feature = "fdb"),
        expect(clippy::unused_async, reason = "other engines ask their client")
    )]
    pub(crate) async fn leave(&self, begun: Instant) -> Snapshot {
        let engine = match &self.0.engine {
            #[cfg(feature = "testing")]
            Transaction::Lmdb(engine) if self.0.faults.is_some() => {
                engine.leave().map(|held| EngineSnapshot::Held(Arc::new(held)))
            }
            Transaction::Lmdb(_) => None,
            #[cfg(feature = "fdb")]
            Transaction::Fdb(engine) => engine.leave().await.map(EngineSnapshot::Fdb),
        };
        self.snapshot_of(engine.unwrap_or(EngineSnapshot::Newest), begun)
    }

    fn snapshot_of(&self, engine: EngineSnapshot, begun: Instant) -> Snapshot {
        let spares_begin = match (&engine, &self.0.engine) {
            (EngineSnapshot::Newest, Transaction::Lmdb(_)) => self.0.trips.has_snapshot(),
            #[cfg(feature = "fdb")]
            (EngineSnapshot::Newest, Transaction::Fdb(_)) => false,
            #[cfg(any(feature = "fdb", feature = "testing"))]
            _ => true,
        };
        Snapshot {
            engine,
            begun,
            spares_begin,
        }
    }

    /// The value of `key`, if it has one.
    pub async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        let key = self.rooted(key)?;
        self.0.usage.reads.fetch_add(1, Relaxed);
        self.0.usage.keys_read.fetch_add(1, Relaxed);
        let trip = self.0.trips.send();
        let value = self.look_up(key).await;
        trip.answered(0);
        value
    }

    async fn look_up(&self, key: Vec<u8>) -> Result<Option<Vec<u8>>, Error> {
        #[cfg(feature = "testing")]
        if let Some(faults) = &self.0.faults {
            faults.before_read().await?;
        }
        match &self.0.engine {
            Transaction::Lmdb(engine) => {
                // A read that never waits must still let others run, and the deadline pass, once in a while.
                tokio::task::coop::consume_budget().await;
                engine.get(key)
            }
            #[cfg(feature = "fdb")]
            Transaction::Fdb(engine) => engine.get(&key).await,
        }
    }

    /// The entries of a range, at most `query.limit` of them. What was examined, and no more, can conflict.
    pub async fn range(&self, query: &Query) -> Result<Page, Error> {
        let span = query.range.under(&self.0.root);
        if query.limit == 0 || span.is_empty() {
            return Ok(Page {
                entries: Vec::new(),
                next: None,
            });
        }
        let trip = self.0.trips.send();
        let mut more = 0;
        let found = self.find(&span, query, &mut more).await;
        trip.answered(more);
        let found = found?;
        self.0.usage.reads.fetch_add(1, Relaxed);
        self.0.usage.keys_read.fetch_add(found.len() as u64, Relaxed);

        let root = self.0.root.len();
        let entries: Vec<_> = found
            .into_iter()
            .map(|(key, value)| Entry {
                key: Key::from_bytes(&key[root..]),
                value,
            })
            .collect();
        let next = match entries.last() {
            Some(last) if entries.len() == query.limit => Some(Query {
                range: match query.order {
                    Order::Ascending => query.range.clone().after(&last.key),
                    Order::Descending => query.range.clone().before(&last.key),
                },
                ..*query
            }),
            _ => None,
        };
        Ok(Page { entries, next })
    }

    /// The entries of a span, and in `more` how many further trips that took.
    async fn find(&self, span: &Span, query: &Query, more: &mut u32) -> Result<Vec<Found>, Error> {
        #[cfg(feature = "testing")]
        if let Some(faults) = &self.0.faults {
            faults.before_read().await?;
        }
        match &self.0.engine {
            Transaction::Lmdb(engine) => {
                let _ = more;
                tokio::task::coop::consume_budget().await;
                engine.range(span, query.order, query.limit)
            }
            #[cfg(feature = "fdb")]
            Transaction::Fdb(engine) => engine.range(span, query.order, query.limit, more).await,
        }
    }

    /// Gives `key` a value, in place of the one it has.
    pub fn set(&self, key: &Key, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let (key, value) = (self.rooted(key)?, checked(value.as_ref())?);
        self.count_written(3 * key.len() + value.len())?;
        match &self.0.engine {
            Transaction::Lmdb(engine) => engine.set(key, value),
            #[cfg(feature = "fdb")]
            Transaction::Fdb(engine) => engine.set(&key, &value),
        }
    }

    /// Removes `key` and its value, if it is there.
    pub fn clear(&self, key: &Key) -> Result<(), Error> {
        let key = self.rooted(key)?;
        self.count_written(3 * key.len())?;
        match &self.0.engine {
            Transaction::Lmdb(engine) => engine.clear(key),
            #[cfg(feature = "fdb")]
            Transaction::Fdb(engine) => engine.clear(&key),
        }
    }

    /// Removes every key of `range`.
    pub fn clear_range(&self, range: &Range) -> Result<(), Error> {
        let span = range.under(&self.0.root);
        if span.is_empty() {
            return Ok(());
        }
        self.count_written(2 * (span.start.len() + span.end.len()))?;
        match &self.0.engine {
            Transaction::Lmdb(engine) => engine.clear_range(span),
            #[cfg(feature = "fdb")]
            Transaction::Fdb(engine) => engine.clear_range(&span),
        }
    }

    /// Adds an entry whose key is `prefix` and a [`Versionstamp`](crate::Versionstamp) that the commit fills in.
    ///
    /// Stamps have 12 bytes: the commit's version (8), its place among the commits of that version (2), and the number of the
    /// append in its transaction (2), all big-endian. So keys under one prefix are in commit order, across processes. The
    /// transaction itself does not see the entry. A [`Txn::clear_range`] over all of the prefix, made later in the same
    /// transaction, takes the entry back. At most 65,536 appends fit into a transaction.
    pub fn append(&self, prefix: &Key, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let prefix = [&*self.0.root, prefix.as_bytes()].concat();
        let len = prefix.len() + STAMP_LEN;
        if len > MAX_KEY_LEN {
            return Err(Error::KeyTooLarge { len });
        }
        let value = checked(value.as_ref())?;
        self.count_written(3 * len + value.len())?;
        let order = u16::try_from(self.0.appended.fetch_add(1, Relaxed)).map_err(|_| Error::TooManyAppends)?;
        match &self.0.engine {
            Transaction::Lmdb(engine) => engine.append(prefix, order, value),
            #[cfg(feature = "fdb")]
            Transaction::Fdb(engine) => engine.append(prefix, order, value),
        }
    }

    /// Refuses the commit if anybody writes `key` meanwhile, without reading it.
    pub(crate) fn watch(&self, key: &Key) -> Result<(), Error> {
        match &self.0.engine {
            // Reading costs it no trip, and what was read is watched.
            Transaction::Lmdb(engine) => engine.get(self.rooted(key)?).map(drop),
            #[cfg(feature = "fdb")]
            Transaction::Fdb(engine) => engine.watch(&self.rooted(key)?),
        }
    }

    /// A time that its snapshot is not older than.
    pub(crate) fn begun(&self) -> Instant {
        self.0.begun
    }

    /// Whether anything was written.
    pub(crate) fn has_written(&self) -> bool {
        self.0.written.load(Relaxed) > 0
    }

    fn rooted(&self, key: &Key) -> Result<Vec<u8>, Error> {
        let len = self.0.root.len() + key.as_bytes().len();
        if len > MAX_KEY_LEN {
            return Err(Error::KeyTooLarge { len });
        }
        Ok([&*self.0.root, key.as_bytes()].concat())
    }

    fn count_written(&self, len: usize) -> Result<(), Error> {
        let len = len + WRITE_OVERHEAD;
        let grow = |written: usize| written.checked_add(len).filter(|total| *total <= MAX_TRANSACTION_LEN);
        match self.0.written.fetch_update(Relaxed, Relaxed, grow) {
            Ok(_) => Ok(()),
            Err(written) => Err(Error::TransactionTooLarge {
                len: written.saturating_add(len),
            }),
        }
    }

    pub(crate) fn trips(&self) -> &Trips {
        &self.0.trips
    }

    #[cfg(feature = "testing")]
    pub(crate) fn faults(&self) -> Option<&faulty::Attempt> {
        self.0.faults.as_ref()
    }

    pub(crate) fn engine(&self) -> &Transaction {
        &self.0.engine
    }
}

fn checked(value: &[u8]) -> Result<Vec<u8>, Error> {
    if value.len() > MAX_VALUE_LEN {
        return Err(Error::ValueTooLarge { len: value.len() });
    }
    Ok(value.to_vec())
}

impl fmt::Debug for Txn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Txn").finish_non_exhaustive()
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}
