//! Operations that read files, as they are or at a snapshot.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use futures_util::try_join;
use kv::Txn;

use crate::contents;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::files::Download;
use crate::files::snapshots::store::View;
use crate::files::snapshots::{self, Snapshot};
use crate::files::store::{Files, State};
use crate::files::tree::Tree;
use crate::files::{Entry, FileEntry, FilePath, Node};
use crate::id::{DirectoryId, SessionId, SnapshotId};
use crate::objects::ObjectKey;
use crate::page::{Cursor, Limit};
use crate::role::Permission;
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::tenants;

/// The name of the list of a directory in its cursors.
const LIST: &str = "files";

/// Which page of a directory to return.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The directory.
    pub path: FilePath,
    /// The snapshot; `None` for the files as they are.
    pub at: Option<SnapshotId>,
    /// The maximum number of entries.
    pub limit: Limit,
    /// The cursor of the page before.
    pub after: Option<Cursor>,
}

/// A page of a directory.
#[derive(Clone, Debug)]
pub struct Page {
    /// Entries, in the order of their names' bytes. A page at a snapshot may be short without being the last.
    pub entries: Vec<FileEntry>,
    /// The cursor of the next page; `None` on the last.
    pub next: Option<Cursor>,
}

/// The part of a file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// No bytes.
    Nothing,
    /// The bytes in this range; its end may be beyond the file's.
    Bytes(Range<u64>),
}

/// A file, and the selected part of its content.
#[derive(Debug)]
pub struct FileRead {
    /// The file.
    pub entry: FileEntry,
    /// The bytes of the selection; none of an object.
    pub bytes: Vec<u8>,
    /// The place in memory that the bytes take, if they are many. Drop it with them.
    pub place: Option<Download>,
    /// The object with the bytes, if the store does not have them.
    pub object: Option<ObjectKey>,
}

/// A page of a directory. Fails with [`Error::FileNotFound`], and with [`Error::NotADirectory`] for a file.
pub async fn list(env: &Env, caller: &Caller, session: SessionId, listing: &Listing) -> Result<Page> {
    let after = match &listing.after {
        Some(cursor) => Some(str::from_utf8(cursor.position()).map_err(|_| Error::BadCursor)?),
        None => None,
    };
    env.in_tenant(caller, Permission::ReadFiles, |txn, scope| async move {
        let files = Files {
            txn: &txn,
            scope,
            session,
        };
        // The cursor's key and the page are read concurrently; a page read from a forged cursor is dropped.
        let page = page(env, files, listing, after);
        let (key, (directory, entries, next)) = try_join!(tenants::store::cursor_key(&txn, scope), page)?;
        let at = listing.at.map(|id| id.to_string()).unwrap_or_default();
        let filter = &format!("{session} {directory} {at}");
        if let Some(cursor) = &listing.after {
            cursor.verify(&key, LIST, filter)?;
        }
        let entries = entries
            .iter()
            .map(|(name, entry)| FileEntry::new(listing.path.child(name), entry));
        Ok(Page {
            entries: entries.collect(),
            next: next.map(|name| Cursor::new(&key, LIST, filter, name.as_bytes())),
        })
    })
    .await
}

/// A page of a directory: the directory, its entries, and the name after which the next page begins.
type Entries = (DirectoryId, Vec<(String, Entry)>, Option<String>);

async fn page(env: &Env, files: Files<'_>, listing: &Listing, after: Option<&str>) -> Result<Entries> {
    let limit = listing.limit.get();
    if let Some(at) = listing.at {
        let (_, snapshot) = try_join!(files.state(), snapshots::store::get(&files, at))?;
        let view = View::of(files, &snapshot);
        let directory = view.directory(&listing.path).await?;
        let (entries, next) = view.entries(directory, after, limit).await?;
        return Ok((directory, entries, next));
    }
    let path = &listing.path;
    // The directory that the cache knows is listed before it is known whether it still is at the path.
    let guess = env.directories.get(files.session, path);
    let read = async |directory| files.entries(directory, after, limit + 1).await;
    let guessed = async {
        match guess {
            Some((_, directory)) => read(directory).await.map(Some),
            None => Ok(None),
        }
    };
    let (state, guessed): (State, _) = try_join!(files.state(), guessed)?;
    let (directory, mut entries) = match (guess, guessed) {
        (Some((shape, directory)), Some(entries)) if shape == state.shape => (directory, entries),
        _ => {
            let mut tree = Tree::new(files, &env.directories, state);
            let directory = tree.directory(path).await?;
            (directory, read(directory).await?)
        }
    };
    let has_more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| has_more).map(|(name, _)| name.clone());
    Ok((directory, entries, next))
}

/// The entry at a path. Fails with [`Error::FileNotFound`].
pub async fn stat(
    env: &Env,
    caller: &Caller,
    session: SessionId,
    path: &FilePath,
    at: Option<SnapshotId>,
) -> Result<FileEntry> {
    env.in_tenant(caller, Permission::ReadFiles, |txn, scope| async move {
        find(env, &txn, scope, session, path, at).await
    })
    .await
}

/// A file with a part of its content. `select` decides once the entry is known, in the transaction that reads the
/// content; it may be called several times. Fails with [`Error::FileNotFound`], with [`Error::IsADirectory`] for a
/// directory, and with [`Error::TooManyAttempts`] if too many large parts are in memory.
pub async fn read(
    env: &Env,
    caller: &Caller,
    session: SessionId,
    path: &FilePath,
    at: Option<SnapshotId>,
    select: impl Fn(&FileEntry) -> Selection + Send + Sync,
) -> Result<FileRead> {
    let select = &select;
    // Attempts of the transaction share a place. If the caller is not who they claim to be, it is given back at once.
    let place = &Mutex::new(None);
    let reading = env.in_tenant(caller, Permission::ReadFiles, |txn, scope| async move {
        let entry = find(env, &txn, scope, session, path, at).await?;
        let Node::File {
            size,
            digest,
            is_object,
        } = &entry.node
        else {
            return Err(Error::IsADirectory);
        };
        if *is_object {
            let header = contents::store::header(&txn, scope, digest).await?;
            return Ok(FileRead {
                object: header.and_then(|header| header.object),
                entry,
                bytes: Vec::new(),
                place: None,
            });
        }
        let bytes = match select(&entry) {
            Selection::Bytes(range) => {
                let end = range.end.min(*size);
                let range = range.start.min(end)..end;
                take_place(env, caller, place, range.end - range.start)?;
                contents::store::read(&txn, scope, digest, range).await?
            }
            Selection::Nothing => Vec::new(),
        };
        Ok(FileRead {
            entry,
            bytes,
            place: None,
            object: None,
        })
    });
    let read = reading.await?;
    let place = place.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(FileRead { place, ..read })
}

/// Takes a place for this many bytes, unless there is one.
fn take_place(env: &Env, caller: &Caller, place: &Mutex<Option<Download>>, bytes: u64) -> Result<()> {
    let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
    if place.is_none() {
        *place = env.downloads.admit(caller.client(), caller.user(), bytes)?;
    }
    Ok(())
}

async fn find(
    env: &Env,
    txn: &Txn,
    scope: TenantScope,
    session: SessionId,
    path: &FilePath,
    at: Option<SnapshotId>,
) -> Result<FileEntry> {
    let files = Files { txn, scope, session };
    let Some(at) = at else {
        return Tree::open(files, &env.directories, &[path]).await?.stat(path).await;
    };
    let (state, snapshot): (_, Snapshot) = try_join!(files.state(), snapshots::store::get(&files, at))?;
    let root = Tree::new(files, &env.directories, state).root();
    View::of(files, &snapshot).stat(path, &root).await
}
