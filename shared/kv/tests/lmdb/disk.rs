//! A full disk, simulated with a limit on the size of files.

use std::process::Command;

use futures_util::future::join_all;
use kv::{Cause, Db, Error, Key, Order, Query, Range};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::common::{CHILD_ARGS, Child, Harness, report};
use crate::support::{get, k};

/// A second process whose files cannot grow beyond 2 or 4 MB: the limit's unit is 512 or 1024 bytes, depending on the
/// shell. `SIGXFSZ` is ignored, so that the write fails with an error instead.
fn child_with_little_disk() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", r#"trap '' XFSZ; ulimit -S -f 4096; exec "$0" "$@""#]);
    command
        .arg(std::env::current_exe().expect("a path of this binary"))
        .args(CHILD_ARGS);
    command
}

/// Adds an entry and increments the count of entries.
async fn fill(db: &Db) -> Result<(), Error> {
    db.run(|txn| async move {
        let count = txn.get(&Key::of(&("count",))).await?.map_or(0, |count| count[0]);
        txn.set(&k(count.into()), vec![count; 50_000])?;
        txn.set(&Key::of(&("count",)), [count + 1])
    })
    .await
}

/// The count of entries; panics if the entries differ from the count.
async fn filled(db: &Db) -> u8 {
    let (count, entries) = db
        .run(|txn| async move {
            let count = txn.get(&Key::of(&("count",))).await?.map_or(0, |count| count[0]);
            let range = Range::below(&Key::of(&("k",)));
            let page = txn
                .range(&Query {
                    range,
                    order: Order::Ascending,
                    limit: usize::MAX,
                })
                .await?;
            Ok::<_, Error>((count, page.entries))
        })
        .await
        .expect("a read needs no disk space");
    let expected = (0..count).map(|n| (k(n.into()), vec![n; 50_000]));
    assert!(entries.into_iter().map(|entry| (entry.key, entry.value)).eq(expected));
    count
}

pub(crate) async fn fill_the_disk(db: &Db) {
    let error = loop {
        if let Err(error) = fill(db).await {
            break error;
        }
    };
    let attempts = db.usage().attempts;
    assert!(
        matches!(
            &error,
            Error::Unavailable {
                cause: Cause::Disk { .. }
            }
        ),
        "{error:?}"
    );
    let full = filled(db).await;
    assert!(matches!(
        fill(db).await,
        Err(Error::Unavailable {
            cause: Cause::Disk { .. }
        })
    ));
    assert_eq!(filled(db).await, full);
    assert_eq!(db.usage().attempts, attempts + 3, "a full disk is not retried");

    let limit = getrlimit(Resource::Fsize);
    setrlimit(
        Resource::Fsize,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )
    .expect("the limit can be raised");
    fill(db).await.expect("the file can grow again");
    assert_eq!(filled(db).await, full + 1);
    report(error);
}

#[test]
fn a_full_disk_rejects_whole_commits_and_the_store_works_once_space_is_free() {
    let harness = Harness::lmdb("full");
    let mut child = Child::start(child_with_little_disk(), &format!("fill {}", harness.describe()));
    let error = child.next_report().expect("an error");
    assert!(
        error.starts_with("the store is unavailable: the disk does not take the write: "),
        "{error}"
    );
    assert_eq!(child.next_report().as_deref(), Some("done"));
}

pub(crate) async fn fail_beside_others(db: &Db) {
    for round in 0..20 {
        let write = |n: u32, len: usize| async move {
            let value = &vec![round; len.min(90_000)];
            let keys = u32::try_from(len.div_ceil(90_000)).expect("few");
            db.run(|txn| async move { (0..keys).try_for_each(|i| txn.set(&k(100 * n + i), value)) })
                .await
        };
        // The first commit keeps the committer busy while the others wait in the queue.
        let lens = [1000, 8_900_000, 1000, 1000, 1000, 1000];
        let outcomes: Vec<Result<(), Error>> = join_all((0..).zip(lens).map(|(n, len)| write(n, len))).await;
        for (outcome, len) in outcomes.into_iter().zip(lens) {
            match outcome {
                Ok(()) if len == 1000 => {}
                Err(Error::Unavailable {
                    cause: Cause::Disk { .. },
                }) if len != 1000 => {}
                outcome => panic!("round {round}, {len} bytes: {outcome:?}"),
            }
        }
        for n in [0, 2, 3, 4, 5] {
            assert_eq!(get(db, 100 * n).await, Ok(Some(vec![round; 1000])));
        }
        assert_eq!(get(db, 100).await, Ok(None));
    }
}

#[test]
fn a_transaction_too_large_for_the_disk_does_not_fail_the_others_in_its_batch() {
    let harness = Harness::lmdb("neighbours");
    let mut child = Child::start(child_with_little_disk(), &format!("neighbours {}", harness.describe()));
    assert_eq!(child.next_report().as_deref(), Some("done"));
}
