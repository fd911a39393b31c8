//! The count of trips is the time that they take, where each takes the same; and nobody's count is another's.
#![cfg(feature = "testing")]

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::join_all;
use kv::faulty::{Fate, Latency, Plan};
use kv::{Db, Engine, Error, Key, Meter, Query, Settings, Snapshot, Txn};
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// So long that all pauses between attempts together are shorter.
const TRIP: Duration = Duration::from_secs(1000);

fn store() -> (TempDir, Db) {
    let folder = TempDir::new().expect("a temporary folder");
    let db = Db::open(Settings {
        deadline: Duration::MAX,
        ..Settings::new(Engine::Lmdb(folder.path().join("store")))
    });
    (folder, db.expect("the store opens"))
}

fn slow(db: &Db, plan: Plan) -> Db {
    db.with_faults(Plan {
        latency: Latency::of(TRIP),
        ..plan
    })
}

/// What a transaction does before it commits.
#[derive(Clone, Debug)]
enum Step {
    Get,
    Range,
    /// One after another.
    Chain(Vec<Step>),
    /// All at once.
    Together(Vec<Step>),
}

/// A run of its own.
#[derive(Clone, Debug)]
struct Run {
    step: Step,
    writes: bool,
    /// Whether it goes on from where the run before it has left the store.
    follows: bool,
}

impl Step {
    fn reads(&self) -> u32 {
        match self {
            Self::Get | Self::Range => 1,
            Self::Chain(steps) | Self::Together(steps) => steps.iter().map(Self::reads).sum(),
        }
    }
}

fn steps() -> impl Strategy<Value = Step> {
    let leaf = prop_oneof![Just(Step::Get), Just(Step::Range)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Step::Chain),
            prop::collection::vec(inner, 0..4).prop_map(Step::Together),
        ]
    })
}

fn runs() -> impl Strategy<Value = Vec<Run>> {
    let run = (steps(), any::<bool>(), any::<bool>());
    let run = run.prop_map(|(step, writes, follows)| Run { step, writes, follows });
    prop::collection::vec(run, 0..4)
}

type Boxed<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;

fn take<'a>(txn: &'a Txn, step: &'a Step) -> Boxed<'a> {
    Box::pin(async move {
        match step {
            Step::Get => txn.get(&Key::of(&("a",))).await.map(drop),
            Step::Range => {
                let query = Query {
                    range: kv::Range::below(&Key::of(&())),
                    order: kv::Order::Ascending,
                    limit: 3,
                };
                txn.range(&query).await.map(drop)
            }
            Step::Chain(steps) => {
                for step in steps {
                    take(txn, step).await?;
                }
                Ok(())
            }
            Step::Together(steps) => {
                let taken = join_all(steps.iter().map(|step| take(txn, step))).await;
                taken.into_iter().collect()
            }
        }
    })
}

async fn perform(db: &Db, runs: &[Run]) -> Result<(), Error> {
    let mut left: Option<Snapshot> = None;
    for run in runs {
        let handle = match left.take().filter(|_| run.follows) {
            Some(snapshot) => db.reading_from(snapshot),
            None => db.clone(),
        };
        let done = handle.run_with_snapshot(|txn| async move {
            take(&txn, &run.step).await?;
            if run.writes {
                txn.set(&Key::of(&("a",)), "1")?;
            }
            Ok::<_, Error>(())
        });
        left = Some(done.await?.1);
    }
    Ok(())
}

fn paused<T>(work: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime for one thread").block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Conflicts and lost answers make further attempts, which are trips like the first ones.
    #[test]
    fn the_trips_are_the_time_that_they_take(runs in runs(), seed: u64, trouble: bool) {
        let (_folder, db) = store();
        let odds = if trouble { 0.3 } else { 0.0 };
        let plan = Plan { seed, conflict: odds, unknown: odds, too_old: odds / 3.0, fates: vec![Fate::Lost, Fate::Committed], ..Plan::default() };
        let db = slow(&db, plan);
        let (meter, before) = (Meter::new(), db.usage());
        let took = paused(async {
            let start = Instant::now();
            let _ = meter.measure(perform(&db, &runs)).await;
            start.elapsed()
        });
        prop_assert_eq!(u128::from(meter.trips()), took.as_millis() / TRIP.as_millis());
        let usage = db.usage();
        let again = (usage.attempts - before.attempts) - (usage.transactions - before.transactions);
        prop_assert_eq!(u64::from(meter.retries()), again);
    }

    /// An engine that answers at once, in this process, is never asked for two things at a time.
    #[test]
    fn where_every_answer_comes_at_once_the_trips_are_all_that_is_asked_for(runs in runs()) {
        let (_folder, db) = store();
        let meter = Meter::new();
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime for one thread");
        runtime.block_on(meter.measure(perform(&db, &runs))).expect("nothing is in the way");
        let (mut asked, mut has_snapshot) = (0, false);
        for run in &runs {
            let spared = run.follows && has_snapshot;
            let own = run.step.reads() + u32::from(run.writes);
            asked += own + u32::from(own > 0 && !spared);
            has_snapshot = own > 0 || spared;
        }
        prop_assert_eq!(meter.trips(), asked);
    }
}

/// A chain of so many trips: a begin, and reads.
async fn chain(db: &Db, trips: u32) {
    let read = db.run(|txn| async move {
        for _ in 1..trips {
            txn.get(&Key::of(&("a",))).await?;
        }
        Ok::<_, Error>(())
    });
    read.await.expect("nothing is in the way");
}

#[tokio::test(start_paused = true)]
async fn two_pieces_of_work_that_take_turns_in_one_task_have_each_their_own_count() {
    let (_folder, db) = store();
    let db = &slow(&db, Plan::default());
    let (one, other) = (Meter::new(), Meter::new());
    let later = async {
        sleep(TRIP / 2).await;
        chain(db, 7).await;
    };
    let start = Instant::now();
    tokio::join!(one.measure(chain(db, 4)), other.measure(later));
    assert_eq!(start.elapsed(), 7 * TRIP + TRIP / 2, "they were under way together");
    assert_eq!((one.trips(), other.trips()), (4, 7));
    // What nobody measures is counted nowhere.
    chain(db, 5).await;
    assert_eq!((one.trips(), other.trips()), (4, 7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn work_that_moves_between_threads_takes_its_count_along() {
    let (_folder, db) = store();
    let mut tasks = JoinSet::new();
    for number in 2..100_u32 {
        let db = db.clone();
        tasks.spawn(async move {
            let meter = Meter::new();
            let work = async {
                // One run after another, with a chance to be taken by another thread at each.
                for _ in 0..number {
                    chain(&db, 3).await;
                    tokio::task::yield_now().await;
                }
            };
            meter.measure(work).await;
            assert_eq!((meter.trips(), meter.retries()), (3 * number, 0));
        });
    }
    tasks.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn retries_are_the_attempts_after_the_first_of_each_run() {
    let (_folder, db) = store();
    let meter = Meter::new();
    let conflicts = slow(
        &db,
        Plan {
            conflict: 1.0,
            ..Plan::default()
        },
    );
    let write = |db: Db| async move { db.run(|txn| async move { txn.set(&Key::of(&("a",)), "1") }).await };
    let refused = meter.measure(write(conflicts)).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
    assert_eq!(meter.retries(), 63, "of 64 attempts");
    meter.measure(write(slow(&db, Plan::default()))).await.unwrap();
    assert_eq!(meter.retries(), 63, "the next one needed none");
}

#[tokio::test(start_paused = true)]
async fn a_trip_that_is_never_answered_is_one_all_the_same() {
    let (_folder, db) = store();
    let silent = slow(
        &db,
        Plan {
            hang: 1.0,
            ..Plan::default()
        },
    );
    let meter = Meter::new();
    let silent = silent.with_deadline(10 * TRIP);
    let read = silent.run(|txn| async move { txn.get(&Key::of(&("a",))).await });
    assert!(meter.measure(read).await.is_err());
    assert_eq!(meter.trips(), 2, "the begin, and the read");
}
