//! Removing what has outlived its time.

use std::time::Duration;

use tokio::time::timeout;

use crate::env::Env;
use crate::error::Result;
use crate::expiry;
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
pub async fn sweep(env: &Env, within: Duration) -> Result<Swept> {
    let mut swept = Swept::default();
    match timeout(within, sweep_all(env, &mut swept)).await {
        Ok(outcome) => outcome?,
        Err(_) => swept.cut_short = true,
    }
    Ok(swept)
}

/// Counts in `swept` as it goes, so that what was done is known if it is dropped on the way.
async fn sweep_all(env: &Env, swept: &mut Swept) -> Result<()> {
    let now = env.clock.now().minus(MARGIN);
    for shard in 0..expiry::SHARDS {
        loop {
            let removed = sweep_batch(env, shard, now).await?;
            swept.expired += removed;
            if removed < BATCH {
                break;
            }
        }
    }
    swept.markers = env.db.sweep_markers(MARKER_AGE).await?;
    Ok(())
}

/// One transaction: removes what ended first in one shard, and answers how much that was.
async fn sweep_batch(env: &Env, shard: u8, now: Timestamp) -> Result<usize> {
    env.db
        .run(|txn| async move {
            let due = expiry::due(&txn, shard, now, BATCH).await?;
            for (key, entry) in &due {
                txn.clear(key)?;
                txn.clear(entry)?;
            }
            Ok(due.len())
        })
        .await
}
