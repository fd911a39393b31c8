//! What a piece of work asks of the store, counted wherever it is done.
//!
//! A [`Meter`] goes with a future, and not with a [`Db`](crate::Db): whoever answers requests measures each of them from outside, and nothing
//! between them and the store has to hand anything on. Futures that share a thread, or move between threads, are told apart.
//!
//! **Trips are counted as a chain.** A request's latency is made of the trips that wait for one another, and not of those that are made
//! together. So each is given a number when it is sent, one more than the highest number that has been answered by then, and the highest
//! number of all is the count: the length of the longest chain in which each trip was sent after the one before was answered. With a store
//! that takes as long for one as for any other, that is how many times that long the work has waited.
//!
//! Trips are what a store at the end of a wire is asked for, whichever engine it is: beginning a transaction (which its first read or its
//! commit waits for), reading, and committing what was written. LMDB answers a read before another one can be made, so there all of them
//! follow one another, also those that `FoundationDB` would be sent together.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

tokio::task_local! {
    static CURRENT: Meter;
}

/// Counts what a future asks of the store. Clones are the same meter.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU32,
    answered: AtomicU32,
    retries: AtomicU32,
}

impl Meter {
    /// A meter that has counted nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Does `work`, and counts what it asks of the store. What it leaves to tasks of their own is counted only where a transaction has begun
    /// before.
    pub fn measure<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(self.clone(), work)
    }

    /// The trips so far, each of which was sent after the one before was answered. The last one may be on its way.
    pub fn trips(&self) -> u32 {
        self.0.sent.load(Relaxed)
    }

    /// The attempts so far, but for the first of each run.
    pub fn retries(&self) -> u32 {
        self.0.retries.load(Relaxed)
    }

    /// The one that what is running now is measured by.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    pub(crate) fn count_retry(&self) {
        self.0.retries.fetch_add(1, Relaxed);
    }
}

/// The trips of one transaction.
#[derive(Default)]
pub(crate) struct Trips {
    meter: Option<Meter>,
    /// The number of the trip that the transaction begins with, or of the last one before if it is spared that; zero until then.
    begin: AtomicU32,
    is_spared_begin: bool,
}

/// A trip that has been sent.
#[must_use]
pub(crate) struct Trip<'a> {
    meter: Option<&'a Meter>,
    number: u32,
}

impl Trips {
    /// Of a transaction that begins with a trip, unless it has a snapshot already.
    pub(crate) fn new(meter: Option<Meter>, is_spared_begin: bool) -> Self {
        Self {
            meter,
            begin: AtomicU32::new(0),
            is_spared_begin,
        }
    }

    /// Sends a trip, and before the first one that by which the transaction begins.
    pub(crate) fn send(&self) -> Trip<'_> {
        let Some(meter) = &self.meter else {
            return Trip { meter: None, number: 0 };
        };
        let number = 1 + self.begun(meter).max(meter.0.answered.load(Relaxed));
        meter.0.sent.fetch_max(number, Relaxed);
        Trip {
            meter: Some(meter),
            number,
        }
    }

    /// Asks for the transaction's snapshot alone.
    #[cfg_attr(not(feature = "fdb"), expect(dead_code, reason = "other engines are asked for it"))]
    pub(crate) fn send_begin(&self) -> Trip<'_> {
        let meter = self.meter.as_ref();
        let number = meter.map_or(0, |meter| self.begun(meter));
        if let Some(meter) = meter {
            meter.0.sent.fetch_max(number, Relaxed);
        }
        Trip { meter, number }
    }

    /// Whether a transaction that follows on this one's snapshot is spared its begin.
    pub(crate) fn has_snapshot(&self) -> bool {
        self.is_spared_begin || self.begin.load(Relaxed) > 0
    }

    fn begun(&self, meter: &Meter) -> u32 {
        if self.is_spared_begin {
            return 0;
        }
        let number = 1 + meter.0.answered.load(Relaxed);
        // Whoever is the first sends it, and the others wait for the same.
        match self.begin.compare_exchange(0, number, Relaxed, Relaxed) {
            Ok(_) => number,
            Err(sent) => sent,
        }
    }
}

impl Trip<'_> {
    /// It has come back, `more` further ones in its wake included, each of which was sent when the one before had come back. One that never
    /// comes back, or that nobody waits for any more, has been sent all the same.
    pub(crate) fn answered(self, more: u32) {
        if let Some(meter) = self.meter {
            let last = self.number + more;
            meter.0.sent.fetch_max(last, Relaxed);
            meter.0.answered.fetch_max(last, Relaxed);
        }
    }
}
