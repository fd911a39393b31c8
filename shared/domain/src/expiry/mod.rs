//! Expiry index: an entry for every key with a lifetime, ordered by expiry, so that a [sweep](crate::sweep) finds
//! expired keys without reading the records.
//!
//! The rules for a key with a lifetime:
//!
//! - The transaction that writes the key also [updates](update) its entry, so a key has exactly one entry.
//! - The sweep trusts the entry: at its expiry it removes the key without reading the record.
//! - A key that may be written again is overwritten, and each write names the previous expiry ([`ExpiryChange::from`]),
//!   or it is removed together with its entry ([`remove`]). Otherwise the old entry would end the next record before
//!   its time.
//! - A key that is never written again may be removed without its entry. The entry then points to nothing, and the
//!   sweep removes it. Earlier versions ended logins in this way.

mod keys;

use kv::{Key, Order, Page, Query, Txn};

pub use self::keys::SHARDS;
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// A key's new expiry, and the one that it replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiryChange {
    /// The expiry in the index; `None` if the key has no entry yet.
    pub from: Option<Timestamp>,
    /// The new expiry.
    pub to: Timestamp,
}

/// Moves the entry of `key` to its new expiry, or adds one.
pub fn update(txn: &Txn, key: &Key, change: ExpiryChange) -> Result<()> {
    update_with(txn, key, change, &[])
}

/// Like [`update`], with a note for the sweep. An entry whose expiry stays keeps its note.
pub(crate) fn update_with(txn: &Txn, key: &Key, change: ExpiryChange, note: &[u8]) -> Result<()> {
    if change.from == Some(change.to) {
        return Ok(());
    }
    if let Some(from) = change.from {
        txn.clear(&keys::entry(key, from))?;
    }
    Ok(txn.set(&keys::entry(key, change.to), note)?)
}

/// Removes the entry of `key` with this expiry, for a key that is removed and may be written again.
pub(crate) fn remove(txn: &Txn, key: &Key, expiry: Timestamp) -> Result<()> {
    Ok(txn.clear(&keys::entry(key, expiry))?)
}

/// The note in the entry of `key` with this expiry, empty if there is no entry.
pub(crate) async fn note(txn: &Txn, key: &Key, expiry: Timestamp) -> Result<Vec<u8>> {
    Ok(txn.get(&keys::entry(key, expiry)).await?.unwrap_or_default())
}

/// The entry of `key` with the expiry at these milliseconds.
pub(crate) fn entry_of(key: &Key, millis: i64) -> Key {
    keys::entry(key, Timestamp::from_millis(millis))
}

/// An entry whose expiry has passed.
#[derive(Debug)]
pub struct DueEntry {
    /// The entry's own key.
    pub entry: Key,
    /// The expired key, or why the entry cannot be decoded.
    pub key: Result<Key>,
    /// The note of [`update_with`].
    pub(crate) note: Vec<u8>,
}

/// The entries of one shard that are due at `now`, oldest first: at most `limit`, after the entry `after`.
///
/// An entry that cannot be decoded may be anywhere among them.
pub async fn due(txn: &Txn, shard: u8, now: Timestamp, after: Option<&Key>, limit: usize) -> Result<Vec<DueEntry>> {
    let mut range = keys::due(shard, now);
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
    let due = entries.into_iter().map(|entry| DueEntry {
        key: keys::expired_key(&entry.key, shard).map_err(|error| Error::Corrupt {
            kind: "expiry entry",
            why: format!("{:?}: {error}", entry.key),
        }),
        entry: entry.key,
        note: entry.value,
    });
    Ok(due.collect())
}
