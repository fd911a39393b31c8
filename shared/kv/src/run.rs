//! The retry loop: executes a closure as a transaction until its outcome is decided.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::backoff::Backoff;
use crate::commit_marker::{CommitMarker, CommitMarkers};
use crate::engine::{Store, Transaction};
use crate::error::{Cause, Error, RunError};
#[cfg(feature = "testing")]
use crate::faulty::{AttemptFaults, Faults};
use crate::meter::{Meter, Trips};
use crate::snapshot::Snapshot;
use crate::txn::Txn;
use crate::usage::{Counter, Counters};

/// Runs closures as transactions: everything that the clones of a [`Db`](crate::Db) share, and the settings of one
/// handle.
#[derive(Clone)]
pub(crate) struct Runner {
    pub(crate) store: Store,
    pub(crate) root: Arc<[u8]>,
    /// Present if commits can end with an unknown outcome.
    pub(crate) markers: Option<Arc<CommitMarkers>>,
    pub(crate) usage: Counters,
    pub(crate) deadline: Duration,
    pub(crate) max_attempts: u32,
    /// The snapshot that the first attempt of each transaction reads from.
    pub(crate) start: Option<Snapshot>,
    #[cfg(feature = "testing")]
    pub(crate) faults: Option<Arc<Faults>>,
}

impl Runner {
    /// Polls `run` until it ends or the deadline passes; `None` if the deadline passes.
    ///
    /// `run` is large, so it stays where its owner pinned it: moving it would copy it. The owner drops it first and
    /// reads the [`Progress`] afterwards, because dropping a commit in progress may make its outcome unknown.
    pub(crate) async fn by_deadline<T>(&self, run: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match Instant::now().checked_add(self.deadline) {
            Some(deadline) => timeout_at(deadline, run).await.ok(),
            None => Some(run.await),
        }
    }

    /// Executes `body` in attempt after attempt, until one commits, or fails in a way that a retry cannot change.
    pub(crate) async fn attempt_until_decided<T, E, F, Fut>(
        &self,
        body: &F,
        progress: &Progress,
    ) -> Result<(T, Decided), E>
    where
        F: Fn(Txn) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
        E: RunError,
    {
        let mut attempts = Attempts::start(self, progress);
        let mut txn = self.begin(self.start.as_ref(), attempts.meter.clone())?;
        // The results of attempts with an unknown commit. Each commit may still be in flight until a later attempt
        // finds its marker, or commits and thereby excludes it.
        let mut unknown_commits = Vec::new();
        // The closure's own error, returned once no earlier attempt can commit any more.
        let mut rejection = None;
        loop {
            let number = attempts.count_attempt();
            let attempt = Attempt(txn);
            // The body is awaited here and not in a method: every further future around it would copy it.
            let failure = 'failed: {
                if attempts.has_unknown_commit {
                    match attempts.committed_attempt(&attempt).await {
                        Ok(Some(committed)) => {
                            let value = match (result_of(committed, unknown_commits), rejection) {
                                (Some(value), _) => value,
                                // The attempt that excluded the earlier ones.
                                (None, Some(error)) => return Err(error),
                                (None, None) => return Err(E::from(unexpected_attempt(committed))),
                            };
                            attempts.count_commit();
                            // This attempt has read the marker, so its snapshot includes that commit.
                            let taken_after = attempt.0.taken_after();
                            return Ok((value, Decided { attempt, taken_after }));
                        }
                        Ok(None) => {}
                        Err(failure) => break 'failed failure,
                    }
                }
                if let Some(error) = rejection.take() {
                    match attempts.exclude_earlier(&attempt, number).await {
                        Ok(()) => return Err(error),
                        Err(failure) => {
                            rejection = Some(error);
                            break 'failed failure;
                        }
                    }
                }
                let value = match body(attempt.0.clone()).await {
                    Ok(value) => value,
                    Err(error) => match attempts.failure_in(&error) {
                        Some(failure) => break 'failed failure,
                        None if attempts.has_peeked => {
                            rejection = Some(error);
                            break 'failed Error::CommitUnknown;
                        }
                        None => return Err(error),
                    },
                };
                if let Err(failure) = attempts.write_marker(&attempt, number) {
                    break 'failed failure;
                }
                let taken_after = attempt.commit_taken_after();
                match attempt.0.commit(&progress.undecided).await {
                    Ok(()) => {
                        attempts.count_commit();
                        return Ok((value, Decided { attempt, taken_after }));
                    }
                    Err(failure) => {
                        if failure == Error::CommitUnknown {
                            attempts.has_unknown_commit = true;
                            attempts.has_peeked |= attempt.0.has_peeked();
                            unknown_commits.push((number, value));
                        }
                        failure
                    }
                }
            };
            txn = attempts.retry(failure, number, attempt).await?;
        }
    }

    /// Begins a transaction, on the snapshot `start` if there is one.
    fn begin(&self, start: Option<&Snapshot>, meter: Option<Meter>) -> Result<Txn, Error> {
        let skips_begin = start.is_some_and(|start| start.saves_begin_trip);
        #[cfg(feature = "testing")]
        let faults = match &self.faults {
            Some(faults) => Some(faults.begin(skips_begin)?),
            None => None,
        };
        let taken_after = start.map_or_else(Instant::now, |start| start.taken_after);
        let engine = self
            .store
            .begin(self.deadline, self.max_attempts, start.map(|start| &start.engine))?;
        Ok(self.txn(
            engine,
            taken_after,
            Trips::new(meter, skips_begin),
            #[cfg(feature = "testing")]
            faults,
        ))
    }

    /// A transaction that never commits, without faults; see [`Store::begin_read_only`].
    pub(crate) fn begin_read_only(&self) -> Result<Option<Txn>, Error> {
        let taken_after = Instant::now();
        let engine = self.store.begin_read_only()?;
        Ok(engine.map(|engine| {
            self.txn(
                engine,
                taken_after,
                Trips::new(None, true),
                #[cfg(feature = "testing")]
                None,
            )
        }))
    }

    fn txn(
        &self,
        engine: Transaction,
        taken_after: Instant,
        trips: Trips,
        #[cfg(feature = "testing")] faults: Option<AttemptFaults>,
    ) -> Txn {
        Txn::new(
            engine,
            taken_after,
            self.root.clone(),
            self.usage.clone(),
            trips,
            #[cfg(feature = "testing")]
            faults,
        )
    }
}

/// The attempts of one transaction: their common state, apart from the results of the closure.
struct Attempts<'a> {
    runner: &'a Runner,
    progress: &'a Progress,
    meter: Option<Meter>,
    backoff: Backoff,
    /// Acquired by the first attempt that writes.
    marker: Option<CommitMarker>,
    /// Whether the commit of an earlier attempt ended with an unknown outcome.
    has_unknown_commit: bool,
    /// Whether such an attempt has read something whose change does not prevent its commit.
    has_peeked: bool,
}

impl<'a> Attempts<'a> {
    fn start(runner: &'a Runner, progress: &'a Progress) -> Self {
        runner.usage.add(Counter::Transactions, 1);
        Self {
            runner,
            progress,
            meter: Meter::current(),
            backoff: Backoff::default(),
            marker: None,
            has_unknown_commit: false,
            has_peeked: false,
        }
    }

    /// Counts an attempt and returns its number, from 1.
    fn count_attempt(&self) -> u32 {
        self.runner.usage.add(Counter::Attempts, 1);
        let number = self.progress.attempts.fetch_add(1, Relaxed) + 1;
        if let Some(meter) = self.meter.as_ref().filter(|_| number > 1) {
            meter.count_retry();
        }
        number
    }

    fn count_commit(&self) {
        self.runner.usage.add(Counter::Commits, 1);
    }

    /// The number of the earlier attempt that has committed, read from the commit marker by `attempt`.
    async fn committed_attempt(&self, attempt: &Attempt) -> Result<Option<u32>, Error> {
        match &self.marker {
            Some(marker) => marker.committed_attempt(&attempt.0).await,
            None => Ok(None),
        }
    }

    /// The store's failure in the closure's error, if it ends the attempt and not the transaction. `None`: `run`
    /// returns the closure's error.
    ///
    /// The closure's own error is final even after an unknown commit. It follows from what this attempt read. The
    /// attempt with the unknown commit returned something else, so it read something that has changed since, and cannot
    /// commit. If it has [peeked](Txn::peek), its commit may still take place, and a further attempt must
    /// [exclude](Self::exclude_earlier) it.
    fn failure_in<E: RunError>(&self, error: &E) -> Option<Error> {
        let failure = error.kv()?;
        (failure.is_retryable() || self.has_unknown_commit).then(|| failure.clone())
    }

    /// Adds the commit marker to the writes of `attempt`, if it has any and the engine needs one.
    fn write_marker(&mut self, attempt: &Attempt, number: u32) -> Result<(), Error> {
        let Some(markers) = self.runner.markers.as_ref().filter(|_| attempt.0.has_written()) else {
            return Ok(());
        };
        let marker = self
            .marker
            .get_or_insert_with(|| markers.acquire(attempt.0.taken_after()));
        marker.write(&attempt.0, number)
    }

    /// Commits nothing but the marker in `attempt`, so that no earlier attempt can commit afterwards.
    async fn exclude_earlier(&self, attempt: &Attempt, number: u32) -> Result<(), Error> {
        if let Some(marker) = &self.marker {
            marker.write(&attempt.0, number)?;
        }
        attempt.0.commit(&self.progress.undecided).await
    }

    /// Decides whether another attempt follows `attempt`, which failed, and begins it when it is due.
    async fn retry(&mut self, failure: Error, number: u32, attempt: Attempt) -> Result<Txn, Error> {
        if failure == Error::Conflict {
            self.runner.usage.add(Counter::Conflicts, 1);
        }
        if !failure.is_retryable() {
            // An engine may report a commit as failed for good without knowing its outcome.
            let is_undecided = self.has_unknown_commit || self.progress.undecided.load(Relaxed);
            return Err(self.final_error(failure, is_undecided));
        }
        if number >= self.runner.max_attempts {
            let cause = Cause::Attempts {
                attempts: number,
                last: Box::new(failure),
            };
            return Err(self.final_error(Error::Unavailable { cause }, self.has_unknown_commit));
        }
        // The deadline may pass before a later attempt resolves an unknown commit.
        self.progress.undecided.store(self.has_unknown_commit, Relaxed);
        self.next_transaction(&attempt)
            .await
            .map_err(|failure| self.final_error(failure, self.has_unknown_commit))
    }

    /// Ends `attempt`, waits as the engine's client or the backoff demands, and begins the next transaction.
    async fn next_transaction(&mut self, attempt: &Attempt) -> Result<Txn, Error> {
        if let Some(engine) = attempt.0.retry().await? {
            return Ok(self.runner.txn(
                engine,
                Instant::now(),
                Trips::new(self.meter.clone(), false),
                #[cfg(feature = "testing")]
                None,
            ));
        }
        attempt.0.end();
        sleep(self.backoff.pause()).await;
        self.runner.begin(None, self.meter.clone())
    }

    /// The error after the last attempt: `failure`, or that a commit may have taken place.
    fn final_error(&self, failure: Error, is_undecided: bool) -> Error {
        if is_undecided {
            self.progress.undecided.store(true, Relaxed);
            self.progress.deadline_error(self.runner.deadline)
        } else {
            failure
        }
    }
}

/// The [`Txn`] of one attempt. Dropping it ends the transaction even if the closure has kept a clone: a snapshot that
/// stayed open would prevent the store from reusing space.
struct Attempt(Txn);

impl Attempt {
    /// Called before the commit. The snapshot after the commit was taken at the returned time or later.
    ///
    /// The commit takes its position after the store receives it, behind all commits acknowledged by then; commits
    /// acknowledged during it may come after it. The snapshot is therefore not older than the moment before the commit,
    /// and may be older than the moment after.
    ///
    /// A transaction that follows acquires its marker by this time, and so avoids markers used meanwhile and this
    /// transaction's own, which is still in use. The start of this attempt would be correct too, but if each
    /// transaction passed on the time of its predecessor, none of them could reuse a marker.
    fn commit_taken_after(&self) -> Instant {
        if self.0.has_written() {
            Instant::now()
        } else {
            self.0.taken_after()
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The attempt that decided a transaction: the one that committed, or the one that found an earlier one's marker.
pub(crate) struct Decided {
    attempt: Attempt,
    /// The snapshot after the commit is not older than this time.
    taken_after: Instant,
}

impl Decided {
    /// The store as of the commit, for later transactions.
    pub(crate) async fn into_snapshot(self) -> Snapshot {
        self.attempt.0.commit_snapshot(self.taken_after).await
    }
}

/// The closure's result in attempt `number`, whose unknown commit turned out to have taken place; `None` if no result
/// of that attempt is known.
fn result_of<T>(number: u32, unknown_commits: Vec<(u32, T)>) -> Option<T> {
    let found = unknown_commits.into_iter().find(|(attempt, _)| *attempt == number);
    found.map(|(_, value)| value)
}

fn unexpected_attempt(number: u32) -> Error {
    Error::Engine {
        why: format!("the commit marker names attempt {number}, whose outcome was already known"),
    }
}

/// The progress of a transaction, readable after its future was dropped.
#[derive(Default)]
pub(crate) struct Progress {
    attempts: AtomicU32,
    /// Whether a commit may have taken place although `run` has no result.
    undecided: AtomicBool,
}

impl Progress {
    /// The error of a transaction whose deadline has passed.
    pub(crate) fn deadline_error(&self, deadline: Duration) -> Error {
        let attempts = self.attempts.load(Relaxed);
        let cause = if self.undecided.load(Relaxed) {
            Cause::Undecided { deadline, attempts }
        } else {
            Cause::Deadline { deadline, attempts }
        };
        Error::Unavailable { cause }
    }
}
