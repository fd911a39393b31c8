//! Removing what has outlived its time.

use std::time::Duration;

use kv::Key;
use tokio::time::timeout;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::expiry::{self, Due};
use crate::time::Timestamp;

/// How many keys one transaction removes.
const BATCH: usize = 100;

/// How long ago a lifetime has to have ended. Clocks differ, and what one process still takes for alive another must not remove.
const MARGIN: Duration = Duration::from_secs(60);

/// How old the mark that a process leaves in the store has to be before it is taken for that of a process that is gone.
const MARKER_AGE: Duration = Duration::from_hours(24);

/// What a sweep has removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Keys whose lifetime had ended, or that had been removed before it had.
    pub expired: usize,
    /// Marks of processes that are gone.
    pub markers: usize,
    /// Whether it ran out of time. What it had not come to is there for the next sweep; what it was removing at that moment may be gone, and
    /// is not counted.
    pub cut_short: bool,
}

/// Removes everything whose lifetime has ended, a batch a transaction, and ends `within` a time. Safe to run at any time, and by several
/// processes at once: each batch is one process's, and whoever renews a lifetime at the same moment has renewed it, or is told that it had
/// ended.
///
/// What fails keeps nothing else from being removed, and the first such error is the sweep's. An entry that can not be read is such a
/// failure, at every sweep until somebody has seen to it: it is left where it is, because it may be all that leads to what has to be
/// removed, and may be readable to another version of this program.
pub async fn sweep(env: &Env, within: Duration) -> Result<Swept> {
    let mut sweep = Sweep {
        env,
        now: env.clock.now().minus(MARGIN),
        swept: Swept::default(),
        failed: None,
    };
    sweep.swept.cut_short = timeout(within, sweep.all()).await.is_err();
    match sweep.failed {
        None => Ok(sweep.swept),
        Some(error) => Err(error),
    }
}

/// Counts as it goes, so that what was done is known if it is stopped on the way.
struct Sweep<'a> {
    env: &'a Env,
    /// When a lifetime has to have ended.
    now: Timestamp,
    swept: Swept,
    /// The first error.
    failed: Option<Error>,
}

impl Sweep<'_> {
    async fn all(&mut self) {
        for shard in 0..expiry::SHARDS {
            if let Err(error) = self.shard(shard).await {
                self.fail(error);
            }
        }
        match self.env.db.sweep_markers(MARKER_AGE).await {
            Ok(markers) => self.swept.markers = markers,
            Err(error) => self.fail(error.into()),
        }
    }

    async fn shard(&mut self, shard: u8) -> Result<()> {
        let mut next = Some(None);
        while let Some(after) = next {
            let batch = self.batch(shard, after.as_ref()).await?;
            self.swept.expired += batch.removed;
            if let Some(error) = batch.unreadable {
                self.fail(error);
            }
            next = batch.last.map(Some);
        }
        Ok(())
    }

    /// One transaction: removes what ended first in one shard, `after` an entry.
    async fn batch(&self, shard: u8, after: Option<&Key>) -> Result<Batch> {
        self.env
            .db
            .run(|txn| async move {
                let due = expiry::due(&txn, shard, self.now, after, BATCH).await?;
                let mut batch = Batch::default();
                if due.len() == BATCH {
                    batch.last = due.last().map(|due| due.entry.clone());
                }
                for Due { entry, key } in due {
                    match key {
                        Ok(key) => {
                            txn.clear(&key)?;
                            txn.clear(&entry)?;
                            batch.removed += 1;
                        }
                        Err(error) => batch.unreadable = batch.unreadable.or(Some(error)),
                    }
                }
                Ok(batch)
            })
            .await
    }

    fn fail(&mut self, error: Error) {
        self.failed.get_or_insert(error);
    }
}

/// What came of one transaction.
#[derive(Default)]
struct Batch {
    removed: usize,
    /// Why the first entry that could not be read could not be.
    unreadable: Option<Error>,
    /// The last entry, if there may be others after it.
    last: Option<Key>,
}
