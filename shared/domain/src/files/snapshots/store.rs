//! Snapshots on a given transaction: their records, and the tree as they contain it.

use futures_util::try_join;
use kv::{Order, Query, Range};

use crate::error::{Error, Result};
use crate::files::records::{Head, Task};
use crate::files::snapshots::Snapshot;
use crate::files::store::{Files, ascending};
use crate::files::{Entry, FileEntry, FilePath, Node, keys};
use crate::id::{DirectoryId, FileJobId, SnapshotId};
use crate::record;
use crate::time::Timestamp;

/// The number of entries that a page reads from the current ones and from the earlier ones.
const STEP: usize = 200;

/// The tree as a snapshot contains it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) files: Files<'a>,
    pub(crate) epoch: u64,
    pub(crate) root: DirectoryId,
}

/// The entries of a directory, and the name after which the next page begins; `None` on the last.
pub(crate) type Entries = (Vec<(String, Entry)>, Option<String>);

/// The snapshot with this id. Fails with [`Error::NotFound`], also if it is hidden.
pub(crate) async fn get(files: &Files<'_>, id: SnapshotId) -> Result<Snapshot> {
    let found = find(files, id).await?;
    found.filter(|snapshot| !snapshot.is_hidden).ok_or(Error::NotFound)
}

/// The snapshot with this id, also if it is hidden.
pub(crate) async fn find(files: &Files<'_>, id: SnapshotId) -> Result<Option<Snapshot>> {
    let value = files.txn.get(&keys::snapshot(files.scope, files.session, id)).await?;
    value.as_deref().map(record::decode).transpose()
}

pub(crate) fn put(files: &Files<'_>, snapshot: &Snapshot) -> Result<()> {
    let key = keys::snapshot(files.scope, files.session, snapshot.id);
    Ok(files.txn.set(&key, record::encode(snapshot)?)?)
}

/// Ends the epoch of `head` with this snapshot, whose epoch and root directory are those of `head`.
pub(crate) fn add(files: &Files<'_>, mut head: Head, snapshot: &Snapshot) -> Result<()> {
    head.last_snapshot = head.epoch;
    head.epoch += 1;
    files.put_head(&head)?;
    let index = keys::snapshot_epoch(files.scope, files.session, snapshot.epoch);
    files.txn.set(&index, *snapshot.id.as_bytes())?;
    put(files, snapshot)
}

/// Removes a snapshot, and queues what only it contained for the janitor.
pub(crate) async fn remove(
    files: &Files<'_>,
    mut head: Head,
    snapshot: &Snapshot,
    now: Timestamp,
    job: FileJobId,
) -> Result<()> {
    let (before, after) = try_join!(epoch_before(files, snapshot.epoch), epoch_after(files, snapshot.epoch))?;
    // The entries that leave their place from now on are kept for the snapshots that still exist.
    let last = after.unwrap_or(head.epoch) - 1;
    if after.is_none() {
        head.last_snapshot = before;
        files.put_head(&head)?;
    }
    files
        .txn
        .clear(&keys::snapshot(files.scope, files.session, snapshot.id))?;
    files
        .txn
        .clear(&keys::snapshot_epoch(files.scope, files.session, snapshot.epoch))?;
    let task = Task::Snapshot {
        first: snapshot.epoch,
        last,
        after: before,
        done: None,
    };
    files.put_job(now, job, task)
}

impl<'a> View<'a> {
    pub(crate) fn of(files: Files<'a>, snapshot: &Snapshot) -> Self {
        Self {
            files,
            epoch: snapshot.epoch,
            root: snapshot.root,
        }
    }

    /// The entry that was in this place.
    pub(crate) async fn entry(&self, directory: DirectoryId, name: &str) -> Result<Option<Entry>> {
        let (current, earlier) = try_join!(self.files.entry(directory, name), self.earlier(directory, name))?;
        let found = current.filter(|entry| entry.birth <= self.epoch).or(earlier);
        Ok(found)
    }

    /// The earlier entry that was in this place at the end of the epoch.
    async fn earlier(&self, directory: DirectoryId, name: &str) -> Result<Option<Entry>> {
        let Files { txn, scope, session } = self.files;
        let mut range = Range::below(&keys::history_of(scope, session, directory, name));
        if let Some(before) = self.epoch.checked_sub(1) {
            range = range.after(&keys::earlier(scope, session, directory, name, before));
        }
        // The entries of a place follow one another, so only the first that was there late enough can be it.
        let page = txn.range(&ascending(range, 1)).await?;
        let first = page.entries.first().map(|entry| record::decode::<Entry>(&entry.value));
        Ok(first.transpose()?.filter(|entry| entry.birth <= self.epoch))
    }

    /// The directory at a path. Fails with [`Error::FileNotFound`] or [`Error::NotADirectory`].
    pub(crate) async fn directory(&self, path: &FilePath) -> Result<DirectoryId> {
        let mut directory = self.root;
        for name in path.names() {
            let entry = self.entry(directory, name).await?.ok_or(Error::FileNotFound)?;
            directory = entry.node.directory().ok_or(Error::NotADirectory)?;
        }
        Ok(directory)
    }

    /// The entry at a path. Fails with [`Error::FileNotFound`] or [`Error::NotADirectory`].
    pub(crate) async fn stat(&self, path: &FilePath, root: &FileEntry) -> Result<FileEntry> {
        let Some((parent, name)) = path.split() else {
            let node = Node::Directory { id: self.root };
            return Ok(FileEntry { node, ..root.clone() });
        };
        let directory = self.directory(&parent).await?;
        let entry = self.entry(directory, name).await?.ok_or(Error::FileNotFound)?;
        Ok(FileEntry::new(path.clone(), &entry))
    }

    /// Up to `limit` entries of a directory in the order of their names, after the name `after`. Examines a bounded
    /// number of entries, so a page may be short without being the last.
    pub(crate) async fn entries(&self, directory: DirectoryId, after: Option<&str>, limit: usize) -> Result<Entries> {
        let (current, earlier) = try_join!(
            self.files.entries(directory, after, STEP),
            self.earlier_entries(directory, after)
        )?;
        // Up to this name, both lists are complete; of the last earlier name, further entries may follow.
        let end = |len: usize, last: Option<&str>| last.filter(|_| len == STEP).map(str::to_owned);
        let current_end = end(current.len(), current.last().map(|(name, _)| &**name));
        let earlier_end = end(earlier.len(), earlier.last().map(|(name, ..)| &**name));
        let end = match (&current_end, &earlier_end) {
            (Some(one), Some(other)) => Some(one.min(other).clone()),
            (one, other) => one.clone().or_else(|| other.clone()),
        };
        let mut found = std::collections::BTreeMap::new();
        for (name, entry) in current {
            if entry.birth <= self.epoch {
                found.insert(name, entry);
            }
        }
        for (name, last, entry) in earlier {
            if entry.birth <= self.epoch && self.epoch <= last {
                found.insert(name, entry);
            }
        }
        if let Some(last) = &earlier_end
            && let Some(entry) = self.entry(directory, last).await?
        {
            found.insert(last.clone(), entry);
        }
        let mut entries = Vec::new();
        for (name, entry) in found {
            if end.as_ref().is_some_and(|end| name > *end) {
                break;
            }
            if entries.len() == limit {
                let last = entries.last().map(|(name, _): &(String, Entry)| name.clone());
                return Ok((entries, last));
            }
            entries.push((name, entry));
        }
        Ok((entries, end))
    }

    /// Earlier entries of a directory, each with the last epoch in which it was there.
    async fn earlier_entries(&self, directory: DirectoryId, after: Option<&str>) -> Result<Vec<(String, u64, Entry)>> {
        let Files { txn, scope, session } = self.files;
        let prefix = keys::history(scope, session, directory);
        let mut range = Range::below(&prefix);
        if let Some(after) = after {
            range = range.after(&keys::earlier(scope, session, directory, after, u64::MAX));
        }
        let page = txn.range(&ascending(range, STEP)).await?;
        let entries = page.entries.into_iter().map(|entry| {
            let (name, last): (String, u64) = entry.key.unpack_after(&prefix)?;
            Ok((name, last, record::decode(&entry.value)?))
        });
        entries.collect()
    }
}

/// The epoch of the latest snapshot from before `epoch`; 0 without one. Conflicts with its deletion.
///
/// The index has what is needed: clocks differ, so ids may be in another order than epochs, and a snapshot that cannot
/// be decoded has an epoch, too.
pub(crate) async fn epoch_before(files: &Files<'_>, epoch: u64) -> Result<u64> {
    let range = Range::below(&keys::snapshot_epochs(files.scope, files.session));
    let query = Query {
        range: range.before(&keys::snapshot_epoch(files.scope, files.session, epoch)),
        order: Order::Descending,
        limit: 1,
    };
    Ok(first_epoch(files, &query).await?.unwrap_or_default())
}

/// The epoch of the first snapshot from after `epoch`. Conflicts with its deletion, and with the next snapshot.
async fn epoch_after(files: &Files<'_>, epoch: u64) -> Result<Option<u64>> {
    let range = Range::below(&keys::snapshot_epochs(files.scope, files.session));
    let range = range.after(&keys::snapshot_epoch(files.scope, files.session, epoch));
    first_epoch(files, &ascending(range, 1)).await
}

async fn first_epoch(files: &Files<'_>, query: &Query) -> Result<Option<u64>> {
    let found = files.txn.range(query).await?.entries;
    Ok(found.first().map(|entry| entry.key.last()).transpose()?)
}
