//! On a store where every trip takes the same time, the count of trips equals the elapsed time. Meters are independent.
#![cfg(feature = "testing")]

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use kv::faulty::{Fate, Latency, Plan};
use kv::{Db, EndedTrip, Engine, Error, Key, Meter, Query, Settings, Snapshot, TripObserver, Txn};
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Longer than all pauses between attempts together.
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

/// The reads of a transaction before its commit.
#[derive(Clone, Debug)]
enum Step {
    Get,
    Peek,
    Range,
    /// In sequence.
    Chain(Vec<Step>),
    /// Concurrently.
    Concurrent(Vec<Step>),
}

/// One transaction.
#[derive(Clone, Debug)]
struct Transaction {
    step: Step,
    writes: bool,
    /// Whether it reads from the snapshot of the previous transaction.
    follows: bool,
}

impl Step {
    fn reads(&self) -> u32 {
        match self {
            Self::Get | Self::Peek | Self::Range => 1,
            Self::Chain(steps) | Self::Concurrent(steps) => steps.iter().map(Self::reads).sum(),
        }
    }
}

fn steps() -> impl Strategy<Value = Step> {
    let leaf = prop_oneof![Just(Step::Get), Just(Step::Peek), Just(Step::Range)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Step::Chain),
            prop::collection::vec(inner, 0..4).prop_map(Step::Concurrent),
        ]
    })
}

fn transactions() -> impl Strategy<Value = Vec<Transaction>> {
    let run = (steps(), any::<bool>(), any::<bool>());
    let run = run.prop_map(|(step, writes, follows)| Transaction { step, writes, follows });
    prop::collection::vec(run, 0..4)
}

type Boxed<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;

fn execute<'a>(txn: &'a Txn, step: &'a Step) -> Boxed<'a> {
    Box::pin(async move {
        match step {
            Step::Get => txn.get(&Key::of(&("a",))).await.map(drop),
            Step::Peek => txn.peek(&Key::of(&("a",))).await.map(drop),
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
                    execute(txn, step).await?;
                }
                Ok(())
            }
            Step::Concurrent(steps) => {
                let results = join_all(steps.iter().map(|step| execute(txn, step))).await;
                results.into_iter().collect()
            }
        }
    })
}

async fn perform(db: &Db, transactions: &[Transaction]) -> Result<(), Error> {
    let mut previous: Option<Snapshot> = None;
    for transaction in transactions {
        let handle = match previous.take().filter(|_| transaction.follows) {
            Some(snapshot) => db.reading_from(snapshot),
            None => db.clone(),
        };
        let done = handle.run_with_snapshot(|txn| async move {
            execute(&txn, &transaction.step).await?;
            if transaction.writes {
                // An addition reads nothing.
                txn.add(&Key::of(&("a",)), 1)?;
            }
            Ok::<_, Error>(())
        });
        previous = Some(done.await?.1);
    }
    Ok(())
}

fn paused<T>(work: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime for one thread").block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Conflicts and lost responses cause retries, whose trips count like those of first attempts.
    #[test]
    fn the_count_of_trips_equals_the_elapsed_time(transactions in transactions(), seed: u64, has_faults: bool) {
        let (_folder, db) = store();
        let rate = if has_faults { 0.3 } else { 0.0 };
        let plan = Plan {
            seed,
            conflict: rate,
            unknown: rate,
            too_old: rate / 3.0,
            fates: vec![Fate::Lost, Fate::Committed],
            ..Plan::default()
        };
        let db = slow(&db, plan);
        let (meter, before) = (Meter::new(), db.usage());
        let elapsed = paused(async {
            let start = Instant::now();
            let _ = meter.measure(perform(&db, &transactions)).await;
            start.elapsed()
        });
        prop_assert_eq!(u128::from(meter.trips()), elapsed.as_millis() / TRIP.as_millis());
        let usage = db.usage();
        let retries = (usage.attempts - before.attempts) - (usage.transactions - before.transactions);
        prop_assert_eq!(u64::from(meter.retries()), retries);
    }

    /// LMDB completes each operation before the next one starts.
    #[test]
    fn without_latency_every_operation_is_a_sequential_trip(transactions in transactions()) {
        let (_folder, db) = store();
        let meter = Meter::new();
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime for one thread");
        runtime.block_on(meter.measure(perform(&db, &transactions))).expect("no faults");
        let (mut expected, mut has_snapshot) = (0, false);
        for transaction in &transactions {
            let saves_begin = transaction.follows && has_snapshot;
            let own = transaction.step.reads() + u32::from(transaction.writes);
            expected += own + u32::from(own > 0 && !saves_begin);
            has_snapshot = own > 0 || saves_begin;
        }
        prop_assert_eq!(meter.trips(), expected);
    }
}

/// A chain of `trips` sequential trips: a begin and reads.
async fn chain(db: &Db, trips: u32) {
    let read = db.run(|txn| async move {
        for _ in 1..trips {
            txn.get(&Key::of(&("a",))).await?;
        }
        Ok::<_, Error>(())
    });
    read.await.expect("no faults");
}

#[tokio::test(start_paused = true)]
async fn two_futures_that_alternate_in_one_task_have_separate_counts() {
    let (_folder, db) = store();
    let db = &slow(&db, Plan::default());
    let (one, other) = (Meter::new(), Meter::new());
    let later = async {
        sleep(TRIP / 2).await;
        chain(db, 7).await;
    };
    let start = Instant::now();
    tokio::join!(one.measure(chain(db, 4)), other.measure(later));
    assert_eq!(start.elapsed(), 7 * TRIP + TRIP / 2, "they ran concurrently");
    assert_eq!((one.trips(), other.trips()), (4, 7));
    // Work without a meter changes no count.
    chain(db, 5).await;
    assert_eq!((one.trips(), other.trips()), (4, 7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_future_that_moves_between_threads_keeps_its_count() {
    let (_folder, db) = store();
    let mut tasks = JoinSet::new();
    for number in 2..100_u32 {
        let db = db.clone();
        tasks.spawn(async move {
            let meter = Meter::new();
            let work = async {
                // Sequential transactions; at each yield, another thread may take over.
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
async fn retries_are_all_attempts_except_the_first_of_each_transaction() {
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
    let outcome = meter.measure(write(conflicts)).await;
    assert!(matches!(outcome, Err(Error::Unavailable { .. })), "{outcome:?}");
    assert_eq!(meter.retries(), 63, "of 64 attempts");
    meter.measure(write(slow(&db, Plan::default()))).await.unwrap();
    assert_eq!(meter.retries(), 63, "the next transaction needed no retry");
}

#[tokio::test(start_paused = true)]
async fn a_trip_that_never_completes_counts() {
    let (_folder, db) = store();
    let hanging = slow(
        &db,
        Plan {
            hang: 1.0,
            ..Plan::default()
        },
    );
    let meter = Meter::new();
    let hanging = hanging.with_deadline(10 * TRIP);
    let read = hanging.run(|txn| async move { txn.get(&Key::of(&("a",))).await });
    assert!(meter.measure(read).await.is_err());
    assert_eq!(meter.trips(), 2, "the begin and the read");
}

/// Keeps what each trip did, how long it took, and its error.
#[derive(Default)]
struct Trips(Mutex<Vec<(&'static str, Duration, Option<&'static str>)>>);

impl TripObserver for Trips {
    fn trip_ended(&self, trip: &EndedTrip) {
        let seen = (trip.operation, trip.started.elapsed(), trip.error);
        self.0.lock().expect("no test panics with it").push(seen);
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_sees_every_trip_once_with_its_duration_and_its_error() {
    let (_folder, db) = store();
    let observe = async |plan: Plan| {
        let (trips, db) = (Arc::new(Trips::default()), slow(&db, plan));
        let db = db.with_deadline(100 * TRIP);
        let work = db.run(|txn| async move {
            let key = Key::of(&("a",));
            txn.get(&key).await?;
            execute(&txn, &Step::Range).await?;
            txn.set(&key, "1")
        });
        let meter = Meter::observed_by(trips.clone());
        let _ = meter.measure(work).await;
        std::mem::take(&mut *trips.0.lock().expect("no test panics with it"))
    };
    let seen = observe(Plan::default()).await;
    // The first read waits for the begin of the transaction.
    assert_eq!(
        seen,
        [("get", 2 * TRIP, None), ("range", TRIP, None), ("commit", TRIP, None)]
    );
    let conflict = Plan {
        conflict: 1.0,
        ..Plan::default()
    };
    let seen = observe(conflict).await;
    let commits: Vec<_> = seen.iter().filter(|(operation, ..)| *operation == "commit").collect();
    assert!(commits.len() > 1 && commits[0].2 == Some("conflict"), "{seen:?}");
    let hang = Plan {
        hang: 1.0,
        ..Plan::default()
    };
    let seen = observe(hang).await;
    assert_eq!(
        seen.last().map(|trip| (trip.0, trip.2)),
        Some(("get", Some("abandoned"))),
        "{seen:?}"
    );
}
