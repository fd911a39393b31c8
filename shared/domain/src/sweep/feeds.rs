//! The part of the sweep that removes old changes of files.

use std::collections::BTreeSet;

use kv::Key;

use super::{BATCH, Sweep, TURN};
use crate::error::Result;
use crate::files::changes::retention;
use crate::files::keys;

impl Sweep<'_> {
    /// Removes the oldest changes of feeds that have too many, or too old ones: some of each feed, again and again, so
    /// that a long one does not keep the others waiting.
    pub(super) async fn feeds(&mut self) -> Result<()> {
        let mut failed = BTreeSet::new();
        loop {
            let mut is_done = true;
            for shard in 0..keys::FEED_SHARDS {
                is_done &= self.feeds_of(shard, &mut failed).await?;
            }
            if is_done {
                return Ok(());
            }
        }
    }

    /// Executes a turn of each feed in a shard. Returns whether nothing is left.
    async fn feeds_of(&mut self, shard: u8, failed: &mut BTreeSet<Key>) -> Result<bool> {
        let env = self.env;
        let (now, mut is_done, mut last) = (env.clock.now(), true, None);
        loop {
            let after = last.as_ref();
            let feeds = env
                .db
                .run(|txn| async move { retention::due(&txn, shard, now, after, BATCH).await })
                .await?;
            for feed in &feeds {
                if failed.contains(feed) {
                    continue;
                }
                match self.feed(feed).await {
                    Ok(is_completed) => is_done &= is_completed,
                    Err(error) => {
                        failed.insert(feed.clone());
                        self.fail(error);
                    }
                }
            }
            if feeds.len() < BATCH {
                return Ok(is_done);
            }
            last = feeds.into_iter().next_back();
        }
    }

    /// Executes a turn of a feed. Returns whether nothing is left.
    async fn feed(&mut self, entry: &Key) -> Result<bool> {
        for _ in 0..TURN {
            let trimmed = retention::trim(self.env, entry).await?;
            self.swept.file_changes += trimmed.changes;
            if trimmed.is_done {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
