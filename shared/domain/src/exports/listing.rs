//! The lists of the files of all sessions, as of the instant of the export, without the contents.
//!
//! The entries of all directories of a session are next to each other in the store. So a few reads return them in their
//! order, and the tree is put together in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::try_join;
use kv::{Entry as StoredEntry, Key, Order, Query, Range, Txn};
use tokio::task::yield_now;
use uuid::Uuid;

use crate::error::Result;
use crate::exports::Sizes;
use crate::exports::archive::Archive;
use crate::exports::lines::{FileLine, SnapshotLine, TrashLine};
use crate::files::records::{Head, StoredItem};
use crate::files::snapshots::Snapshot;
use crate::files::store::Files;
use crate::files::{Entry, FilePath, keys};
use crate::id::{DirectoryId, Id as _, SessionId, TrashItemId};
use crate::record;
use crate::scan::YIELD_BYTES;
use crate::scope::TenantScope;

/// The folders of the files with these lists, which can reach into further parts.
const FILES: &str = "files";
const TRASH: &str = "trash";
const SNAPSHOTS: &str = "snapshots";

/// The number of entries of each kind that are read first, concurrently of many sessions.
const FIRST: usize = 100;

/// The memory of an entry besides its path: for the yields of long work.
const ENTRY_BYTES: usize = 100;

/// An entry with its path.
type Listed<T> = (SessionId, FilePath, T);

/// An item of the trash, or an entry below it.
type Trashed = (TrashItemId, Arc<StoredItem>, Option<Entry>);

/// The lists of all sessions so far.
pub(super) struct Listings {
    /// The number of entries that the lists have room for.
    room: usize,
    /// The number of bytes of paths that they have room for.
    path_room: usize,
    page: usize,
    /// The number of entries that may still be read of sessions that do not fit, and are not listed. At zero no further
    /// session is read, so that the work is bounded.
    spare: usize,
    files: Vec<Listed<Entry>>,
    trash: Vec<Listed<Trashed>>,
    snapshots: Vec<(SessionId, Snapshot)>,
}

/// The directory and the name of an entry, and the entry.
type Place = (DirectoryId, String, Entry);

/// The generation of an item of the trash, its id, and the item.
type Item = (u64, TrashItemId, StoredItem);

/// What a session has of files, as far as it was read.
pub(super) struct SessionFiles {
    session: SessionId,
    head: Head,
    entries: Reading<Place>,
    /// The latest generation first. An earlier one is being removed.
    trash: Reading<Item>,
    snapshots: Reading<Snapshot>,
}

impl SessionFiles {
    /// Reads the first entries of each kind, concurrently.
    pub(super) async fn begin(txn: &Txn, scope: TenantScope, session: SessionId, sizes: &Sizes) -> Result<Self> {
        let files = Files { txn, scope, session };
        let first = FIRST.min(sizes.page);
        let [all, trash, snapshots] = [
            keys::all_entries(scope, session),
            keys::all_trash(scope, session),
            keys::snapshots(scope, session),
        ];
        let entries = Reading::<Place>::begin(txn, all, Order::Ascending, first, |below, entry| {
            let (directory, name): (Uuid, String) = entry.key.unpack_after(below)?;
            let bytes = name.len();
            let place = (DirectoryId::from_uuid(directory), name, record::decode(&entry.value)?);
            Ok((place, bytes))
        });
        let trash = Reading::<Item>::begin(txn, trash, Order::Descending, first, |below, entry| {
            let (generation, item): (u64, Uuid) = entry.key.unpack_after(below)?;
            let (id, item): (_, StoredItem) = (TrashItemId::from_uuid(item), record::decode(&entry.value)?);
            let bytes = item.path.as_str().len();
            Ok(((generation, id, item), bytes))
        });
        let snapshots = Reading::<Snapshot>::begin(txn, snapshots, Order::Ascending, first, |_, entry| {
            Ok((record::decode(&entry.value)?, 0))
        });
        let (head, entries, trash, snapshots) = try_join!(files.head(), entries, trash, snapshots)?;
        Ok(Self {
            session,
            head,
            entries,
            trash,
            snapshots,
        })
    }

    /// The number of entries that were read.
    fn count(&self) -> usize {
        self.entries.found.len() + self.trash.found.len() + self.snapshots.found.len()
    }

    /// Reads the rest; `false` if there are more than `room` entries. Stops at names and paths of `path_room` bytes,
    /// which are too long as well.
    async fn complete(&mut self, txn: &Txn, room: usize, path_room: usize, page: usize) -> Result<bool> {
        let generation = self.head.trash;
        let Some(path_room) = self.entries.complete(txn, room, path_room, page, |_| true).await? else {
            return Ok(false);
        };
        let Some(room) = room.checked_sub(self.entries.found.len()) else {
            return Ok(false);
        };
        let is_of_generation = |item: &Item| item.0 == generation;
        let complete = self.trash.complete(txn, room, path_room, page, is_of_generation);
        let Some(path_room) = complete.await? else {
            return Ok(false);
        };
        self.trash.found.retain(is_of_generation);
        let Some(room) = room.checked_sub(self.trash.found.len()) else {
            return Ok(false);
        };
        let rest = self.snapshots.complete(txn, room, path_room, page, |_| true).await?;
        Ok(rest.is_some() && self.snapshots.found.len() <= room)
    }
}

/// The entries below a prefix, as far as they were read.
struct Reading<T> {
    below: Key,
    decode: Decode<T>,
    found: Vec<T>,
    /// The bytes of the names and paths of what was found.
    path_bytes: usize,
    /// Reads the next entries; `None` at the end.
    next: Option<Query>,
}

/// Decodes an entry, with the bytes of its name or path.
type Decode<T> = fn(&Key, &StoredEntry) -> Result<(T, usize)>;

impl<T> Reading<T> {
    async fn begin(txn: &Txn, below: Key, order: Order, limit: usize, decode: Decode<T>) -> Result<Self> {
        let range = Range::below(&below);
        let mut reading = Self {
            below,
            decode,
            found: Vec::new(),
            path_bytes: 0,
            next: None,
        };
        reading.read(txn, Query { range, order, limit }).await?;
        Ok(reading)
    }

    async fn read(&mut self, txn: &Txn, query: Query) -> Result<()> {
        let page = txn.range(&query).await?;
        for entry in &page.entries {
            let (found, path_bytes) = (self.decode)(&self.below, entry)?;
            self.found.push(found);
            self.path_bytes += path_bytes;
        }
        self.next = page.next;
        Ok(())
    }

    /// Reads to the end, to the first entry that is not wanted, or until more than `room` entries, or names and paths
    /// of more than `path_room` bytes, were found. Returns how many bytes are left; `None` if there are too many.
    async fn complete(
        &mut self,
        txn: &Txn,
        room: usize,
        path_room: usize,
        limit: usize,
        is_wanted: impl Fn(&T) -> bool,
    ) -> Result<Option<usize>> {
        while self.found.len() <= room && self.path_bytes <= path_room && self.found.last().is_none_or(&is_wanted) {
            let Some(query) = self.next.take() else { break };
            self.read(txn, Query { limit, ..query }).await?;
            yield_now().await;
        }
        Ok(path_room.checked_sub(self.path_bytes))
    }
}

impl Listings {
    pub(super) fn new(sizes: &Sizes) -> Self {
        Self {
            room: sizes.files,
            path_room: sizes.path_bytes,
            page: sizes.page,
            spare: sizes.files,
            files: Vec::new(),
            trash: Vec::new(),
            snapshots: Vec::new(),
        }
    }

    /// Whether no further session can be listed.
    pub(super) fn is_full(&self) -> bool {
        self.spare == 0
    }

    /// Adds the lists of a session; `false` if they are too long, or no further session can be listed.
    pub(super) async fn add(&mut self, txn: &Txn, mut read: SessionFiles) -> Result<bool> {
        if self.is_full() {
            return Ok(false);
        }
        let (files, trash, room) = (self.files.len(), self.trash.len(), self.room);
        let fits = read.complete(txn, room, self.path_room, self.page).await?;
        let count = read.count();
        if fits && self.add_all(read).await {
            return Ok(true);
        }
        self.files.truncate(files);
        self.trash.truncate(trash);
        self.room = room;
        self.spare = self.spare.saturating_sub(count);
        Ok(false)
    }

    /// Adds what was read; `false` if the paths are too long.
    async fn add_all(&mut self, read: SessionFiles) -> bool {
        let SessionFiles {
            session,
            head,
            entries,
            trash,
            snapshots,
        } = read;
        let mut tree = Tree {
            directories: BTreeMap::new(),
            path_room: self.path_room,
            pending: 0,
        };
        self.room = self
            .room
            .saturating_sub(entries.found.len() + trash.found.len() + snapshots.found.len());
        for (directory, name, entry) in entries.found {
            tree.directories.entry(directory).or_default().push((name, entry));
        }
        let files = &mut self.files;
        let push = |path, entry| files.push((session, path, entry));
        if !tree.walk(head.root, FilePath::root(), push).await {
            return false;
        }
        for (_, id, item) in trash.found {
            let Some(room) = tree.path_room.checked_sub(item.path.as_str().len()) else {
                return false;
            };
            tree.path_room = room;
            let directory = item.node.directory();
            let (path, item) = (item.path.clone(), Arc::new(item));
            let list = &mut self.trash;
            list.push((session, path.clone(), (id, item.clone(), None)));
            let push = |path, entry| list.push((session, path, (id, item.clone(), Some(entry))));
            if let Some(directory) = directory
                && !tree.walk(directory, path, push).await
            {
                return false;
            }
        }
        self.path_room = tree.path_room;
        let shown = snapshots.found.into_iter().filter(|snapshot| !snapshot.is_hidden);
        self.snapshots.extend(shown.map(|snapshot| (session, snapshot)));
        true
    }

    /// Writes the lists.
    pub(super) async fn write(self, archive: &mut Archive) -> Result<()> {
        archive.begin_in(FILES)?;
        for (session, path, entry) in self.files {
            archive.line(FILES, &FileLine::new(session, &path, &entry))?;
            archive.pause().await;
        }
        archive.begin_in(TRASH)?;
        for (session, path, (id, item, entry)) in self.trash {
            archive.line(TRASH, &TrashLine::new(session, &path, id, &item, entry.as_ref()))?;
            archive.pause().await;
        }
        archive.begin_in(SNAPSHOTS)?;
        for (session, snapshot) in self.snapshots {
            archive.line(SNAPSHOTS, &SnapshotLine::new(session, &snapshot))?;
            archive.pause().await;
        }
        Ok(())
    }
}

/// The directories of a session that were not visited yet.
struct Tree {
    directories: BTreeMap<DirectoryId, Vec<(String, Entry)>>,
    path_room: usize,
    /// Bytes since the last yield.
    pending: usize,
}

impl Tree {
    /// Passes everything below a directory to `push`, directory by directory; `false` if the paths are too long.
    ///
    /// Visits no directory twice, so it ends, whatever is stored.
    async fn walk(&mut self, directory: DirectoryId, path: FilePath, mut push: impl FnMut(FilePath, Entry)) -> bool {
        let mut waiting = vec![(directory, path)];
        while let Some((directory, path)) = waiting.pop() {
            let first = waiting.len();
            for (name, entry) in self.directories.remove(&directory).unwrap_or_default() {
                let path = path.child(&name);
                let Some(room) = self.path_room.checked_sub(path.as_str().len()) else {
                    return false;
                };
                self.path_room = room;
                if let Some(below) = entry.node.directory() {
                    waiting.push((below, path.clone()));
                }
                self.pending += ENTRY_BYTES + path.as_str().len();
                push(path, entry);
                if self.pending >= YIELD_BYTES {
                    self.pending = 0;
                    yield_now().await;
                }
            }
            // The first directory is visited next.
            waiting[first..].reverse();
        }
        true
    }
}
