//! Counting the store trips of a unit of work, such as a request.
//!
//! A [`Meter`] belongs to a future and not to a [`Db`](crate::Db): a server measures each request from outside, and no
//! code between the server and the store has to pass a meter on. It also works for futures that share a thread or move
//! between threads.
//!
//! **Only sequential trips count.** Latency consists of the trips that wait for one another; concurrent trips add
//! nothing. Each trip gets a number when it starts: one more than the highest number completed by then. The highest
//! number is the count. It is the length of the longest chain in which each trip started after the previous one had
//! completed, so on a store where every trip takes the same time, the work waited that time multiplied by the count.
//!
//! **A trip is a round trip to a remote store**: the begin of a transaction (its first read or its commit waits for
//! it), a read, or a commit with writes. The count is the same for every engine, with one exception: LMDB completes a
//! read before the next one can start, so reads count as sequential there that FoundationDB would send concurrently.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use tokio::time::Instant;

use crate::error::Error;

tokio::task_local! {
    static CURRENT: Meter;
}

/// Observes the store trips of a [`Meter`], for example to trace them.
pub trait TripObserver: Send + Sync {
    /// A trip has ended. Called by the task that waited for it.
    fn trip_ended(&self, trip: &EndedTrip);
}

/// A store trip that has ended.
#[derive(Clone, Copy, Debug)]
pub struct EndedTrip {
    /// What it did: `get`, `range`, `commit`, or `begin` for the begin of a transaction alone. The other trips include
    /// a begin that they wait for.
    pub operation: &'static str,
    /// When it started.
    pub started: Instant,
    /// Why it failed, as [`Error::kind`] names it; `abandoned` if its task stopped waiting.
    pub error: Option<&'static str>,
}

/// Counts the store trips and retries of a future. Clones share the counts.
#[derive(Clone, Default)]
pub struct Meter(Arc<Counts>);

#[derive(Default)]
struct Counts {
    /// Highest number of a started trip.
    started: AtomicU32,
    /// Highest number of a completed trip.
    completed: AtomicU32,
    retries: AtomicU32,
    observer: Option<Arc<dyn TripObserver>>,
}

impl Meter {
    /// A meter with all counts at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// A meter with all counts at zero, whose trips `observer` sees.
    pub fn observed_by(observer: Arc<dyn TripObserver>) -> Self {
        Self(Arc::new(Counts {
            observer: Some(observer),
            ..Counts::default()
        }))
    }

    /// Runs `work` and counts its trips and retries, except in transactions that begin in a task which `work` spawns.
    pub fn measure<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(self.clone(), work)
    }

    /// Sequential trips so far, including one in progress.
    pub fn trips(&self) -> u32 {
        self.0.started.load(Relaxed)
    }

    /// Retries so far: all attempts except the first of each transaction.
    pub fn retries(&self) -> u32 {
        self.0.retries.load(Relaxed)
    }

    /// The meter of the future that is being polled, if any.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    pub(crate) fn count_retry(&self) {
        self.0.retries.fetch_add(1, Relaxed);
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter")
            .field("trips", &self.trips())
            .field("retries", &self.retries())
            .finish_non_exhaustive()
    }
}

/// The trips of one transaction.
#[derive(Default)]
pub(crate) struct Trips {
    meter: Option<Meter>,
    /// The number of the begin's trip; zero before it starts.
    begin: AtomicU32,
    /// Whether the transaction begins with a known snapshot, which costs no trip.
    skips_begin: bool,
}

/// A trip in progress.
#[must_use]
pub(crate) struct Trip<'a> {
    meter: Option<&'a Meter>,
    number: u32,
    operation: &'static str,
    /// When it started, if an observer waits for its end.
    observed_since: Option<Instant>,
}

impl Trips {
    /// The trips of a new transaction; its begin is a trip unless `skips_begin` is set.
    pub(crate) fn new(meter: Option<Meter>, skips_begin: bool) -> Self {
        Self {
            meter,
            begin: AtomicU32::new(0),
            skips_begin,
        }
    }

    /// Starts the trip of this operation, after the begin's trip if that is still outstanding.
    pub(crate) fn start(&self, operation: &'static str) -> Trip<'_> {
        let meter = self.meter.as_ref();
        let number = meter.map_or(0, |meter| {
            1 + self.begin_number(meter).max(meter.0.completed.load(Relaxed))
        });
        Trip::start(meter, number, operation)
    }

    /// Starts the begin's trip alone, to learn the transaction's snapshot.
    #[cfg_attr(
        not(feature = "fdb"),
        expect(dead_code, reason = "LMDB takes a snapshot without a trip")
    )]
    pub(crate) fn start_begin(&self) -> Trip<'_> {
        let meter = self.meter.as_ref();
        let number = meter.map_or(0, |meter| self.begin_number(meter));
        Trip::start(meter, number, "begin")
    }

    /// Whether the transaction has a snapshot, so that a transaction that reads from it saves its begin.
    pub(crate) fn has_snapshot(&self) -> bool {
        self.skips_begin || self.begin.load(Relaxed) > 0
    }

    fn begin_number(&self, meter: &Meter) -> u32 {
        if self.skips_begin {
            return 0;
        }
        let number = 1 + meter.0.completed.load(Relaxed);
        // The first operation starts the begin; the others wait for the same trip.
        match self.begin.compare_exchange(0, number, Relaxed, Relaxed) {
            Ok(_) => number,
            Err(started) => started,
        }
    }
}

impl<'a> Trip<'a> {
    fn start(meter: Option<&'a Meter>, number: u32, operation: &'static str) -> Self {
        if let Some(meter) = meter {
            meter.0.started.fetch_max(number, Relaxed);
        }
        let is_observed = meter.is_some_and(|meter| meter.0.observer.is_some());
        Self {
            meter,
            number,
            operation,
            observed_since: is_observed.then(Instant::now),
        }
    }

    /// Notes that the trip has completed with this result, followed by `extra` sequential ones. A trip that never
    /// completes counts too: it was counted when it started.
    pub(crate) fn complete<T>(mut self, extra: u32, result: &Result<T, Error>) {
        if let Some(meter) = self.meter {
            let last = self.number + extra;
            meter.0.started.fetch_max(last, Relaxed);
            meter.0.completed.fetch_max(last, Relaxed);
        }
        self.report(result.as_ref().err().map(Error::kind));
    }

    /// Shows the trip to the observer, once.
    fn report(&mut self, error: Option<&'static str>) {
        let Some(started) = self.observed_since.take() else {
            return;
        };
        if let Some(observer) = self.meter.and_then(|meter| meter.0.observer.as_ref()) {
            observer.trip_ended(&EndedTrip {
                operation: self.operation,
                started,
                error,
            });
        }
    }
}

/// The task stopped waiting: the deadline of its transaction passed, or the client disconnected.
impl Drop for Trip<'_> {
    fn drop(&mut self) {
        self.report(Some("abandoned"));
    }
}
