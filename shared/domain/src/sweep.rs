//! Removing what has outlived its time.

use std::time::Duration;

use crate::env::Env;
use crate::error::Result;
use crate::expiry;

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
}

/// Removes everything whose lifetime has ended, a batch a transaction. Safe to run at any time, and by several processes at once: each
/// batch is one process's, and whoever renews a lifetime at the same moment has renewed it, or is told that it had ended.
pub async fn sweep(env: &Env) -> Result<Swept> {
    let now = env.clock.now().minus(MARGIN);
    let mut swept = Swept::default();
    for shard in 0..expiry::SHARDS {
        loop {
            let removed = env
                .db
                .run(|txn| async move {
                    let due = expiry::due(&txn, shard, now, BATCH).await?;
                    for (key, entry) in &due {
                        txn.clear(key)?;
                        txn.clear(entry)?;
                    }
                    Ok::<_, crate::Error>(due.len())
                })
                .await?;
            swept.expired += removed;
            if removed < BATCH {
                break;
            }
        }
    }
    swept.markers = env.db.sweep_markers(MARKER_AGE).await?;
    Ok(swept)
}
