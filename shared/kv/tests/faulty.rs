//! What the injected faults do to a run, and how a run gets over them. Built with the feature `testing` only.
#![cfg(feature = "testing")]

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use futures_util::future::join_all;
use kv::faulty::{Fate, Latency, MAX_COMMIT_DELAY, Plan};
use kv::{Cause, Db, Engine, Error, Key, RunError, Settings, Snapshot, Txn};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

const TRIP: Duration = Duration::from_millis(10);

fn store() -> (TempDir, Db) {
    let folder = TempDir::new().expect("a temporary folder");
    let db = Db::open(Settings::new(Engine::Lmdb(folder.path().join("store"))));
    (folder, db.expect("the store opens"))
}

fn k(n: u32) -> Key {
    Key::of(&("k", n))
}

/// The store without faults, but committing in place: under a paused clock the commit thread cannot be waited for.
fn calm(db: &Db) -> Db {
    db.with_faults(Plan::default())
}

async fn number(db: &Db, n: u32) -> Option<u8> {
    let found: Result<_, Error> = calm(db).run(|txn| async move { txn.get(&k(n)).await }).await;
    found.expect("a plain read").map(|value| value[0])
}

/// Adds one to key 1 and answers what it is then.
async fn increment(db: &Db) -> Result<u8, Error> {
    db.run(|txn| async move {
        let next = txn.get(&k(1)).await?.map_or(0, |value| value[0]) + 1;
        txn.set(&k(1), [next])?;
        Ok(next)
    })
    .await
}

/// The same, and what the store was right after that.
async fn increment_then(db: &Db) -> Result<(u8, Snapshot), Error> {
    db.run_with_snapshot(|txn| async move {
        let next = txn.get(&k(1)).await?.map_or(0, |value| value[0]) + 1;
        txn.set(&k(1), [next])?;
        Ok(next)
    })
    .await
}

fn answers_lost(seed: u64, unknown: f64, fate: Fate) -> Plan {
    Plan {
        seed,
        unknown,
        fates: vec![fate],
        ..Plan::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_took_place_unnoticed_is_answered_as_it_was() {
    let (_folder, db) = store();
    let faulty = db.with_faults(answers_lost(0, 1.0, Fate::Committed));
    for expected in 1..=20 {
        assert_eq!(increment(&faulty).await, Ok(expected));
    }
    assert_eq!(number(&db, 1).await, Some(20));
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_was_lost_is_made_again() {
    let (_folder, db) = store();
    let faulty = db.with_faults(answers_lost(0, 0.5, Fate::Lost));
    for expected in 1..=20 {
        assert_eq!(increment(&faulty).await, Ok(expected));
    }
    assert!(faulty.usage().attempts > 20);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_arrives_late_counts_once_or_never() {
    for seed in 0..200 {
        let (_folder, db) = store();
        let mut plan = answers_lost(seed, 0.5, Fate::Late);
        plan.latency = Latency::of(TRIP);
        let faulty = db.with_faults(plan);
        for expected in 1..=5 {
            assert_eq!(increment(&faulty).await, Ok(expected), "seed {seed}");
        }
        sleep(MAX_COMMIT_DELAY).await;
        assert_eq!(number(&db, 1).await, Some(5), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_in_doubt_says_so() {
    let (_folder, db) = store();
    for fate in [Fate::Lost, Fate::Committed, Fate::Late] {
        let hanging = db.with_faults(Plan {
            hang: 1.0,
            fates: vec![fate],
            ..Plan::default()
        });
        let set = |txn: Txn| async move { txn.set(&k(9), [1]) };
        let run: Result<(), Error> = hanging.run(set).await;
        assert!(is_undecided(&run), "{run:?}");
        let run: Result<_, Error> = hanging.run_with_snapshot(set).await;
        assert!(is_undecided(&run), "{run:?}");
    }
    // No answer to any commit, and none that took place: the attempts run out.
    let unlucky = db.with_faults(answers_lost(0, 1.0, Fate::Lost));
    let run = increment(&unlucky).await;
    assert!(is_undecided(&run), "{run:?}");
}

fn is_undecided<T>(run: &Result<T, Error>) -> bool {
    matches!(
        run,
        Err(Error::Unavailable {
            cause: Cause::Undecided { .. }
        })
    )
}

#[tokio::test(start_paused = true)]
async fn a_read_that_hangs_ends_with_the_deadline_and_without_doubt() {
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
    let mut refused = 0;
    for _ in 0..100 {
        match increment(&flaky).await {
            Ok(_) => done += 1,
            Err(Error::Unavailable { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(done > 0 && refused > 0, "{done} done, {refused} refused");
    assert_eq!(number(&db, 1).await, Some(done));
}

#[tokio::test(start_paused = true)]
async fn the_callers_own_error_is_answered_in_an_attempt_after_a_doubt() {
    #[derive(Debug)]
    enum Refusal {
        Taken,
        Store,
    }
    impl From<Error> for Refusal {
        fn from(_: Error) -> Self {
            Self::Store
        }
    }
    impl RunError for Refusal {
        fn kv(&self) -> Option<&Error> {
            None
        }
    }

    let (_folder, db) = store();
    let faulty = db.with_faults(answers_lost(0, 1.0, Fate::Lost));
    let (attempts, rival) = (&AtomicU32::new(0), &calm(&db));
    let run: Result<(), Refusal> = faulty
        .run(|txn| async move {
            if attempts.fetch_add(1, SeqCst) == 1 {
                increment(rival).await?;
            }
            if txn.get(&k(1)).await?.is_some() {
                return Err(Refusal::Taken);
            }
            Ok(txn.set(&k(1), [0])?)
        })
        .await;
    assert!(matches!(run, Err(Refusal::Taken)), "{run:?}");
    assert_eq!(number(&db, 1).await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn time_counts_the_begin_the_waves_of_reads_and_the_commit() {
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
async fn a_run_that_follows_another_has_no_begin_to_wait_for() {
    let (_folder, db) = store();
    let slow = db.with_faults(Plan {
        latency: Latency::of(TRIP),
        ..Plan::default()
    });
    let start = Instant::now();
    let (_, written) = increment_then(&slow).await.unwrap();
    assert_eq!(start.elapsed(), 3 * TRIP, "a begin, a read and a commit");
    let start = Instant::now();
    increment(&slow.reading_from(written)).await.unwrap();
    assert_eq!(start.elapsed(), 2 * TRIP, "a read and a commit");

    let read: Result<_, Error> = slow.run_with_snapshot(|txn| async move { txn.get(&k(1)).await }).await;
    let start = Instant::now();
    increment(&slow.reading_from(read.unwrap().1)).await.unwrap();
    assert_eq!(start.elapsed(), 2 * TRIP, "a read and a commit");

    let start = Instant::now();
    let idle: Result<_, Error> = slow.run_with_snapshot(|_| async move { Ok(()) }).await;
    assert_eq!(start.elapsed(), Duration::ZERO, "nothing was asked");
    increment(&slow.reading_from(idle.unwrap().1)).await.unwrap();
    assert_eq!(start.elapsed(), 3 * TRIP, "so there is nothing to be spared");
    assert_eq!(slow.usage().conflicts, 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_run_leaves_is_as_old_as_its_commit() {
    let (_folder, db) = store();
    let calm = &calm(&db);
    let (_, written) = increment_then(calm).await.unwrap();
    let read: Result<_, Error> = calm.run_with_snapshot(|txn| async move { txn.get(&k(1)).await }).await;
    let (_, read) = read.unwrap();
    increment(calm).await.unwrap();
    for snapshot in [written, read] {
        assert_eq!(seen(&calm.reading_from(snapshot)).await, Some(1), "not what came later");
    }

    let (_, written) = increment_then(calm).await.unwrap();
    increment(calm).await.unwrap();
    let before = calm.usage();
    assert_eq!(increment(&calm.reading_from(written)).await, Ok(5));
    assert_eq!(calm.usage().conflicts - before.conflicts, 1, "somebody came between");
}

/// Key 1 as a run on this very handle reads it.
async fn seen(db: &Db) -> Option<u8> {
    let found: Result<_, Error> = db.run(|txn| async move { txn.get(&k(1)).await }).await;
    found.expect("a plain read").map(|value| value[0])
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_was_noticed_later_leaves_what_it_wrote() {
    let (_folder, db) = store();
    let faulty = db.with_faults(answers_lost(0, 1.0, Fate::Committed));
    let calm = faulty.with_faults(Plan::default());
    for round in 0..20 {
        let (value, snapshot) = increment_then(&faulty).await.unwrap();
        assert_eq!(value, 2 * round + 1);
        let before = calm.usage();
        assert_eq!(increment(&calm.reading_from(snapshot)).await, Ok(2 * round + 2));
        assert_eq!(calm.usage().attempts - before.attempts, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn runs_that_follow_one_another_through_faults_count_once_each() {
    for seed in 0..100 {
        let (_folder, db) = store();
        let faulty = db.with_faults(Plan {
            conflict: 0.1,
            fates: vec![Fate::Lost, Fate::Committed, Fate::Late],
            latency: Latency::of(TRIP),
            ..answers_lost(seed, 0.4, Fate::Committed)
        });
        let mut next = faulty.clone();
        for expected in 1..=6 {
            let (value, snapshot) = increment_then(&next).await.unwrap();
            assert_eq!(value, expected, "seed {seed}");
            next = faulty.reading_from(snapshot);
        }
        sleep(MAX_COMMIT_DELAY).await;
        assert_eq!(number(&db, 1).await, Some(6), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn markers_that_others_use_during_a_commit_do_not_hold_up_a_run_that_follows() {
    let (_folder, db) = store();
    for seed in 0..50 {
        let slow = db.with_faults(Plan {
            seed,
            latency: Latency::of(TRIP),
            ..Plan::default()
        });
        // It uses the same markers, and other keys.
        let quick = slow.with_faults(Plan::default());
        let others = async {
            loop {
                let written: Result<(), Error> = quick.run(|txn| async move { txn.set(&k(2), [0]) }).await;
                written.unwrap();
                sleep(Duration::from_millis(1)).await;
            }
        };
        let (_, snapshot) = tokio::select! {
            biased;
            first = increment_then(&slow) => first.unwrap(),
            () = others => unreachable!("they go on"),
        };
        let before = slow.usage();
        increment(&slow.reading_from(snapshot)).await.unwrap();
        assert_eq!(slow.usage().attempts - before.attempts, 1, "seed {seed}");
    }
}

#[tokio::test]
async fn runs_that_follow_one_another_use_their_markers_again() {
    let (_folder, db) = store();
    let marked = db.with_faults(Plan::default());
    let mut next = marked.clone();
    for _ in 0..20 {
        next = marked.reading_from(increment_then(&next).await.unwrap().1);
    }
    let markers = db.sweep_markers(Duration::ZERO).await.unwrap();
    assert!(markers <= 3, "{markers} for runs of which no two were at once");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_makes_the_same_faults() {
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
            outcomes(seed, "once").await,
            outcomes(seed, "again").await,
            "seed {seed}"
        );
    }
}

#[tokio::test]
async fn markers_are_swept_when_they_are_old_and_not_before() {
    let (_folder, db) = store();
    let marked = db.with_faults(Plan::default());
    increment(&marked).await.unwrap();
    assert_eq!(marked.sweep_markers(Duration::from_hours(24)).await, Ok(0));

    // Others go on meanwhile, and hold nobody up.
    let others = async {
        for _ in 0..50 {
            increment(&marked).await.unwrap();
        }
    };
    let (swept, ()) = tokio::join!(db.sweep_markers(Duration::ZERO), others);
    swept.unwrap();
    assert_eq!(
        db.sweep_markers(Duration::ZERO).await,
        Ok(1),
        "the one that was written last"
    );
    assert_eq!(db.sweep_markers(Duration::ZERO).await, Ok(0), "nothing is left");
}
