//! One attempt of a transaction: its operations, the root of every key, and the size limits.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use crate::appends::STAMP_LEN;
use crate::counter;
use crate::engine::{EngineSnapshot, Transaction};
use crate::error::Error;
#[cfg(feature = "testing")]
use crate::faulty::AttemptFaults;
use crate::key::Key;
use crate::limits::{MAX_KEY_LEN, MAX_TRANSACTION_LEN, MAX_VALUE_LEN, Room, WRITE_OVERHEAD};
use crate::meter::Trips;
use crate::query::{Entry, Page, Query, Range};
use crate::snapshot::Snapshot;
use crate::sync::lock;
use crate::usage::{Counter, Counters};
use crate::watch::Watch;

/// A transaction in progress, as [`Db::run`](crate::Db::run) passes it to its closure. Clones are the same transaction.
///
/// Reads return the store as of the transaction's first read, with the transaction's own writes applied. The commit
/// applies all writes together when the closure returns `Ok`; otherwise it applies none.
#[derive(Clone)]
pub struct Txn(Arc<Inner>);

struct Inner {
    engine: Transaction,
    root: Arc<[u8]>,
    usage: Counters,
    trips: Trips,
    /// Bytes written, as [`MAX_TRANSACTION_LEN`] counts them.
    written: AtomicUsize,
    appended: AtomicU32,
    has_peeked: AtomicBool,
    room: Mutex<Room>,
    /// The transaction's snapshot was taken at this time or later.
    taken_after: Instant,
    #[cfg(feature = "testing")]
    faults: Option<AttemptFaults>,
}

impl Txn {
    pub(crate) fn new(
        engine: Transaction,
        taken_after: Instant,
        root: Arc<[u8]>,
        usage: Counters,
        trips: Trips,
        #[cfg(feature = "testing")] faults: Option<AttemptFaults>,
    ) -> Self {
        Self(Arc::new(Inner {
            engine,
            root,
            usage,
            trips,
            written: AtomicUsize::new(0),
            appended: AtomicU32::new(0),
            has_peeked: AtomicBool::new(false),
            room: Mutex::default(),
            taken_after,
            #[cfg(feature = "testing")]
            faults,
        }))
    }

    /// The value of `key`, if the key exists.
    pub async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        self.read(key, false).await
    }

    /// The value of `key` in the same snapshot as other reads, without a conflict if it changes before the commit.
    ///
    /// Use it for a value that the transaction may act on although it is out of date by the time of the commit, such as
    /// a counter far from its limit. [`get`](Self::get) the key as well if the decision must hold.
    pub async fn peek(&self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        self.0.has_peeked.store(true, Relaxed);
        self.read(key, true).await
    }

    async fn read(&self, key: &Key, peek: bool) -> Result<Option<Vec<u8>>, Error> {
        let key = self.rooted(key)?;
        self.0.usage.add(Counter::Reads, 1);
        self.0.usage.add(Counter::KeysRead, 1);
        let trip = self.0.trips.start("get");
        #[cfg(feature = "testing")]
        if let Some(faults) = &self.0.faults
            && let Err(error) = faults.before_read().await
        {
            let failed = Err(error);
            trip.complete(0, &failed);
            return failed;
        }
        let value = self.0.engine.get(key, peek).await;
        trip.complete(0, &value);
        value
    }

    /// At most `query.limit` entries of a range. Only writes to the examined part of the range can conflict.
    pub async fn range(&self, query: &Query) -> Result<Page, Error> {
        let span = query.range.under(&self.0.root);
        if query.limit == 0 || span.is_empty() {
            return Ok(Page {
                entries: Vec::new(),
                next: None,
            });
        }
        let trip = self.0.trips.start("range");
        #[cfg(feature = "testing")]
        if let Some(faults) = &self.0.faults
            && let Err(error) = faults.before_read().await
        {
            let failed = Err(error);
            trip.complete(0, &failed);
            return failed;
        }
        let mut extra_trips = 0;
        let found = self
            .0
            .engine
            .range(&span, query.order, query.limit, &mut extra_trips)
            .await;
        trip.complete(extra_trips, &found);
        let found = found?;
        self.0.usage.add(Counter::Reads, 1);
        self.0.usage.add(Counter::KeysRead, found.len() as u64);

        let root = self.0.root.len();
        let entries: Vec<_> = found
            .into_iter()
            .map(|(key, value)| Entry {
                key: Key::from_bytes(&key[root..]),
                value,
            })
            .collect();
        let next = match entries.last() {
            Some(last) if entries.len() == query.limit => Some(query.continued_after(&last.key)),
            _ => None,
        };
        Ok(Page { entries, next })
    }

    /// Sets `key` to `value`, replacing any existing value.
    pub fn set(&self, key: &Key, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let (key, value) = (self.rooted(key)?, checked(value.as_ref())?);
        self.count_written(3 * key.len() + value.len())?;
        self.0.engine.set(key, value)
    }

    /// Removes `key` and its value, if it exists.
    pub fn clear(&self, key: &Key) -> Result<(), Error> {
        let key = self.rooted(key)?;
        self.count_written(3 * key.len())?;
        self.0.engine.clear(key)
    }

    /// Removes every key in `range`.
    pub fn clear_range(&self, range: &Range) -> Result<(), Error> {
        let span = range.under(&self.0.root);
        if span.is_empty() {
            return Ok(());
        }
        self.count_written(2 * (span.start.len() + span.end.len()))?;
        self.0.engine.clear_range(span)
    }

    /// Adds `delta` to the counter at `key`, which is a [value of eight bytes](crate::counter()), little-endian.
    ///
    /// Additions alone never conflict: the commit adds to the value of that moment. A missing key counts as zero. A
    /// value of another length is extended with zeros or truncated to eight bytes, and the sum wraps around on
    /// overflow. A counter that reaches zero stays in the store.
    ///
    /// [`get`](Self::get) and [`range`](Self::range) after `add` in the same transaction read the stored counter,
    /// return the sum, and conflict if another transaction changes the counter; [`peek`](Self::peek) does not conflict.
    pub fn add(&self, key: &Key, delta: i64) -> Result<(), Error> {
        let key = self.rooted(key)?;
        self.count_written(3 * key.len() + counter::LEN)?;
        self.0.engine.add(key, delta)
    }

    /// Adds an entry whose key is `prefix` and a [`Versionstamp`](crate::Versionstamp) that the commit fills in.
    ///
    /// A stamp has 12 bytes, big-endian: the commit's version (8), its position among the commits of that version (2),
    /// and the number of the append in its transaction (2). Keys under one prefix are therefore in commit order, across
    /// processes. The transaction itself does not read the entry. A later [`Txn::clear_range`] over the whole prefix in
    /// the same transaction removes it. A transaction can append 65,536 entries.
    pub fn append(&self, prefix: &Key, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let prefix = [&*self.0.root, prefix.as_bytes()].concat();
        let len = prefix.len() + STAMP_LEN;
        if len > MAX_KEY_LEN {
            return Err(Error::KeyTooLarge { len });
        }
        let value = checked(value.as_ref())?;
        self.count_written(3 * len + value.len())?;
        let order = u16::try_from(self.0.appended.fetch_add(1, Relaxed)).map_err(|_| Error::TooManyAppends)?;
        self.0.engine.append(prefix, order, value)
    }

    /// Watches `key`, in a transaction without writes. The [`Watch`] begins with the commit, outlives the transaction,
    /// and completes when the value differs from that in this transaction's snapshot: so no change after this
    /// transaction's reads is lost. Call it before the reads: it also reads the key, concurrently with them. Keep it
    /// until the commit, which fails if it was dropped before and there are writes.
    ///
    /// `None` if the engine has no watches, as LMDB, or if the process has [`MAX_WATCHES`](crate::MAX_WATCHES). The
    /// caller then looks at intervals.
    pub fn watch(&self, key: &Key) -> Result<Option<Watch>, Error> {
        let key = self.rooted(key)?;
        #[cfg(feature = "testing")]
        if let Some(faults) = &self.0.faults {
            return faults.watch(&self.0.engine, key);
        }
        self.0.engine.watch(&key)
    }

    /// Lets the commit use the space that is reserved for deletions, when the store is full for others.
    ///
    /// Call it in transactions that remove more than they add, and in those that are needed to end a login or to free
    /// space, if what they add is bounded for each login or account. It has no effect on FoundationDB.
    pub fn use_reserve(&self) {
        *lock(&self.0.room) = Room::Reserve;
    }

    /// Makes the commit fail with [`Error::Full`] if the store is nearly full, before ordinary commits fail.
    ///
    /// A check with a small write needs this: a few bytes can still find room on a page that is not full. It has no
    /// effect on FoundationDB.
    pub fn require_room(&self) {
        *lock(&self.0.room) = Room::Margin;
    }

    /// The snapshot that this transaction reads from, or a newer one. Call it after a read, in a transaction without
    /// writes.
    ///
    /// The snapshot may lack this transaction's own writes. A later transaction that reads and writes them would
    /// conflict; [`Db::run_with_snapshot`](crate::Db::run_with_snapshot) returns a snapshot that includes them.
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        #[cfg(feature = "testing")]
        if self.0.faults.is_some() {
            let engine = self.0.engine.held_snapshot(&self.0.trips).await?;
            return Ok(self.snapshot_of(engine, self.0.taken_after));
        }
        let engine = self.0.engine.snapshot(&self.0.trips).await?;
        Ok(self.snapshot_of(engine, self.0.taken_after))
    }

    /// Ends the attempt. Returns the store as of its commit, or as of its reads if it wrote nothing; the snapshot was
    /// taken at `taken_after` or later. Costs no trip and cannot fail, because the commit is already done.
    pub(crate) async fn commit_snapshot(&self, taken_after: Instant) -> Snapshot {
        #[cfg(feature = "testing")]
        if self.0.faults.is_some() {
            let engine = self.0.engine.held_commit_snapshot().await;
            return self.snapshot_of(engine, taken_after);
        }
        let engine = self.0.engine.commit_snapshot().await;
        self.snapshot_of(engine, taken_after)
    }

    fn snapshot_of(&self, engine: EngineSnapshot, taken_after: Instant) -> Snapshot {
        let saves_begin_trip = match engine {
            EngineSnapshot::Newest => self.0.engine.has_free_snapshots() && self.0.trips.has_snapshot(),
            #[cfg(any(feature = "fdb", feature = "testing"))]
            _ => true,
        };
        Snapshot {
            engine,
            taken_after,
            saves_begin_trip,
        }
    }

    /// Ends the attempt and commits its writes, if any. If the future is dropped while the outcome is open, sets
    /// `undecided`.
    pub(crate) async fn commit(&self, undecided: &AtomicBool) -> Result<(), Error> {
        let trip = self.has_written().then(|| self.0.trips.start("commit"));
        let room = *lock(&self.0.room);
        #[cfg(feature = "testing")]
        let outcome = match &self.0.faults {
            Some(faults) => faults.commit(&self.0.engine, self.has_written(), room, undecided).await,
            None => self.0.engine.commit(room, undecided).await,
        };
        #[cfg(not(feature = "testing"))]
        let outcome = self.0.engine.commit(room, undecided).await;
        if let Some(trip) = trip {
            trip.complete(0, &outcome);
        }
        outcome
    }

    /// Waits until the engine's client allows another attempt, and returns its transaction; `None` if the engine leaves
    /// retries to the caller.
    pub(crate) async fn retry(&self) -> Result<Option<Transaction>, Error> {
        // The engine's client does not know injected faults, so it cannot retry after one.
        #[cfg(feature = "testing")]
        if self.0.faults.is_some() {
            return Ok(None);
        }
        self.0.engine.retry().await
    }

    /// Ends the attempt without a commit; does nothing if it has ended.
    pub(crate) fn end(&self) {
        self.0.engine.end();
    }

    /// Makes the commit a conflict if another transaction writes `key` meanwhile. Costs no trip.
    pub(crate) fn add_read_conflict(&self, key: &Key) -> Result<(), Error> {
        self.0.engine.add_read_conflict(self.rooted(key)?)
    }

    /// The transaction's snapshot was taken at this time or later.
    pub(crate) fn taken_after(&self) -> Instant {
        self.0.taken_after
    }

    pub(crate) fn has_written(&self) -> bool {
        self.0.written.load(Relaxed) > 0
    }

    /// Whether the transaction has read something whose change is no conflict.
    pub(crate) fn has_peeked(&self) -> bool {
        self.0.has_peeked.load(Relaxed)
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
