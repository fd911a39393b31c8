//! The tree of a session in one transaction: resolves paths, with as few store trips as possible, and sees its own
//! writes.
//!
//! Directories of earlier transactions come from the [cache](crate::files::cache), if the shape of the tree is the
//! same. Otherwise the tree walks down from the root directory, for all paths at once, level by level.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::future::try_join_all;
use futures_util::try_join;

use crate::error::{Error, Result};
use crate::files::cache::{DirectoryCache, Shape};
use crate::files::records::{Head, Place};
use crate::files::store::{Files, State};
use crate::files::{Entry, FileEntry, FilePath, Node};
use crate::id::DirectoryId;
use crate::time::Timestamp;

/// A place in the tree: a directory and a name in it.
type Slot = (DirectoryId, String);

/// The tree of a session.
pub(crate) struct Tree<'a> {
    pub(crate) files: Files<'a>,
    pub(crate) head: Head,
    cache: &'a DirectoryCache,
    shape: Shape,
    /// When the session was created, and so its root directory.
    created_at: Timestamp,
    /// The directories at paths, as they are in this transaction.
    directories: HashMap<FilePath, DirectoryId>,
    /// The entries that were read or written.
    entries: BTreeMap<Slot, Option<Entry>>,
    /// The directories that this transaction has made, which the cache must not know before the commit.
    made: BTreeSet<DirectoryId>,
    /// Whether this transaction has given the tree a new shape.
    is_reshaped: bool,
}

/// How far the known entries lead along a path.
enum Step {
    /// To the directory at the path.
    Found(DirectoryId),
    /// The entry in this place has to be read.
    Unknown(Slot),
    /// No directory is there.
    Missing,
    /// A file is there.
    File,
}

impl<'a> Tree<'a> {
    /// Reads the state of the tree and the entries at these paths.
    pub(crate) async fn open(files: Files<'a>, cache: &'a DirectoryCache, paths: &[&FilePath]) -> Result<Self> {
        // The directories that the cache knows are used before it is known whether they are valid.
        let guesses = paths.iter().filter_map(|path| {
            let (parent, name) = path.split()?;
            let (shape, directory) = cache.get(files.session, &parent)?;
            Some((parent, shape, (directory, name.to_owned())))
        });
        let guesses: Vec<_> = guesses.collect();
        let slots: BTreeSet<_> = guesses.iter().map(|(_, _, slot)| slot).collect();
        let reads = slots.iter().map(|slot| files.entry(slot.0, &slot.1));
        let (state, found) = try_join!(files.state(), try_join_all(reads))?;
        let found: BTreeMap<Slot, Option<Entry>> = slots.into_iter().cloned().zip(found).collect();
        let mut tree = Self::new(files, cache, state);
        for (parent, shape, slot) in guesses {
            if shape == tree.shape {
                tree.directories.insert(parent, slot.0);
            }
        }
        // An entry is what it is, even if its directory is at another path by now.
        tree.entries = found;
        tree.load(paths).await?;
        Ok(tree)
    }

    pub(crate) fn new(files: Files<'a>, cache: &'a DirectoryCache, state: State) -> Self {
        let root = state.head.root;
        let mut tree = Self {
            files,
            head: state.head,
            cache,
            shape: state.shape,
            created_at: state.session.created_at,
            directories: HashMap::new(),
            entries: BTreeMap::new(),
            made: BTreeSet::new(),
            is_reshaped: false,
        };
        tree.learn(FilePath::root(), root);
        tree
    }

    /// Reads the entries at all paths, level by level.
    async fn load(&mut self, paths: &[&FilePath]) -> Result<()> {
        loop {
            let mut unknown = BTreeSet::new();
            for path in paths {
                let Some((parent, name)) = path.split() else { continue };
                match self.walk(&parent) {
                    Step::Unknown(slot) => {
                        unknown.insert(slot);
                    }
                    Step::Found(directory) => {
                        let slot = (directory, name.to_owned());
                        if !self.entries.contains_key(&slot) {
                            unknown.insert(slot);
                        }
                    }
                    Step::Missing | Step::File => {}
                }
            }
            if unknown.is_empty() {
                return Ok(());
            }
            let files = self.files;
            let reads = unknown.iter().map(|slot| files.entry(slot.0, &slot.1));
            let found = try_join_all(reads).await?;
            self.entries.extend(unknown.into_iter().zip(found));
        }
    }

    /// Follows the known entries to the directory at `path`.
    fn walk(&mut self, path: &FilePath) -> Step {
        // The deepest directory that is known.
        let mut ancestors = vec![];
        let mut at = path.clone();
        let mut directory = loop {
            if let Some(directory) = self.known(&at) {
                break directory;
            }
            let Some((parent, name)) = at.split() else {
                break self.head.root;
            };
            ancestors.push(name.to_owned());
            at = parent;
        };
        while let Some(name) = ancestors.pop() {
            let child = at.child(&name);
            let slot = (directory, name);
            match self.entries.get(&slot) {
                None => return Step::Unknown(slot),
                Some(None) => return Step::Missing,
                Some(Some(entry)) => match entry.node.directory() {
                    None => return Step::File,
                    Some(found) => directory = found,
                },
            }
            self.learn(child.clone(), directory);
            at = child;
        }
        Step::Found(directory)
    }

    /// The directory at this path, if it was found before: in this transaction, or in another one with the same shape.
    fn known(&mut self, path: &FilePath) -> Option<DirectoryId> {
        if let Some(directory) = self.directories.get(path) {
            return Some(*directory);
        }
        if self.is_reshaped {
            return None;
        }
        let (shape, directory) = self.cache.get(self.files.session, path)?;
        if shape != self.shape {
            return None;
        }
        self.directories.insert(path.clone(), directory);
        Some(directory)
    }

    fn learn(&mut self, path: FilePath, directory: DirectoryId) {
        if !self.is_reshaped && !self.made.contains(&directory) {
            self.cache
                .insert(self.files.session, path.clone(), self.shape, directory);
        }
        self.directories.insert(path, directory);
    }

    /// The directory at `path`. Fails with [`Error::FileNotFound`] or [`Error::NotADirectory`].
    pub(crate) async fn directory(&mut self, path: &FilePath) -> Result<DirectoryId> {
        self.find_directory(path).await?.ok_or(Error::FileNotFound)
    }

    /// The directory at `path`; `None` if nothing is there. Fails with [`Error::NotADirectory`] if a file is.
    pub(crate) async fn find_directory(&mut self, path: &FilePath) -> Result<Option<DirectoryId>> {
        loop {
            match self.walk(path) {
                Step::Found(directory) => return Ok(Some(directory)),
                Step::Missing => return Ok(None),
                Step::File => return Err(Error::NotADirectory),
                Step::Unknown(slot) => {
                    let entry = self.files.entry(slot.0, &slot.1).await?;
                    self.entries.insert(slot, entry);
                }
            }
        }
    }

    /// The entry in a place.
    pub(crate) async fn entry(&mut self, directory: DirectoryId, name: &str) -> Result<Option<Entry>> {
        let slot = (directory, name.to_owned());
        if let Some(entry) = self.entries.get(&slot) {
            return Ok(entry.clone());
        }
        let entry = self.files.entry(directory, name).await?;
        self.entries.insert(slot, entry.clone());
        Ok(entry)
    }

    /// The entry at a path, which may be the root directory. Fails with [`Error::FileNotFound`] or
    /// [`Error::NotADirectory`].
    pub(crate) async fn stat(&mut self, path: &FilePath) -> Result<FileEntry> {
        let Some((parent, name)) = path.split() else {
            return Ok(self.root());
        };
        let directory = self.directory(&parent).await?;
        let entry = self.entry(directory, name).await?.ok_or(Error::FileNotFound)?;
        Ok(FileEntry::new(path.clone(), &entry))
    }

    /// The root directory.
    pub(crate) fn root(&self) -> FileEntry {
        FileEntry {
            path: FilePath::root(),
            node: Node::Directory { id: self.head.root },
            modified_at: self.created_at,
        }
    }

    /// The entry that is known to be at this path, without a read.
    pub(crate) fn peek(&mut self, path: &FilePath) -> Option<&Entry> {
        let (parent, name) = path.split()?;
        let Step::Found(directory) = self.walk(&parent) else {
            return None;
        };
        self.entries.get(&(directory, name.to_owned()))?.as_ref()
    }

    /// Writes an entry in a place that is free, or whose entry was retired.
    pub(crate) fn put(&mut self, directory: DirectoryId, name: &str, entry: Entry) -> Result<()> {
        self.files.put_entry(directory, name, &entry)?;
        if let Some(id) = entry.node.directory() {
            let name = name.to_owned();
            self.files.put_location(
                id,
                Place::Entry {
                    parent: directory,
                    name,
                },
            )?;
        }
        self.entries.insert((directory, name.to_owned()), Some(entry));
        Ok(())
    }

    /// Writes a new directory.
    pub(crate) fn put_new_directory(&mut self, parent: DirectoryId, name: &str, entry: Entry) -> Result<()> {
        self.made.extend(entry.node.directory());
        self.put(parent, name, entry)
    }

    /// Removes the entry from its place, for which the history keeps it if a snapshot contains it. Returns the number
    /// of entries that the history has in addition.
    pub(crate) fn take(&mut self, directory: DirectoryId, name: &str, entry: &Entry, moves: bool) -> Result<i64> {
        let kept = self.files.retire(&self.head, directory, name, entry, moves)?;
        self.files.clear_entry(directory, name)?;
        self.entries.insert((directory, name.to_owned()), None);
        Ok(kept)
    }

    /// Gives the tree this new shape, because a directory has another path than before, or none.
    pub(crate) fn reshape(&mut self, shape: [u8; 16]) -> Result<()> {
        self.is_reshaped = true;
        self.directories.clear();
        self.directories.insert(FilePath::root(), self.head.root);
        self.files.put_shape(shape)
    }
}
