//! Commits with an unknown outcome, and the commit markers that resolve them.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use kv::faulty::{Fate, Latency, MAX_COMMIT_DELAY, Plan};
use kv::{Cause, Error, RunError, Txn};
use tokio::time::sleep;

use crate::support::{TRIP, calm, increment, k, lost_responses, number, store};

#[tokio::test(start_paused = true)]
async fn a_commit_without_a_response_returns_its_result() {
    let (_folder, db) = store();
    let faulty = db.with_faults(lost_responses(0, 1.0, Fate::Committed));
    for expected in 1..=20 {
        assert_eq!(increment(&faulty).await, Ok(expected));
    }
    assert_eq!(number(&db, 1).await, Some(20));
}

#[tokio::test(start_paused = true)]
async fn a_lost_commit_is_retried() {
    let (_folder, db) = store();
    let faulty = db.with_faults(lost_responses(0, 0.5, Fate::Lost));
    for expected in 1..=20 {
        assert_eq!(increment(&faulty).await, Ok(expected));
    }
    assert!(faulty.usage().attempts > 20);
}

#[tokio::test(start_paused = true)]
async fn a_late_commit_takes_place_once_or_never() {
    for seed in 0..200 {
        let (_folder, db) = store();
        let mut plan = lost_responses(seed, 0.5, Fate::Late);
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
async fn a_transaction_that_ends_with_an_unknown_commit_reports_it() {
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
    // No commit takes place and no commit has a response, until the attempts are used up.
    let unlucky = db.with_faults(lost_responses(0, 1.0, Fate::Lost));
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
async fn the_closures_own_error_is_returned_after_an_unknown_commit() {
    #[derive(Debug)]
    enum Rejection {
        Taken,
        Store,
    }
    impl From<Error> for Rejection {
        fn from(_: Error) -> Self {
            Self::Store
        }
    }
    impl RunError for Rejection {
        fn kv(&self) -> Option<&Error> {
            None
        }
    }

    let (_folder, db) = store();
    let faulty = db.with_faults(lost_responses(0, 1.0, Fate::Lost));
    let (attempts, rival) = (&AtomicU32::new(0), &calm(&db));
    let run: Result<(), Rejection> = faulty
        .run(|txn| async move {
            if attempts.fetch_add(1, SeqCst) == 1 {
                increment(rival).await?;
            }
            if txn.get(&k(1)).await?.is_some() {
                return Err(Rejection::Taken);
            }
            Ok(txn.set(&k(1), [0])?)
        })
        .await;
    assert!(matches!(run, Err(Rejection::Taken)), "{run:?}");
    assert_eq!(number(&db, 1).await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn an_addition_takes_place_once_although_its_outcome_was_unknown() {
    for seed in 0..100 {
        let (_folder, db) = store();
        let faulty = db.with_faults(Plan {
            conflict: 0.1,
            fates: vec![Fate::Lost, Fate::Committed, Fate::Late],
            latency: Latency::of(TRIP),
            ..lost_responses(seed, 0.5, Fate::Late)
        });
        for _ in 0..5 {
            let added: Result<(), Error> = faulty.run(|txn| async move { txn.add(&k(1), 1) }).await;
            added.unwrap();
        }
        sleep(MAX_COMMIT_DELAY).await;
        assert_eq!(number(&db, 1).await, Some(5), "seed {seed}");
    }
}

/// The value that decides is only peeked, so the unknown commit can still take place when a later attempt rejects.
#[tokio::test(start_paused = true)]
async fn after_a_peek_the_closures_own_error_excludes_an_earlier_commit_or_returns_its_result() {
    #[derive(Debug, PartialEq)]
    enum Rejection {
        Full,
        Store(Error),
    }
    impl From<Error> for Rejection {
        fn from(error: Error) -> Self {
            Self::Store(error)
        }
    }
    impl RunError for Rejection {
        fn kv(&self) -> Option<&Error> {
            match self {
                Self::Full => None,
                Self::Store(error) => Some(error),
            }
        }
    }

    let (mut rejected, mut committed) = (0, 0);
    for seed in 0..200 {
        let (_folder, db) = store();
        let mut plan = lost_responses(seed, 0.8, Fate::Late);
        plan.latency = Latency::of(TRIP);
        let faulty = db.with_faults(plan);
        let (attempts, rival) = (&AtomicU32::new(0), &calm(&db));
        let run: Result<(), Rejection> = faulty
            .run(|txn| async move {
                if attempts.fetch_add(1, SeqCst) == 1 {
                    let full: Result<(), Error> = rival.run(|txn| async move { txn.set(&k(1), [1]) }).await;
                    full?;
                }
                if txn.peek(&k(1)).await?.is_some() {
                    return Err(Rejection::Full);
                }
                Ok(txn.set(&k(2), [1])?)
            })
            .await;
        sleep(MAX_COMMIT_DELAY).await;
        let expected = match run {
            Ok(()) => Some(1),
            Err(Rejection::Full) => None,
            Err(Rejection::Store(error)) => panic!("{error}"),
        };
        assert_eq!(number(&db, 2).await, expected, "seed {seed}");
        rejected += u32::from(expected.is_none());
        committed += u32::from(expected.is_some() && attempts.load(SeqCst) > 1);
    }
    assert!(
        rejected > 0 && committed > 0,
        "{rejected} rejected, {committed} committed late"
    );
}

#[tokio::test]
async fn only_old_markers_are_swept() {
    let (_folder, db) = store();
    let marked = db.with_faults(Plan::default());
    increment(&marked).await.unwrap();
    assert_eq!(marked.sweep_markers(Duration::from_hours(24)).await, Ok(0));

    // Concurrent transactions write markers and do not disturb the sweep.
    let others = async {
        for _ in 0..50 {
            increment(&marked).await.unwrap();
        }
    };
    let (swept, ()) = tokio::join!(db.sweep_markers(Duration::ZERO), others);
    swept.unwrap();
    assert_eq!(db.sweep_markers(Duration::ZERO).await, Ok(1), "the marker written last");
    assert_eq!(db.sweep_markers(Duration::ZERO).await, Ok(0), "no marker remains");
}
