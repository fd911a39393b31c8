//! The retention of feeds: the janitor removes the oldest changes, in bounded transactions that any sweep can continue.
//!
//! A write adds the number of its changes to an entry of the index that is due at once. It reads nothing for it. The
//! janitor moves the number to the feed's record, removes what is too old or too much, and lists the feed again for the
//! time at which its oldest change is too old. So a sweep visits only the feeds that have grown, or have something old.
//!
//! The last removed change leaves its key, with an empty value: the end of what was removed. A reader whose cursor is
//! before it finds it in the range that it reads in any case, and knows that it has missed changes.

use std::time::Duration;

use futures_util::try_join;
use kv::{Key, Range, Txn, counter};
use serde::{Deserialize, Serialize};

use crate::env::Env;
use crate::error::{Error, Result};
use crate::files::changes::{Change, Retention};
use crate::files::keys;
use crate::files::store::{Files, ascending};
use crate::id::{Id as _, SessionId, TenantId};
use crate::record::{self, NewerMembers, Projection, Record, keeps_newer_members};
use crate::scope::TenantScope;
use crate::sessions;
use crate::time::Timestamp;

/// The maximum number of changes that one transaction removes.
const BATCH: u64 = 200;

/// What the janitor knows of a feed. It is the only one to read and write it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Feed {
    /// The number of changes, without those that the index counts.
    pub count: u64,
    /// The time for which the index lists the feed; `None` if it has no changes.
    pub due: Option<Timestamp>,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub newer: NewerMembers,
}

impl Record for Feed {
    const KIND: &'static str = "file feed";

    keeps_newer_members!();
}

/// When a change was made: all that its retention depends on.
#[derive(Clone, Copy, Debug, Deserialize)]
struct ChangeTime {
    at: Timestamp,
}

impl Projection for ChangeTime {
    type Whole = Change;
}

impl From<Change> for ChangeTime {
    fn from(change: Change) -> Self {
        Self { at: change.at }
    }
}

/// Counts a change that the transaction adds to the feed. Reads nothing. Requests that wait for a change watch the
/// counter, so every change has to be counted.
pub(super) fn count_one(files: &Files<'_>) -> Result<()> {
    let key = keys::grown_feed(files.scope, files.session);
    Ok(files.txn.add(&key, 1)?)
}

/// Removes the new changes of a session that is gone from the index.
pub(crate) fn forget_new(files: &Files<'_>) -> Result<()> {
    Ok(files.txn.clear(&keys::grown_feed(files.scope, files.session))?)
}

/// Removes the entry of the index that belongs to the feed with this stored record, which the transaction removes.
pub(crate) fn forget(files: &Files<'_>, feed: &[u8]) -> Result<()> {
    let Files { txn, scope, session } = *files;
    let feed: Feed = record::decode(feed)?;
    match feed.due {
        Some(due) => Ok(txn.clear(&keys::listed_feed(scope, session, due))?),
        None => Ok(()),
    }
}

/// Up to `limit` entries of a shard of the index that are due, after the entry `after`.
pub(crate) async fn due(txn: &Txn, shard: u8, now: Timestamp, after: Option<&Key>, limit: usize) -> Result<Vec<Key>> {
    let prefix = keys::feed_shard(shard);
    let mut range = Range::below(&prefix).before(&prefix.child(&(now.as_millis().saturating_add(1),)));
    if let Some(after) = after {
        range = range.after(after);
    }
    let page = txn.range(&ascending(range, limit)).await?;
    Ok(page.entries.into_iter().map(|entry| entry.key).collect())
}

/// The result of one transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trimmed {
    /// The number of removed changes.
    pub(crate) changes: usize,
    /// Whether nothing is left to remove now.
    pub(crate) is_done: bool,
}

/// Removes changes of the feed that this entry of the index lists, in one transaction.
pub(crate) async fn trim(env: &Env, entry: &Key) -> Result<Trimmed> {
    let (_, _, _, tenant, session): (String, i64, i64, uuid::Uuid, uuid::Uuid) = entry.unpack()?;
    let scope = TenantScope::of_expired_key(TenantId::from_uuid(tenant));
    let session = SessionId::from_uuid(session);
    let (now, retention) = (env.clock.now(), env.limits.file_changes);
    env.db
        .run(|txn| async move {
            txn.use_reserve();
            let files = Files {
                txn: &txn,
                scope,
                session,
            };
            trim_in(&files, entry, now, retention).await
        })
        .await
}

async fn trim_in(files: &Files<'_>, entry: &Key, now: Timestamp, retention: Retention) -> Result<Trimmed> {
    let Files { txn, scope, session } = *files;
    let (grown, key) = (keys::grown_feed(scope, session), keys::feed(scope, session));
    let (found, added, stored) = try_join!(
        sessions::store::find(txn, scope, session),
        async { Ok(txn.get(&grown).await?) },
        async { Ok::<_, Error>(txn.get(&key).await?) }
    )?;
    if found.is_none() {
        // Its files are removed with everything else of the session.
        txn.clear(entry)?;
        return Ok(Trimmed {
            changes: 0,
            is_done: true,
        });
    }
    let before: Feed = stored.as_deref().map(record::decode).transpose()?.unwrap_or_default();
    let mut feed = before.clone();
    feed.count = feed.count.saturating_add_signed(counter(added.as_deref()));
    let excess = feed.count.saturating_sub(retention.count);
    let mut removed = 0;
    if excess > 0 || feed.due.is_none_or(|due| due <= now) {
        (removed, feed.due) = remove(files, excess, now, retention.age).await?;
        feed.count = feed.count.saturating_sub(removed);
    }
    // The entry is one of these two, unless a restored or imported store has another.
    txn.clear(entry)?;
    if added.is_some() {
        txn.clear(&grown)?;
    }
    if let Some(due) = before.due.filter(|_| feed.due != before.due) {
        txn.clear(&keys::listed_feed(scope, session, due))?;
    }
    if let Some(due) = feed.due {
        txn.set(&keys::listed_feed(scope, session, due), [])?;
    }
    if feed != before {
        txn.set(&key, record::encode(&feed)?)?;
    }
    Ok(Trimmed {
        changes: usize::try_from(removed).unwrap_or(usize::MAX),
        is_done: feed.due.is_none_or(|due| due > now),
    })
}

/// Removes the oldest changes: `excess` of them, and those that are too old, but not more than a batch. Returns their
/// number, and when the next one is due.
///
/// The feed is in commit order, and clocks differ. So a change that is too old can follow one that is not; it is
/// removed with that one.
async fn remove(files: &Files<'_>, excess: u64, now: Timestamp, age: Duration) -> Result<(u64, Option<Timestamp>)> {
    let Files { txn, scope, session } = *files;
    let range = Range::below(&keys::changes(scope, session));
    // The end of what was removed before comes first, and the first change that stays last.
    let limit = usize::try_from(BATCH).unwrap_or(usize::MAX).saturating_add(2);
    let stored = txn.range(&ascending(range, limit)).await?.entries;
    let (mut removed, mut due, mut end) = (0, None, None);
    let mut earlier_end = None;
    for entry in &stored {
        if entry.value.is_empty() {
            earlier_end = Some(&entry.key);
            continue;
        }
        if removed == BATCH {
            due = Some(now);
            break;
        }
        let ChangeTime { at } = record::decode_projection(&entry.value)?;
        let expiry = at.plus(age);
        if removed >= excess && expiry > now {
            due = Some(expiry);
            break;
        }
        removed += 1;
        if let Some(before) = end.replace(&entry.key) {
            txn.clear(before)?;
        }
    }
    if let Some(end) = end {
        if let Some(earlier) = earlier_end {
            txn.clear(earlier)?;
        }
        txn.set(end, [])?;
    }
    Ok((removed, due))
}
