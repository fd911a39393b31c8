//! Commits that wait for the write lock of another process.

use std::time::Duration;

use kv::{Cause, Db, Error};
use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Child, Harness, child_command, report};
use crate::support::{get, set};

/// Commits in a loop, and so holds the write lock nearly all the time. It reads nothing, so that it is never stopped
/// while it holds the lock of the reader table.
pub(crate) async fn churn(db: &Db) {
    loop {
        set(db, 0, &vec![0; 50_000]).await.expect("committed");
        report("committed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_waits_for_a_stopped_process_is_withdrawn_at_the_deadline() {
    let harness = Harness::lmdb("withdrawn");
    let db = harness.db();
    set(&db, 1, b"before").await.unwrap();
    let mut child = Child::start(child_command(), &format!("churn {}", harness.describe()));
    let pid = Pid::from_child(&child.process);

    // The child stops at a random point: if the commit below fails, the child holds the write lock.
    let mut withdrawn = false;
    for _ in 0..100 {
        child.next_report().expect("the child commits");
        kill_process(pid, Signal::STOP).unwrap();
        match set(&db.with_deadline(Duration::from_millis(100)), 1, b"too late").await {
            Err(Error::Unavailable {
                cause: Cause::Deadline { attempts: 1, .. },
            }) => withdrawn = true,
            // A commit that found the lock free can miss the deadline on a slow disk.
            Ok(())
            | Err(Error::Unavailable {
                cause: Cause::Undecided { .. },
            }) => {}
            Err(error) => panic!("{error}"),
        }
        if withdrawn {
            break;
        }
        kill_process(pid, Signal::CONT).unwrap();
        set(&db, 1, b"before").await.unwrap();
    }
    assert!(withdrawn, "no commit was withdrawn");
    assert_eq!(get(&db, 1).await, Ok(Some(b"before".to_vec())), "a read needs no lock");

    kill_process(pid, Signal::CONT).unwrap();
    // Commits are applied in the order of their arrival, so all earlier commits that were not withdrawn are applied
    // after this.
    set(&db, 2, b"after").await.unwrap();
    assert_eq!(get(&db, 1).await, Ok(Some(b"before".to_vec())));
}
