//! Fault injection: repeatable conflicts, lost responses, late commits, outages and latency.
//!
//! [`Db::with_faults`](crate::Db::with_faults) puts a [`Plan`] between a handle and its engine. Before each read and
//! around each commit, the plan draws from a generator with its seed: the operation proceeds, waits, fails, or never
//! completes. A commit whose response is lost may have taken place, may be lost, or may [take place later](Fate::Late).
//!
//! **The same seed produces the same faults** if the operations have the same order. They do in a runtime with one
//! thread and a paused clock: every wait uses tokio's clock, and LMDB commits on the calling thread. Seed `fastrand`'s
//! generator of the thread too; the pauses between attempts use it.
//!
//! **Latency follows trips.** A transaction waits for its begin once, at its first read or its commit, and then for
//! each read and the commit. Concurrent reads wait concurrently, as on a remote store. Under a paused clock, the
//! elapsed time therefore gives the number of sequential trips.

use std::future::pending;
use std::ops::RangeInclusive;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::commit_guard::CommitGuard;
use crate::engine::Transaction;
use crate::error::{Cause, Error};
use crate::limits::Room;
use crate::sync::lock;
use crate::watch::Watch;

/// The kinds and rates of faults, and the latency. The default has no faults and no latency.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Seed of all random decisions.
    pub seed: u64,
    /// Probability that a commit fails with a conflict.
    pub conflict: f64,
    /// Probability that the response to a commit is lost, so that its outcome is unknown.
    pub unknown: f64,
    /// Probability that a read or a commit never completes.
    pub hang: f64,
    /// Possible fates of commits without a response; empty means [`Fate::Lost`].
    pub fates: Vec<Fate>,
    /// Probability that a read fails because the snapshot is too old.
    pub too_old: f64,
    /// Probability that an operation (begin, read or commit) starts an outage.
    pub outage: f64,
    /// Probability that a commit fails because the store is full, unless it may use the reserve.
    pub full: f64,
    /// Maximum number of operations that fail in one outage.
    pub outage_len: u32,
    /// Duration of the operations that complete.
    pub latency: Latency,
    /// What becomes of watches.
    pub watches: Watches,
}

/// What becomes of watches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Watches {
    /// The engine decides: LMDB has none.
    #[default]
    Engine,
    /// LMDB emulates them. They notice the commits of the handle with the plan and of its clones, except
    /// [late](Fate::Late) ones: those they notice at the next commit.
    Emulated,
    /// Each is set, and fails at once.
    Failing,
}

/// Durations of operations; each is drawn evenly from its range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latency {
    /// The begin of a transaction; its first read or its commit waits for it.
    pub begin: RangeInclusive<Duration>,
    /// A read.
    pub read: RangeInclusive<Duration>,
    /// A commit with writes, which takes place at some point within this time.
    pub commit: RangeInclusive<Duration>,
}

/// The fate of a commit without a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It never takes place.
    Lost,
    /// It takes place, unless it conflicts.
    Committed,
    /// It takes place up to [`MAX_COMMIT_DELAY`] later, unless it conflicts then. On FoundationDB, whose client sends
    /// commits itself, it takes place immediately.
    Late,
}

/// Longest time that a commit can be in flight: as long as FoundationDB keeps the data that it needs to validate one.
pub const MAX_COMMIT_DELAY: Duration = Duration::from_secs(5);

impl Default for Latency {
    fn default() -> Self {
        Self::of(Duration::ZERO)
    }
}

impl Latency {
    /// Every trip takes `trip`.
    pub fn of(trip: Duration) -> Self {
        Self {
            begin: trip..=trip,
            read: trip..=trip,
            commit: trip..=trip,
        }
    }
}

impl Plan {
    /// A plan drawn from `seed`. Each kind of fault is frequent, rare or absent, so that many plans together reach
    /// states that all faults at once would hide.
    pub fn random(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut rate = |frequent: f64| match rng.u32(..4) {
            0 => 0.0,
            1 | 2 => frequent / 4.0,
            _ => frequent,
        };
        let (conflict, unknown, hang, too_old, outage) = (rate(0.2), rate(0.4), rate(0.04), rate(0.1), rate(0.03));
        let mut fates = vec![Fate::Lost, Fate::Committed, Fate::Late];
        fates.retain(|_| rng.u32(..4) > 0);
        let mut up_to = |millis: u64| Duration::ZERO..=Duration::from_millis(rng.u64(..=millis));
        let latency = Latency {
            begin: up_to(20),
            read: up_to(20),
            commit: up_to(100),
        };
        let full = if rng.u32(..4) == 0 { 0.05 } else { 0.0 };
        Self {
            seed,
            conflict,
            unknown,
            hang,
            fates,
            too_old,
            outage,
            outage_len: 8,
            full,
            latency,
            watches: Watches::Engine,
        }
    }
}

/// A plan in execution.
pub(crate) struct Faults {
    plan: Plan,
    state: Mutex<State>,
    /// Tells emulated watches that a commit has taken place.
    commits: watch::Sender<()>,
}

struct State {
    rng: Rng,
    /// The current outage: its error, and the number of operations that still fail with it.
    outage: Option<(Error, u32)>,
}

impl Faults {
    pub(crate) fn new(plan: Plan) -> Arc<Self> {
        let state = Mutex::new(State {
            rng: Rng::with_seed(plan.seed),
            outage: None,
        });
        let commits = watch::Sender::new(());
        Arc::new(Self { plan, state, commits })
    }

    /// The faults of a new transaction. With `skips_begin`, it has a snapshot and does not wait for its begin.
    pub(crate) fn begin(self: &Arc<Self>, skips_begin: bool) -> Result<AttemptFaults, Error> {
        self.outage()?;
        Ok(AttemptFaults {
            faults: self.clone(),
            begun: Mutex::new(skips_begin.then(Instant::now)),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn happens(&self, probability: f64) -> bool {
        // No draw for an impossible event: a plan without faults then does not depend on the order of operations.
        probability > 0.0 && self.state().rng.f64() < probability
    }

    fn draw(&self, range: &RangeInclusive<Duration>) -> Duration {
        let (least, most) = (*range.start(), *range.end());
        if least == most {
            return least;
        }
        least + most.saturating_sub(least).mul_f64(self.state().rng.f64())
    }

    /// Fails during an outage, and may start one.
    fn outage(&self) -> Result<(), Error> {
        let starts = self.happens(self.plan.outage);
        let state = &mut *self.state();
        if starts {
            let why = "an injected outage".to_owned();
            let cause = if state.rng.bool() {
                Cause::Busy { why }
            } else {
                Cause::Engine { why }
            };
            let len = state.rng.u32(1..=self.plan.outage_len.max(1));
            state.outage = Some((Error::Unavailable { cause }, len));
        }
        match &mut state.outage {
            Some((error, remaining @ 1..)) => {
                *remaining -= 1;
                Err(error.clone())
            }
            _ => Ok(()),
        }
    }

    fn fate(&self) -> Fate {
        self.state().rng.choice(&self.plan.fates).copied().unwrap_or(Fate::Lost)
    }
}

/// The faults of one attempt of a transaction.
pub(crate) struct AttemptFaults {
    faults: Arc<Faults>,
    /// Time at which the begin completes; unknown before the first operation.
    begun: Mutex<Option<Instant>>,
}

impl AttemptFaults {
    async fn begin(&self) {
        let latency = &self.faults.plan.latency;
        let begun = {
            let mut begun = lock(&self.begun);
            *begun.get_or_insert_with(|| Instant::now() + self.faults.draw(&latency.begin))
        };
        wait_until(begun).await;
    }

    /// Waits for the duration of a read, and fails as the plan demands.
    pub(crate) async fn before_read(&self) -> Result<(), Error> {
        let (faults, plan) = (&*self.faults, &self.faults.plan);
        self.begin().await;
        wait_until(Instant::now() + faults.draw(&plan.latency.read)).await;
        faults.outage()?;
        if faults.happens(plan.hang) {
            pending::<()>().await;
        }
        if faults.happens(plan.too_old) {
            return Err(Error::TooOld);
        }
        Ok(())
    }

    /// Sets a watch as the plan demands.
    pub(crate) fn watch(&self, engine: &Transaction, key: Vec<u8>) -> Result<Option<Watch>, Error> {
        match self.faults.plan.watches {
            Watches::Engine => engine.watch(&key),
            Watches::Emulated => engine.emulated_watch(key, self.faults.commits.subscribe()),
            Watches::Failing => {
                let cause = Cause::Engine {
                    why: "an injected failure of a watch".to_owned(),
                };
                Ok(Watch::set(|| async { Err(Error::Unavailable { cause }) }))
            }
        }
    }

    /// Commits as the plan demands, if the transaction has writes. If the future is dropped while the outcome is open,
    /// sets `undecided`.
    pub(crate) async fn commit(
        &self,
        engine: &Transaction,
        has_written: bool,
        room: Room,
        undecided: &AtomicBool,
    ) -> Result<(), Error> {
        let (faults, plan) = (&*self.faults, &self.faults.plan);
        if !has_written {
            return engine.commit_in_place(room, undecided).await;
        }
        self.begin().await;
        let mut guard = CommitGuard::new(undecided);
        let round_trip = faults.draw(&plan.latency.commit);
        // In milliseconds, the clock's unit: two waits with fractions would be rounded up twice.
        let millis = u64::try_from(round_trip.as_millis()).unwrap_or(u64::MAX);
        let outbound = Duration::from_millis(faults.state().rng.u64(..=millis));
        wait_until(Instant::now() + outbound).await;

        let mut outcome = faults.outage();
        if outcome.is_ok() && room != Room::Reserve && faults.happens(plan.full) {
            let why = "an injected full disk".to_owned();
            outcome = Err(Error::Full { why });
        }
        if outcome.is_ok() && faults.happens(plan.conflict) {
            outcome = Err(Error::Conflict);
        }
        if outcome.is_ok() {
            let (hangs, unknown) = (faults.happens(plan.hang), faults.happens(plan.unknown));
            if hangs || unknown {
                match faults.fate() {
                    Fate::Lost => {}
                    Fate::Committed => drop(engine.commit_in_place(room, undecided).await),
                    Fate::Late => engine.commit_later(self.commit_delay(), room, undecided).await,
                }
                outcome = Err(Error::CommitUnknown);
            } else {
                outcome = engine.commit_in_place(room, undecided).await;
            }
            faults.commits.send_replace(());
            if hangs {
                pending::<()>().await;
            }
        }
        wait_until(Instant::now() + round_trip.saturating_sub(outbound)).await;
        guard.resolve();
        outcome
    }

    /// The delay of a late commit: mostly shorter than a transaction's retries, rarely longer than its deadline.
    fn commit_delay(&self) -> Duration {
        MAX_COMMIT_DELAY.mul_f64(self.faults.state().rng.f64().powi(4))
    }
}

/// Waits until `time`, without a sleep if it has passed: even an empty sleep lasts until the clock's next millisecond.
async fn wait_until(time: Instant) {
    if time > Instant::now() {
        sleep_until(time).await;
    }
}
