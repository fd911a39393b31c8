//! Walking through the tree in the order of paths, in slices.

use std::collections::VecDeque;

use futures_util::future::try_join_all;

use super::text::{HEAD_BYTES, is_binary};
use super::{Mode, Search};
use crate::contents;
use crate::error::{Error, Result};
use crate::files::store::Files;
use crate::files::tree::Tree;
use crate::files::{Entry, FilePath, Node};
use crate::id::DirectoryId;

/// The maximum number of entries in a slice.
const SLICE_ENTRIES: usize = 200;

/// The number of bytes of texts after which a slice ends. It has one file more, of up to 4 MiB.
const SLICE_BYTES: u64 = 1 << 20;

/// The maximum number of directories that a slice lists, each of which can be a store trip.
const SLICE_LISTINGS: usize = 64;

/// The number of entries of a directory that are read at a time.
const STEP: usize = 100;

/// An entry to examine.
pub(super) struct Item {
    pub(super) path: FilePath,
    pub(super) content: Content,
}

/// What a search can examine of an entry, besides its name.
pub(super) enum Content {
    /// Nothing: it is a directory, or only names are searched.
    Nothing,
    /// Nothing, and not even the name: its path is longer than a request may name.
    Deep,
    /// It has a zero byte at its start.
    Binary,
    /// It is larger than the store keeps.
    Large,
    /// These bytes.
    Bytes(Vec<u8>),
}

/// Entries in the order of their paths.
pub(super) struct Slice {
    pub(super) items: Vec<Item>,
    /// Whether nothing follows. Otherwise, there is at least one item.
    pub(super) is_last: bool,
}

/// A directory on the way.
struct Level {
    path: FilePath,
    directory: DirectoryId,
    /// The name after which its entries have not been read.
    after: Option<String>,
    /// Entries that were read, and follow.
    read: VecDeque<(String, Entry)>,
    /// Whether all were read.
    is_read: bool,
}

impl Level {
    fn new(path: FilePath, directory: DirectoryId) -> Self {
        Self {
            path,
            directory,
            after: None,
            read: VecDeque::new(),
            is_read: false,
        }
    }
}

/// Whether the path is longer than a request may name.
fn is_deep(path: &FilePath) -> bool {
    path.as_str().len() > FilePath::MAX_BYTES || path.names().count() > FilePath::MAX_LEVELS
}

/// The entries after the path `after`, which may be gone.
pub(super) async fn read(mut tree: Tree<'_>, search: &Search, after: Option<&FilePath>) -> Result<Slice> {
    let files = tree.files;
    let base = tree.directory(&search.path).await?;
    let mut levels = vec![Level::new(search.path.clone(), base)];
    if let Some(after) = after {
        let mut path = search.path.clone();
        for name in after.names().skip(search.path.names().count()) {
            path = path.child(name);
            if let Some(level) = levels.last_mut() {
                level.after = Some(name.to_owned());
            }
            if is_deep(&path) {
                break;
            }
            match tree.find_directory(&path).await {
                Ok(Some(directory)) => levels.push(Level::new(path.clone(), directory)),
                Ok(None) | Err(Error::NotADirectory) => break,
                Err(error) => return Err(error),
            }
        }
    }
    let (planned, is_last) = plan(files, levels, search.mode).await?;
    let items = planned.into_iter().map(async |(path, entry)| {
        let content = content(files, search.mode, &path, &entry.node).await?;
        Ok::<_, Error>(Item { path, content })
    });
    Ok(Slice {
        items: try_join_all(items).await?,
        is_last,
    })
}

/// The next entries, and whether nothing follows.
async fn plan(files: Files<'_>, mut levels: Vec<Level>, mode: Mode) -> Result<(Vec<(FilePath, Entry)>, bool)> {
    let (mut planned, mut bytes, mut listings) = (Vec::new(), 0, 0);
    while let Some(level) = levels.last_mut() {
        if planned.len() == SLICE_ENTRIES || bytes >= SLICE_BYTES {
            return Ok((planned, false));
        }
        let Some((name, entry)) = level.read.pop_front() else {
            if level.is_read {
                levels.pop();
                continue;
            }
            if listings == SLICE_LISTINGS {
                return Ok((planned, false));
            }
            listings += 1;
            let found = files.entries(level.directory, level.after.as_deref(), STEP).await?;
            level.is_read = found.len() < STEP;
            level.after = found.last().map(|(name, _)| name.clone());
            level.read = found.into();
            continue;
        };
        let path = level.path.child(&name);
        if mode != Mode::Name && is_in_store(&entry.node) {
            bytes += entry.node.size();
        }
        let directory = entry.node.directory().filter(|_| !is_deep(&path));
        planned.push((path.clone(), entry));
        levels.extend(directory.map(|directory| Level::new(path, directory)));
    }
    Ok((planned, true))
}

/// Whether the node is a file with its content in the store.
fn is_in_store(node: &Node) -> bool {
    matches!(node, Node::File { size, is_object: false, .. } if *size <= contents::MAX_BYTES)
}

async fn content(files: Files<'_>, mode: Mode, path: &FilePath, node: &Node) -> Result<Content> {
    if is_deep(path) {
        return Ok(Content::Deep);
    }
    let (Some(digest), true) = (node.digest(), mode != Mode::Name) else {
        return Ok(Content::Nothing);
    };
    if !is_in_store(node) {
        return Ok(Content::Large);
    }
    let size = node.size();
    let head = size.min(HEAD_BYTES as u64);
    let mut bytes = contents::store::read(files.txn, files.scope, digest, 0..head).await?;
    if is_binary(&bytes) {
        return Ok(Content::Binary);
    }
    if head < size {
        let rest = contents::store::read(files.txn, files.scope, digest, head..size).await?;
        bytes.extend(rest);
    }
    Ok(Content::Bytes(bytes))
}
