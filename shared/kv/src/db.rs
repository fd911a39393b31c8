//! A handle on a store, and the loop that runs a closure as a transaction until it is decided.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use foundationdb_tuple::TuplePack;
use tokio::time::{Instant, sleep, timeout_at};

use crate::error::{Cause, Error, RunError};
#[cfg(feature = "testing")]
use crate::faulty;
#[cfg(feature = "fdb")]
use crate::fdb;
#[cfg(feature = "testing")]
use crate::key::{Key, Range};
use crate::lmdb;
use crate::marker::{self, Marker, Markers};
use crate::meter::{Meter, Trips};
use crate::retry::Backoff;
#[cfg(any(feature = "fdb", feature = "testing"))]
use crate::txn::EngineSnapshot;
use crate::txn::{Order, Query, Snapshot, Transaction, Txn};

/// Which engine holds the data, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// LMDB in a folder on a local disk, which several processes may share. It is made if it is missing.
    Lmdb(PathBuf),
    /// A `FoundationDB` cluster.
    #[cfg(feature = "fdb")]
    Fdb(fdb::Cluster),
}

/// How to open a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The engine.
    pub engine: Engine,
    /// The first element of every key, so that deployments and tests share a store without meeting.
    pub root: String,
    /// The time one [`Db::run`] has, with all its attempts.
    pub deadline: Duration,
    /// The most attempts one [`Db::run`] makes.
    pub attempts: u32,
}

impl Settings {
    /// Settings for `engine` with the root `v5`, a deadline of 5 seconds and 64 attempts.
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            root: "v5".to_owned(),
            deadline: Duration::from_secs(5),
            attempts: 64,
        }
    }
}

/// A handle on a store. Clones share it, and its counters.
#[derive(Clone)]
pub struct Db {
    store: Store,
    root: Arc<[u8]>,
    /// For engines whose commits can end in doubt.
    markers: Option<Arc<Markers>>,
    usage: Arc<Counters>,
    deadline: Duration,
    attempts: u32,
    since: Option<Snapshot>,
    #[cfg(feature = "testing")]
    faults: Option<Arc<faulty::Faults>>,
}

/// A store of each engine.
#[derive(Clone)]
enum Store {
    Lmdb(Arc<lmdb::Store>),
    #[cfg(feature = "fdb")]
    Fdb(Arc<fdb::Store>),
}

impl Db {
    /// Opens the store, and makes it if need be. Blocks for as long as the disk takes; meant for a program's start.
    pub fn open(settings: Settings) -> Result<Db, Error> {
        let store = match settings.engine {
            Engine::Lmdb(folder) => Store::Lmdb(lmdb::Store::open(&folder)?),
            #[cfg(feature = "fdb")]
            Engine::Fdb(cluster) => Store::Fdb(fdb::Store::open(&cluster)?),
        };
        Ok(Db {
            markers: store.can_leave_doubt().then(Markers::new),
            store,
            root: (settings.root,).pack_to_vec().into(),
            usage: Arc::default(),
            deadline: settings.deadline,
            attempts: settings.attempts,
            since: None,
            #[cfg(feature = "testing")]
            faults: None,
        })
    }

    /// The same store, with the faults and the latency of `plan` between it and whoever uses this handle and its clones.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_faults(&self, plan: faulty::Plan) -> Db {
        Db {
            markers: Some(self.markers.clone().unwrap_or_else(Markers::new)),
            faults: Some(faulty::Faults::new(plan)),
            ..self.clone()
        }
    }

    /// The same store with another deadline.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Db {
        Db {
            deadline,
            ..self.clone()
        }
    }

    /// The same store, for runs that follow another one: their first attempt reads from the `snapshot` that it took while it
    /// read ([`Txn::snapshot`]) or left behind ([`run_with_snapshot`](Self::run_with_snapshot)), or from a newer one if that costs nothing. Where
    /// asking the store for a snapshot is a trip of its own, they are spared it.
    ///
    /// Nothing is lost by it: an attempt that writes is refused if what it has read was changed since the snapshot, as ever, and
    /// later attempts read anew. Only what a run answers that writes nothing is as old as the snapshot.
    #[must_use]
    pub fn reading_from(&self, snapshot: Snapshot) -> Db {
        Db {
            since: Some(snapshot),
            ..self.clone()
        }
    }

    /// Runs `body` as a transaction and answers what it answers.
    ///
    /// If `body` returns `Ok`, its writes are committed; if they cannot be because another transaction came between, `body` is
    /// run again with a fresh [`Txn`]. If it returns an error, nothing is committed, and the error is answered as it is unless
    /// it is one of the store's that [a new attempt may cure](Error::is_retryable). Whatever happens, `run` answers by the
    /// deadline, and makes no more attempts than the settings allow: [`Error::Unavailable`]. Only its cause
    /// [`Cause::Undecided`] leaves open whether the writes were committed.
    ///
    /// Dropping the future takes the transaction back, except for a commit that is already being written.
    pub async fn run<T, E, F, Fut>(&self, body: F) -> Result<T, E>
    where
        F: Fn(Txn) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: RunError,
    {
        let progress = Progress::default();
        let outcome = {
            let run = pin!(async { Ok(self.attempt_until_decided(&body, &progress).await?.0) });
            self.by_the_deadline(run).await
        };
        outcome.unwrap_or_else(|| Err(E::from(progress.deadline_passed(self.deadline))))
    }

    /// Like [`run`](Self::run), and also answers what the store was right after the commit, or a newer snapshot, for runs that
    /// follow: see [`reading_from`](Self::reading_from).
    ///
    /// It has what the run wrote, so a run that follows reads that and is no conflict with it. What others have written meanwhile
    /// it may lack. It costs no trip; after a run that neither read nor wrote, it spares none either.
    pub async fn run_with_snapshot<T, E, F, Fut>(&self, body: F) -> Result<(T, Snapshot), E>
    where
        F: Fn(Txn) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: RunError,
    {
        let progress = Progress::default();
        let outcome = {
            let run = pin!(async {
                let (value, decided) = self.attempt_until_decided(&body, &progress).await?;
                Ok((value, decided.attempt.0.leave(decided.begun).await))
            });
            self.by_the_deadline(run).await
        };
        outcome.unwrap_or_else(|| Err(E::from(progress.deadline_passed(self.deadline))))
    }

    /// What `run` answers, unless the deadline passes. It is large, so it is not handed over, which would copy it: who has it drops it, and only then
    /// asks how far it has come, because dropping it may leave that open.
    async fn by_the_deadline<T>(&self, run: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match Instant::now().checked_add(self.deadline) {
            Some(deadline) => timeout_at(deadline, run).await.ok(),
            None => Some(run.await),
        }
    }

    async fn attempt_until_decided<T, E, F, Fut>(&self, body: &F, progress: &Progress) -> Result<(T, Decided), E>
    where
        F: Fn(Txn) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: RunError,
    {
        self.usage.transactions.fetch_add(1, Relaxed);
        let meter = Meter::current();
        let mut backoff = Backoff::default();
        let mut txn = self.begin(self.since.as_ref(), meter.clone())?;
        let mut marker: Option<Marker> = None;
        // What the closure answered in the attempts whose commits ended in doubt. Each may be on its way still, until an attempt
        // finds that it has arrived, or commits and thereby shuts it out.
        let mut doubts = Vec::new();
        loop {
            self.usage.attempts.fetch_add(1, Relaxed);
            let attempts = progress.attempts.fetch_add(1, Relaxed) + 1;
            if let Some(meter) = meter.as_ref().filter(|_| attempts > 1) {
                meter.count_retry();
            }
            let attempt = Attempt(txn);
            let failure = 'attempt: {
                if let Some(marker) = marker.as_ref().filter(|_| !doubts.is_empty()) {
                    match marker.committed(&attempt.0).await {
                        Ok(Some(number)) => {
                            self.usage.commits.fetch_add(1, Relaxed);
                            let value = answer_of(number, doubts)?;
                            // It has read the marker, and so what came with it.
                            let begun = attempt.0.begun();
                            return Ok((value, Decided { attempt, begun }));
                        }
                        Ok(None) => {}
                        Err(failure) => break 'attempt failure,
                    }
                }
                let value = match body(attempt.0.clone()).await {
                    Ok(value) => value,
                    Err(error) => match error.kv() {
                        Some(failure) if failure.is_retryable() || !doubts.is_empty() => {
                            break 'attempt failure.clone();
                        }
                        // What it says is decided by what it read. An attempt in doubt has come to another end, so it read
                        // something that was changed since, and can not be committed any more.
                        _ => return Err(error),
                    },
                };
                if let Some(markers) = self.markers.as_ref().filter(|_| attempt.0.has_written()) {
                    let marker = marker.get_or_insert_with(|| markers.take(attempt.0.begun()));
                    if let Err(failure) = marker.leave(&attempt.0, attempts) {
                        break 'attempt failure;
                    }
                }
                // A commit takes its place after it was sent, and behind everything that had been answered by then; what is
                // answered while it is on its way may come after it. So what it leaves is not older than the moment before, and
                // may be older than the moment after. By that a run that follows chooses its marker: neither one that was
                // used meanwhile nor this run's own, which is still in use, but any that was free before. The time of this
                // attempt's begin would be right as well, but handed on from run to run it would never let one be used again.
                let begun = if attempt.0.has_written() {
                    Instant::now()
                } else {
                    attempt.0.begun()
                };
                match attempt.commit(&progress.undecided).await {
                    Ok(()) => {
                        self.usage.commits.fetch_add(1, Relaxed);
                        return Ok((value, Decided { attempt, begun }));
                    }
                    Err(failure) => {
                        if failure == Error::CommitUnknown {
                            doubts.push((attempts, value));
                        }
                        failure
                    }
                }
            };
            if failure == Error::Conflict {
                self.usage.conflicts.fetch_add(1, Relaxed);
            }
            if !failure.is_retryable() {
                // The engine may say of a commit that failed for good that it does not know how.
                let in_doubt = !doubts.is_empty() || progress.undecided.load(Relaxed);
                return Err(self.given_up(failure, in_doubt, progress).into());
            }
            if attempts >= self.attempts {
                let cause = Cause::Attempts {
                    attempts,
                    last: Box::new(failure),
                };
                return Err(self
                    .given_up(Error::Unavailable { cause }, !doubts.is_empty(), progress)
                    .into());
            }
            // The deadline may pass before a doubt is cleared up.
            progress.undecided.store(!doubts.is_empty(), Relaxed);
            txn = match attempt.again(self, &mut backoff, meter.clone()).await {
                Ok(txn) => txn,
                Err(failure) => return Err(self.given_up(failure, !doubts.is_empty(), progress).into()),
            };
        }
    }

    /// A new transaction, on an earlier one's snapshot if there is one.
    fn begin(&self, since: Option<&Snapshot>, meter: Option<Meter>) -> Result<Txn, Error> {
        let is_spared_begin = since.is_some_and(|since| since.spares_begin);
        #[cfg(feature = "testing")]
        let faults = match &self.faults {
            Some(faults) => Some(faults.begin(is_spared_begin)?),
            None => None,
        };
        let begun = since.map_or_else(Instant::now, |since| since.begun);
        let engine = self.store.begin(self.deadline, self.attempts, since)?;
        Ok(Txn::new(
            engine,
            begun,
            self.root.clone(),
            self.usage.clone(),
            Trips::new(meter, is_spared_begin),
            #[cfg(feature = "testing")]
            faults,
        ))
    }

    /// What to answer when there will be no more attempts: that something may have been committed, if it may have.
    fn given_up(&self, failure: Error, in_doubt: bool, progress: &Progress) -> Error {
        if in_doubt {
            progress.undecided.store(true, Relaxed);
            progress.deadline_passed(self.deadline)
        } else {
            failure
        }
    }

    /// Removes everything under the root, and leaves nothing behind: for tests, whose stores may be somebody's cluster.
    #[cfg(feature = "testing")]
    pub async fn erase(&self) -> Result<(), Error> {
        // Doing it twice does no harm, so it needs no marker, which would stay.
        let unmarked = Db {
            markers: None,
            ..self.clone()
        };
        let everything = &Range::below(&Key::of(&()));
        unmarked.run(|txn| async move { txn.clear_range(everything) }).await
    }

    /// Removes what transactions of processes that are gone have left behind to decide commits in doubt, if it is older than
    /// `age`, and answers how much that was. Safe to run at any time and more than once at a time, with an age of hours: a
    /// process that is frozen for longer while a commit is in doubt would take it for undone.
    ///
    /// What there is, is read without writing, and each old marker is looked at again in a transaction of its own: the
    /// markers of others are written all the time, and a transaction that had read them all could never commit.
    pub async fn sweep_markers(&self, age: Duration) -> Result<usize, Error> {
        let mut removed = 0;
        let mut next = Some(Query {
            range: marker::all(),
            order: Order::Ascending,
            limit: 500,
        });
        while let Some(query) = &next {
            let page = self.run(|txn| async move { txn.range(query).await }).await?;
            for entry in page.entries.iter().filter(|entry| marker::is_older(&entry.value, age)) {
                let cleared = self.run(|txn| async move {
                    let value = txn.get(&entry.key).await?;
                    let is_left = value.is_some_and(|value| value == entry.value);
                    if is_left {
                        txn.clear(&entry.key)?;
                    }
                    Ok::<_, Error>(is_left)
                });
                removed += usize::from(cleared.await?);
            }
            next = page.next;
        }
        Ok(removed)
    }

    /// What was done through this handle and its clones so far.
    pub fn usage(&self) -> Usage {
        self.usage.read()
    }
}

impl Store {
    fn begin(&self, deadline: Duration, attempts: u32, since: Option<&Snapshot>) -> Result<Transaction, Error> {
        match self {
            Self::Lmdb(store) => {
                let _ = (deadline, attempts);
                let store = store.clone();
                let engine = match since.map(|since| &since.engine) {
                    #[cfg(feature = "testing")]
                    Some(EngineSnapshot::Held(held)) => lmdb::Transaction::begin_on(store, held),
                    _ => lmdb::Transaction::begin(store),
                };
                engine.map(Transaction::Lmdb)
            }
            #[cfg(feature = "fdb")]
            Self::Fdb(store) => {
                let version = match since.map(|since| &since.engine) {
                    Some(EngineSnapshot::Fdb(version)) => Some(*version),
                    _ => None,
                };
                store.begin(deadline, attempts, version).map(Transaction::Fdb)
            }
        }
    }

    /// Whether a commit can end without an answer as to whether it took place.
    fn can_leave_doubt(&self) -> bool {
        match self {
            Self::Lmdb(_) => false,
            #[cfg(feature = "fdb")]
            Self::Fdb(_) => true,
        }
    }
}

/// The [`Txn`] of one attempt, which ends with the attempt even if the closure has kept a clone: a snapshot that lived on
/// would keep the store from reusing space.
struct Attempt(Txn);

impl Attempt {
    async fn commit(&self, undecided: &AtomicBool) -> Result<(), Error> {
        if !self.0.has_written() {
            return self.deliver(undecided).await;
        }
        let trip = self.0.trips().send();
        let verdict = self.deliver(undecided).await;
        trip.answered(0);
        verdict
    }

    async fn deliver(&self, undecided: &AtomicBool) -> Result<(), Error> {
        #[cfg(feature = "testing")]
        if let Some(faults) = self.0.faults() {
            return faults.commit(&self.0, undecided).await;
        }
        match self.0.engine() {
            Transaction::Lmdb(engine) => engine.commit(undecided).await,
            #[cfg(feature = "fdb")]
            Transaction::Fdb(engine) => engine.commit(undecided).await,
        }
    }

    /// Ends this attempt and begins another when it is time for it.
    async fn again(&self, db: &Db, backoff: &mut Backoff, meter: Option<Meter>) -> Result<Txn, Error> {
        // An engine's own client knows nothing of faults that were made up.
        #[cfg(feature = "testing")]
        if self.0.faults().is_some() {
            return self.anew(db, backoff, meter).await;
        }
        match self.0.engine() {
            Transaction::Lmdb(_) => self.anew(db, backoff, meter).await,
            #[cfg(feature = "fdb")]
            Transaction::Fdb(engine) => {
                let Some(engine) = engine.again().await? else {
                    return self.anew(db, backoff, meter).await;
                };
                Ok(Txn::new(
                    Transaction::Fdb(engine),
                    Instant::now(),
                    db.root.clone(),
                    db.usage.clone(),
                    Trips::new(meter, false),
                    #[cfg(feature = "testing")]
                    None,
                ))
            }
        }
    }

    async fn anew(&self, db: &Db, backoff: &mut Backoff, meter: Option<Meter>) -> Result<Txn, Error> {
        self.end();
        sleep(backoff.pause()).await;
        db.begin(None, meter)
    }

    fn end(&self) {
        match self.0.engine() {
            Transaction::Lmdb(engine) => engine.end(),
            #[cfg(feature = "fdb")]
            Transaction::Fdb(engine) => engine.end(),
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.end();
    }
}

/// The attempt that has decided a run: the one that was committed, or the one that found that an earlier one was.
struct Decided {
    attempt: Attempt,
    /// A time that what it leaves is not older than.
    begun: Instant,
}

/// What the closure answered in the attempt with this number, which has turned out to be committed.
fn answer_of<T>(number: u32, doubts: Vec<(u32, T)>) -> Result<T, Error> {
    let found = doubts.into_iter().find(|(attempt, _)| *attempt == number);
    found.map(|(_, value)| value).ok_or_else(|| Error::Engine {
        why: format!("attempt {number} was committed, and nobody had asked for that"),
    })
}

/// How far a run has come, readable after its future was dropped.
#[derive(Default)]
struct Progress {
    attempts: AtomicU32,
    /// Set if the run was cut off while its commit was being written.
    undecided: AtomicBool,
}

impl Progress {
    fn deadline_passed(&self, deadline: Duration) -> Error {
        let attempts = self.attempts.load(Relaxed);
        let cause = if self.undecided.load(Relaxed) {
            Cause::Undecided { deadline, attempts }
        } else {
            Cause::Deadline { deadline, attempts }
        };
        Error::Unavailable { cause }
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db")
            .field("deadline", &self.deadline)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

/// Cumulative counts of what a [`Db`] and its clones did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Calls of [`Db::run`] and [`Db::run_with_snapshot`].
    pub transactions: u64,
    /// Times a closure was run.
    pub attempts: u64,
    /// Attempts that succeeded, including those that wrote nothing.
    pub commits: u64,
    /// Attempts refused because of a conflict.
    pub conflicts: u64,
    /// Calls of [`Txn::get`] and [`Txn::range`].
    pub reads: u64,
    /// Keys looked up by [`Txn::get`], found or not, and entries returned by [`Txn::range`].
    pub keys_read: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    transactions: AtomicU64,
    attempts: AtomicU64,
    commits: AtomicU64,
    conflicts: AtomicU64,
    pub(crate) reads: AtomicU64,
    pub(crate) keys_read: AtomicU64,
}

impl Counters {
    fn read(&self) -> Usage {
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
