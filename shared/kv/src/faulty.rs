//! Faults on purpose: what a distributed store does to its clients now and then, done to ours often and repeatably.
//!
//! [`Db::with_faults`](crate::Db::with_faults) puts a [`Plan`] between a handle and its engine, whichever that is. Before each
//! read and around each commit it draws from a generator with the plan's seed: the operation goes through, waits, fails, or
//! is never answered. A commit whose answer is lost may have taken place, or not, or [take place later](Fate::Late).
//!
//! **The same seed makes the same faults** as long as the operations come in the same order. They do in a runtime with one
//! thread whose clock is paused: all waiting goes through tokio's clock, and LMDB commits in place instead of on its own thread.
//! What is left is `fastrand`'s generator of the thread, which the wait between attempts is drawn from: seed it too.
//!
//! **Latency counts trips.** A transaction waits for its begin once, at its first read or its commit, then for every read and
//! for its commit. Reads issued together wait together, as they would for a store at the end of a wire, so under a paused
//! clock the time that passes is the number of trips that follow one another.

use std::future::pending;
use std::ops::RangeInclusive;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep, sleep_until};

use crate::error::{Cause, Error};
use crate::pending::Pending;
use crate::txn::{Transaction, Txn};

/// Which faults, how often, and how slow the store is. The default is a store without any, that answers at once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Decides everything that is drawn.
    pub seed: u64,
    /// The probability that a commit is refused as a conflict.
    pub conflict: f64,
    /// The probability that the answer to a commit is lost, so that its outcome is unknown.
    pub unknown: f64,
    /// The probability that a read or a commit is never answered.
    pub hang: f64,
    /// What becomes of commits that are not answered: each takes one of these, and [`Fate::Lost`] if there are none.
    pub fates: Vec<Fate>,
    /// The probability that a read fails because the snapshot is too old.
    pub too_old: f64,
    /// The probability that an operation (a begin, a read or a commit) is the first one of an outage.
    pub outage: f64,
    /// For how many operations an outage lasts at most.
    pub outage_len: u32,
    /// How long everything takes that is answered.
    pub latency: Latency,
}

/// How long the store takes; each time is drawn evenly from its range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latency {
    /// To begin a transaction, which its first read or its commit waits for.
    pub begin: RangeInclusive<Duration>,
    /// A read.
    pub read: RangeInclusive<Duration>,
    /// A commit that has writes. It takes place somewhere within that time.
    pub commit: RangeInclusive<Duration>,
}

/// What becomes of a commit that is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It never takes place.
    Lost,
    /// It takes place, unless it is a conflict.
    Committed,
    /// It takes place up to [`MAX_COMMIT_DELAY`] later, unless it is a conflict then. Engines that send commits away by
    /// themselves do it at once.
    Late,
}

/// How long a commit can be on its way: as long as `FoundationDB` keeps what it needs to validate one.
pub const MAX_COMMIT_DELAY: Duration = Duration::from_secs(5);

impl Default for Latency {
    fn default() -> Self {
        Self::of(Duration::ZERO)
    }
}

impl Latency {
    /// A store for which every trip takes just as long.
    pub fn of(trip: Duration) -> Self {
        Self {
            begin: trip..=trip,
            read: trip..=trip,
            commit: trip..=trip,
        }
    }
}

impl Plan {
    /// A plan that is drawn from `seed`: some kinds of fault often, some seldom and some never, so that many plans together
    /// reach what all faults at once would hide behind one another.
    pub fn random(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut odds = |often: f64| match rng.u32(..4) {
            0 => 0.0,
            1 | 2 => often / 4.0,
            _ => often,
        };
        let (conflict, unknown, hang, too_old, outage) = (odds(0.2), odds(0.4), odds(0.04), odds(0.1), odds(0.03));
        let mut fates = vec![Fate::Lost, Fate::Committed, Fate::Late];
        fates.retain(|_| rng.u32(..4) > 0);
        let mut up_to = |millis: u64| Duration::ZERO..=Duration::from_millis(rng.u64(..=millis));
        let latency = Latency {
            begin: up_to(20),
            read: up_to(20),
            commit: up_to(100),
        };
        Self {
            seed,
            conflict,
            unknown,
            hang,
            fates,
            too_old,
            outage,
            outage_len: 8,
            latency,
        }
    }
}

/// A plan being carried out.
pub(crate) struct Faults {
    plan: Plan,
    state: Mutex<State>,
}

struct State {
    rng: Rng,
    /// What the operations to come are answered in the present outage, and how many of them.
    outage: Option<(Error, u32)>,
}

impl Faults {
    pub(crate) fn new(plan: Plan) -> Arc<Self> {
        let state = Mutex::new(State {
            rng: Rng::with_seed(plan.seed),
            outage: None,
        });
        Arc::new(Self { plan, state })
    }

    /// The faults of a transaction. One that follows another on its snapshot has no begin to wait for.
    pub(crate) fn begin(self: &Arc<Self>, follows: bool) -> Result<Attempt, Error> {
        self.outage()?;
        Ok(Attempt {
            faults: self.clone(),
            begun: Mutex::new(follows.then(Instant::now)),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn happens(&self, probability: f64) -> bool {
        // Nothing is drawn for what cannot happen; also, a plan without faults does not depend on the order of operations.
        probability > 0.0 && self.state().rng.f64() < probability
    }

    fn draw(&self, range: &RangeInclusive<Duration>) -> Duration {
        let (least, most) = (*range.start(), *range.end());
        if least == most {
            return least;
        }
        least + most.saturating_sub(least).mul_f64(self.state().rng.f64())
    }

    /// Fails during an outage, and may begin one.
    fn outage(&self) -> Result<(), Error> {
        let begins = self.happens(self.plan.outage);
        let state = &mut *self.state();
        if begins {
            let why = "an outage, on purpose".to_owned();
            let cause = if state.rng.bool() {
                Cause::Busy { why }
            } else {
                Cause::Engine { why }
            };
            let len = state.rng.u32(1..=self.plan.outage_len.max(1));
            state.outage = Some((Error::Unavailable { cause }, len));
        }
        match &mut state.outage {
            Some((error, left @ 1..)) => {
                *left -= 1;
                Err(error.clone())
            }
            _ => Ok(()),
        }
    }

    fn fate(&self) -> Fate {
        self.state().rng.choice(&self.plan.fates).copied().unwrap_or(Fate::Lost)
    }
}

/// What a plan does to one transaction.
pub(crate) struct Attempt {
    faults: Arc<Faults>,
    /// When the transaction has begun or will have; unknown before its first operation.
    begun: Mutex<Option<Instant>>,
}

impl Attempt {
    async fn begin(&self) {
        let latency = &self.faults.plan.latency;
        let begun = {
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            *begun.get_or_insert_with(|| Instant::now() + self.faults.draw(&latency.begin))
        };
        wait_until(begun).await;
    }

    /// Waits for as long as a read takes, and fails as the plan wants it.
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

    /// Commits, if it has anything to commit, as the plan wants it. If the future is dropped meanwhile, `undecided` is set.
    pub(crate) async fn commit(&self, txn: &Txn, undecided: &AtomicBool) -> Result<(), Error> {
        let (faults, plan) = (&*self.faults, &self.faults.plan);
        if !txn.has_written() {
            return deliver(txn.engine(), undecided).await;
        }
        self.begin().await;
        let mut pending_answer = Pending {
            undecided,
            answered: false,
        };
        let there_and_back = faults.draw(&plan.latency.commit);
        // In the clock's own unit: two waits of fractions would be rounded up twice.
        let millis = u64::try_from(there_and_back.as_millis()).unwrap_or(u64::MAX);
        let there = Duration::from_millis(faults.state().rng.u64(..=millis));
        wait_until(Instant::now() + there).await;

        let mut verdict = faults.outage();
        if verdict.is_ok() && faults.happens(plan.conflict) {
            verdict = Err(Error::Conflict);
        }
        if verdict.is_ok() {
            let (hangs, unknown) = (faults.happens(plan.hang), faults.happens(plan.unknown));
            if hangs || unknown {
                match faults.fate() {
                    Fate::Lost => {}
                    Fate::Committed => drop(deliver(txn.engine(), undecided).await),
                    Fate::Late => deliver_later(txn.engine(), self.landing(), undecided).await,
                }
                verdict = Err(Error::CommitUnknown);
            } else {
                verdict = deliver(txn.engine(), undecided).await;
            }
            if hangs {
                pending::<()>().await;
            }
        }
        wait_until(Instant::now() + there_and_back.saturating_sub(there)).await;
        pending_answer.answered = true;
        verdict
    }

    /// How long a late commit is on its way: most of them shorter than a run's retries, a few longer than its deadline.
    fn landing(&self) -> Duration {
        MAX_COMMIT_DELAY.mul_f64(self.faults.state().rng.f64().powi(4))
    }
}

/// Waits unless it is time already: even a sleep of no length lasts until the clock's next millisecond.
async fn wait_until(time: Instant) {
    if time > Instant::now() {
        sleep_until(time).await;
    }
}

/// Commits in a way that is the same whenever it is repeated.
#[cfg_attr(
    not(feature = "fdb"),
    expect(clippy::unused_async, reason = "other engines commit elsewhere")
)]
async fn deliver(engine: &Transaction, undecided: &AtomicBool) -> Result<(), Error> {
    match engine {
        Transaction::Lmdb(engine) => {
            let _ = undecided;
            engine.commit_in_place()
        }
        #[cfg(feature = "fdb")]
        Transaction::Fdb(engine) => engine.commit(undecided).await,
    }
}

/// Commits after a while, whatever becomes of the run meanwhile.
#[cfg_attr(
    not(feature = "fdb"),
    expect(clippy::unused_async, reason = "other engines commit elsewhere")
)]
async fn deliver_later(engine: &Transaction, landing: Duration, undecided: &AtomicBool) {
    match engine {
        Transaction::Lmdb(engine) => {
            let _ = undecided;
            let on_its_way = engine.detach();
            tokio::spawn(async move {
                sleep(landing).await;
                // Nobody waits for the verdict.
                let _ = on_its_way.commit_in_place();
            });
        }
        #[cfg(feature = "fdb")]
        Transaction::Fdb(engine) => drop(engine.commit(undecided).await),
    }
}
