//! What has a lifetime, by the time at which it ends: `expiry / {shard} / {milliseconds} / {packed key}` → nothing.
//!
//! Whoever writes a key with a lifetime also [files](update) it here, in the same transaction, and files it anew when the lifetime changes.
//! An entry is believed: when its time comes, [`sweep`](crate::sweep) removes the key unread, whatever stands there by then. So a key has no
//! entry but that of its lifetime. Whoever removes a key that is never written again, such as a login's with its own id, may leave its entry
//! behind: it leads to nothing, and goes when its time comes. A key that may be written again must not be removed, only written over,
//! with the lifetime that it had as [`ExpiryChange::from`]; or the entry would end what is written next before its time.
//!
//! The shard is drawn from the key. Without it, all entries of a moment would lie side by side, and every writer of a cluster would write
//! to the same one of its servers.

use kv::{Bytes, Key, Order, Page, Query, Range, Txn};

use crate::error::{Error, Result};
use crate::time::Timestamp;

/// How many ranges the entries are spread over.
pub const SHARDS: u8 = 16;

/// When a key's lifetime ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiryChange {
    /// Until when it was filed, if it was.
    pub from: Option<Timestamp>,
    /// Until when it lives.
    pub to: Timestamp,
}

/// Files `key` under the end of its lifetime, and no longer under the one that it had.
pub fn update(txn: &Txn, key: &Key, change: ExpiryChange) -> Result<()> {
    if change.from == Some(change.to) {
        return Ok(());
    }
    if let Some(from) = change.from {
        txn.clear(&entry(key, from))?;
    }
    Ok(txn.set(&entry(key, change.to), [])?)
}

/// An entry that is due.
#[derive(Debug)]
pub struct Due {
    /// The entry's own key.
    pub entry: Key,
    /// The key whose lifetime has ended, or why the entry can not be read.
    pub key: Result<Key>,
}

/// The entries in one shard whose time has come by `now`, at most `limit` of those after `after`: what ended first comes first. One that can
/// not be read may be anywhere among them.
pub async fn due(txn: &Txn, shard: u8, now: Timestamp, after: Option<&Key>, limit: usize) -> Result<Vec<Due>> {
    let shard = Key::of(&("expiry", i64::from(shard)));
    let mut range = Range::below(&shard).before(&shard.child(&(now.as_millis().saturating_add(1),)));
    if let Some(after) = after {
        range = range.after(after);
    }
    let Page { entries, .. } = txn
        .range(&Query {
            range,
            order: Order::Ascending,
            limit,
        })
        .await?;
    let due = entries.into_iter().map(|entry| Due {
        key: read(&entry.key, &shard),
        entry: entry.key,
    });
    Ok(due.collect())
}

fn read(entry: &Key, shard: &Key) -> Result<Key> {
    match entry.unpack_after::<(i64, Bytes<'_>)>(shard) {
        Ok((_, key)) => Ok(Key::from_bytes(key.into_owned())),
        Err(error) => Err(Error::Corrupt {
            kind: "expiry entry",
            why: format!("{entry:?}: {error}"),
        }),
    }
}

fn entry(key: &Key, end: Timestamp) -> Key {
    let bytes = key.as_bytes();
    Key::of(&("expiry", i64::from(shard(bytes)), end.as_millis(), bytes))
}

/// Which range a key's entry is in. Keys with a lifetime have an id or a digest in them, so all ranges fill alike.
fn shard(key: &[u8]) -> u8 {
    key.iter()
        .fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte))
        % SHARDS
}
