//! Faults and latency, as a plan injects them.

use futures_util::future::join_all;
use kv::faulty::{Latency, Plan};
use kv::{Cause, Db, Engine, Error, Settings};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::{TRIP, increment, k, number, store};

#[tokio::test(start_paused = true)]
async fn a_read_that_hangs_ends_at_the_deadline_with_a_known_outcome() {
    let (_folder, db) = store();
    let hanging = db.with_faults(Plan {
        hang: 1.0,
        ..Plan::default()
    });
    let start = Instant::now();
    let run = increment(&hanging).await;
    assert!(
        matches!(
            run,
            Err(Error::Unavailable {
                cause: Cause::Deadline { .. }
            })
        ),
        "{run:?}"
    );
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn an_outage_lasts_for_a_while_and_ends() {
    let (_folder, db) = store();
    let flaky = db.with_faults(Plan {
        outage: 0.2,
        outage_len: 30,
        ..Plan::default()
    });
    let mut done = 0;
    let mut unavailable = 0;
    for _ in 0..100 {
        match increment(&flaky).await {
            Ok(_) => done += 1,
            Err(Error::Unavailable { .. }) => unavailable += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(done > 0 && unavailable > 0, "{done} done, {unavailable} unavailable");
    assert_eq!(number(&db, 1).await, Some(done));
}

#[tokio::test(start_paused = true)]
async fn a_full_store_rejects_all_commits_except_those_that_may_use_the_reserve() {
    let (_folder, db) = store();
    let full = db.with_faults(Plan {
        full: 1.0,
        ..Plan::default()
    });
    let run = increment(&full).await;
    assert!(matches!(run, Err(Error::Full { .. })), "{run:?}");
    assert_eq!(full.usage().attempts, 1, "it is not retried");
    let deletion: Result<(), Error> = full
        .run(|txn| async move {
            txn.use_reserve();
            txn.set(&k(1), [7])
        })
        .await;
    deletion.unwrap();
    assert_eq!(number(&full, 1).await, Some(7));
}

#[tokio::test(start_paused = true)]
async fn latency_is_spent_on_the_begin_each_wave_of_reads_and_the_commit() {
    let (_folder, db) = store();
    let slow = db.with_faults(Plan {
        latency: Latency::of(TRIP),
        ..Plan::default()
    });
    let trips = async |waves: u32, writes: bool| {
        let start = Instant::now();
        let run: Result<(), Error> = slow
            .run(|txn| async move {
                for wave in 0..waves {
                    let keys = [k(wave), k(wave + 1), k(wave + 2)];
                    join_all(keys.iter().map(|key| txn.get(key))).await;
                }
                if writes { txn.set(&k(1), [1]) } else { Ok(()) }
            })
            .await;
        run.unwrap();
        start.elapsed().as_millis() / TRIP.as_millis()
    };
    assert_eq!(trips(0, false).await, 0);
    assert_eq!(trips(0, true).await, 2);
    assert_eq!(trips(1, false).await, 2);
    assert_eq!(trips(2, true).await, 4);

    let snapshot: Result<_, Error> = slow.run(|txn| async move { txn.snapshot().await }).await;
    let start = Instant::now();
    increment(&slow.reading_from(snapshot.unwrap())).await.unwrap();
    assert_eq!(start.elapsed(), 2 * TRIP, "a read and a commit");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_produces_the_same_faults() {
    let folder = &TempDir::new().unwrap();
    let outcomes = async |seed, root: &str| {
        let settings = Settings {
            root: format!("{root} {seed}"),
            ..Settings::new(Engine::Lmdb(folder.path().join("store")))
        };
        let db = Db::open(settings).unwrap();
        let faulty = db.with_faults(Plan::random(seed));
        fastrand::seed(seed);
        let start = Instant::now();
        let mut outcomes = Vec::new();
        for _ in 0..20 {
            outcomes.push((increment(&faulty).await, start.elapsed()));
        }
        outcomes
    };
    for seed in 0..20 {
        assert_eq!(
            outcomes(seed, "first").await,
            outcomes(seed, "second").await,
            "seed {seed}"
        );
    }
}
