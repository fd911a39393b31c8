//! Storage of the feed of changes on a given transaction.

use kv::{Range, Versionstamp};

use crate::error::Result;
use crate::files::changes::{Change, retention};
use crate::files::keys;
use crate::files::store::{Files, ascending};
use crate::record;

/// The position of a change in its feed: the stamp of its commit. The first position is before all changes.
pub(crate) type Position = [u8; 12];

/// A part of a feed.
#[derive(Debug, Default)]
pub(crate) struct Slice {
    pub(crate) changes: Vec<Change>,
    /// The position of the last change; without one, that of the last removed change in this part.
    pub(crate) end: Option<Position>,
    /// Whether changes of this part were removed, because the feed keeps no more.
    pub(crate) has_gap: bool,
}

/// Appends a change. Reads nothing, so it never conflicts.
pub(crate) fn add(files: &Files<'_>, change: &Change) -> Result<()> {
    let prefix = keys::changes(files.scope, files.session);
    files.txn.append(&prefix, record::encode(change)?)?;
    retention::count_one(files)
}

/// Up to `limit` changes after a position, or from the first one.
pub(crate) async fn list(files: &Files<'_>, after: Option<Position>, limit: usize) -> Result<Slice> {
    let mut range = Range::below(&keys::changes(files.scope, files.session));
    if let Some(after) = after {
        range = range.after(&keys::change(files.scope, files.session, after));
    }
    // One more, because the first can be the end of what was removed.
    let page = files.txn.range(&ascending(range, limit.saturating_add(1))).await?;
    let mut slice = Slice::default();
    for entry in page.entries {
        let is_removed = entry.value.is_empty();
        if !is_removed {
            if slice.changes.len() == limit {
                break;
            }
            slice.changes.push(record::decode(&entry.value)?);
        }
        slice.has_gap |= is_removed;
        let stamp: Versionstamp = entry.key.last()?;
        slice.end = Some(*stamp.as_bytes());
    }
    Ok(slice)
}
