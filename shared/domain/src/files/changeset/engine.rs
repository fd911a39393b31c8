//! Applies operations to the tree of a transaction, one after the other. Each sees what the others have written.
//!
//! This file has the operations on one path; `transfers.rs` has those that give entries another place.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::future::try_join_all;

use crate::contents::{self, Content, Digest, MAX_BYTES};
use crate::error::{Error, Result};
use crate::files::changes::{self, ChangeKind};
use crate::files::changeset::added::{Added, Share};
use crate::files::changeset::author::Author;
use crate::files::changeset::edit::{Work, edited};
use crate::files::changeset::operation::{Edit, Effect, MakeDirectory, Operation, Outcome, Put, Source};
use crate::files::changeset::rules::{check, check_overwrite};
use crate::files::tree::Tree;
use crate::files::{Entry, FileEntry, FilePath, Node};
use crate::id::DirectoryId;
use crate::record::NewerMembers;
use crate::text::Rejection;
use crate::usage::store::MAX_REQUEST_FILES;

/// The bytes of all files that the edits of a changeset may change.
pub(super) const MAX_EDITED_BYTES: u64 = 2 * MAX_BYTES;

/// Applies operations in one transaction.
pub(crate) struct Engine<'a> {
    pub(crate) tree: Tree<'a>,
    pub(super) author: &'a Author,
    /// The sizes of the contents that operations can name by digest: those that the tenant has, and those that the
    /// operations so far have sent or made.
    known: BTreeMap<Digest, u64>,
    /// Contents of edited files that were read before the first operation.
    pub(super) loaded: BTreeMap<Digest, Bytes>,
    /// Contents that edits have made and that are not written yet, with the number of their references.
    made: BTreeMap<Digest, (Content, u64)>,
    /// The bytes that each written content adds.
    stored: BTreeMap<Digest, i64>,
    /// What each operation has added so far: the number of entries, and the content that it has written.
    shares: Vec<Share>,
    /// The number of entries that all operations have added so far.
    added: i64,
    work: Work,
    edited_bytes: u64,
    /// How many directories and items of the trash were made.
    directories: usize,
    pub(super) items: usize,
}

impl<'a> Engine<'a> {
    /// The engine before the first operation, with what was read and written for all of them.
    pub(super) fn new(
        tree: Tree<'a>,
        author: &'a Author,
        known: BTreeMap<Digest, u64>,
        stored: BTreeMap<Digest, i64>,
    ) -> Self {
        Self {
            tree,
            author,
            known,
            loaded: BTreeMap::new(),
            made: BTreeMap::new(),
            stored,
            shares: Vec::new(),
            added: 0,
            work: Work::default(),
            edited_bytes: 0,
            directories: 0,
            items: 0,
        }
    }

    /// Applies an operation. Fails with [`Error::ChangesetTooLarge`] if all up to it add too many entries.
    pub(crate) async fn apply(&mut self, operation: &Operation) -> Result<Outcome> {
        self.shares.push(Share::default());
        let outcome = self.apply_one(operation).await?;
        self.added += self.share().files;
        // One operation adds a bounded number, so it may come first.
        if self.added > MAX_REQUEST_FILES {
            return Err(Error::ChangesetTooLarge);
        }
        Ok(outcome)
    }

    async fn apply_one(&mut self, operation: &Operation) -> Result<Outcome> {
        match operation {
            Operation::Put(put) => self.put(put).await,
            Operation::Edit(edit) => self.edit(edit).await,
            Operation::Move(transfer) => self.move_(transfer).await,
            Operation::Copy(transfer) => self.copy(transfer).await,
            Operation::Delete(delete) => self.delete(delete).await,
            Operation::MakeDirectory(make) => self.make_directory(make).await,
        }
    }

    /// Writes the contents that edits have made. Returns what all operations add to the usage.
    pub(crate) async fn finish(&mut self) -> Result<Added> {
        let files = self.tree.files;
        let written = self.made.iter().map(async |(digest, (content, count))| {
            let added = contents::store::put(files.txn, files.scope, content, *count).await?;
            Ok::<_, Error>((*digest, added))
        });
        for (digest, added) in try_join_all(written).await? {
            *self.stored.entry(digest).or_default() += added;
        }
        Ok(Added::of(&self.shares, &self.stored))
    }

    /// The place of a path that is not the root directory's, and what is there.
    pub(super) async fn find(
        &mut self,
        path: &FilePath,
    ) -> Result<(FilePath, String, Option<DirectoryId>, Option<Entry>)> {
        let (parent, name) = path.split().ok_or(Error::RootDirectory)?;
        let directory = self.tree.find_directory(&parent).await?;
        let entry = match directory {
            Some(directory) => self.tree.entry(directory, name).await?,
            None => None,
        };
        Ok((parent, name.to_owned(), directory, entry))
    }

    async fn put(&mut self, put: &Put) -> Result<Outcome> {
        if put.path.is_root() {
            return Err(Error::IsADirectory);
        }
        let (parent, name, directory, existing) = self.find(&put.path).await?;
        check(&put.precondition, existing.as_ref())?;
        check_overwrite(self.author, existing.as_ref(), &put.precondition)?;
        let directory = self.parent(&parent, directory, put.parents).await?;
        let (digest, size) = match &put.source {
            Source::Content(content) => {
                let (digest, size) = (content.digest(), content.size());
                self.known.insert(digest, size);
                (digest, size)
            }
            // The transaction has read the header, or it writes the content.
            Source::Stored(digest) => {
                let size = self.known.get(digest).copied().ok_or(Error::UnknownContent)?;
                let files = self.tree.files;
                contents::store::retain(files.txn, files.scope, digest, 1)?;
                (*digest, size)
            }
        };
        self.write(&put.path, directory, &name, existing.as_ref(), file(digest, size))
    }

    async fn edit(&mut self, edit: &Edit) -> Result<Outcome> {
        if edit.path.is_root() {
            return Err(Error::IsADirectory);
        }
        let (_, name, directory, existing) = self.find(&edit.path).await?;
        check(&edit.precondition, existing.as_ref())?;
        let (Some(directory), Some(existing)) = (directory, existing) else {
            return Err(Error::FileNotFound);
        };
        check_overwrite(self.author, Some(&existing), &edit.precondition)?;
        let before = self.content(&existing.node).await?;
        let after = edited(&before, &edit.replacements, &mut self.work).await;
        let after = Content::hash(after.map_err(Error::EditRejected)?.into()).await;
        let (digest, size) = (after.digest(), after.size());
        self.made.entry(digest).or_insert((after, 0)).1 += 1;
        self.known.insert(digest, size);
        self.write(&edit.path, directory, &name, Some(&existing), file(digest, size))
    }

    /// The content of a file to edit.
    async fn content(&mut self, node: &Node) -> Result<Bytes> {
        let Node::File {
            size,
            digest,
            is_object,
        } = node
        else {
            return Err(Error::IsADirectory);
        };
        self.edited_bytes += size;
        if *is_object || self.edited_bytes > MAX_EDITED_BYTES {
            return Err(Error::EditRejected(Rejection(format!(
                "must change files of at most {MAX_EDITED_BYTES} bytes together"
            ))));
        }
        if let Some((content, _)) = self.made.get(digest) {
            return Ok(content.bytes().clone());
        }
        if let Some(bytes) = self.loaded.get(digest) {
            return Ok(bytes.clone());
        }
        let files = self.tree.files;
        let bytes = contents::store::read(files.txn, files.scope, digest, 0..*size).await?;
        Ok(bytes.into())
    }

    /// Writes a file whose content has a reference for it.
    pub(super) fn write(
        &mut self,
        path: &FilePath,
        directory: DirectoryId,
        name: &str,
        existing: Option<&Entry>,
        node: Node,
    ) -> Result<Outcome> {
        let kept = match existing {
            Some(existing) => self
                .tree
                .files
                .retire(&self.tree.head, directory, name, existing, false)?,
            None => 0,
        };
        self.share().files += kept + i64::from(existing.is_none());
        self.put_file(path, directory, name, node, existing.is_some())
    }

    /// Writes a file that is counted already, in a place that is free or whose entry was retired.
    pub(super) fn put_file(
        &mut self,
        path: &FilePath,
        directory: DirectoryId,
        name: &str,
        node: Node,
        replaces: bool,
    ) -> Result<Outcome> {
        self.share().content = node.digest().copied();
        let (kind, effect) = if replaces {
            (ChangeKind::Changed, Effect::Changed)
        } else {
            (ChangeKind::Created, Effect::Created)
        };
        let entry = self.entry(node);
        let shown = FileEntry::new(path.clone(), &entry);
        self.tree.put(directory, name, entry)?;
        self.report(kind, path.clone(), None, Some(&shown))?;
        let entry = Some(shown);
        Ok(Outcome { effect, entry })
    }

    async fn make_directory(&mut self, make: &MakeDirectory) -> Result<Outcome> {
        if make.path.is_root() {
            let root = self.tree.root();
            return existing_directory(make, root);
        }
        let (parent, name, directory, existing) = self.find(&make.path).await?;
        check(&make.precondition, existing.as_ref())?;
        if let Some(existing) = existing {
            return existing_directory(make, FileEntry::new(make.path.clone(), &existing));
        }
        let directory = self.parent(&parent, directory, make.parents).await?;
        let (shown, _) = self.new_directory(&make.path, directory, &name)?;
        let (effect, entry) = (Effect::Created, Some(shown));
        Ok(Outcome { effect, entry })
    }

    /// The directory above a path, which is made if it is missing and may be.
    pub(super) async fn parent(
        &mut self,
        path: &FilePath,
        found: Option<DirectoryId>,
        makes: bool,
    ) -> Result<DirectoryId> {
        if let Some(found) = found {
            return Ok(found);
        }
        if !makes {
            return Err(Error::FileNotFound);
        }
        let (mut at, mut directory) = (FilePath::root(), self.tree.head.root);
        for name in path.names() {
            at = at.child(name);
            directory = match self.tree.find_directory(&at).await? {
                Some(found) => found,
                None => self.new_directory(&at, directory, name)?.1,
            };
        }
        Ok(directory)
    }

    /// Makes a directory in a place that is free.
    fn new_directory(&mut self, path: &FilePath, parent: DirectoryId, name: &str) -> Result<(FileEntry, DirectoryId)> {
        let id = self.author.directory(self.directories);
        self.directories += 1;
        self.share().files += 1;
        let entry = self.entry(Node::Directory { id });
        let shown = FileEntry::new(path.clone(), &entry);
        self.tree.put_new_directory(parent, name, entry)?;
        self.report(ChangeKind::Created, path.clone(), None, Some(&shown))?;
        Ok((shown, id))
    }

    /// A new entry, born in this epoch.
    pub(super) fn entry(&self, node: Node) -> Entry {
        Entry {
            node,
            modified_at: self.author.at,
            birth: self.tree.head.epoch,
            newer: NewerMembers::default(),
        }
    }

    pub(super) fn report(
        &self,
        kind: ChangeKind,
        path: FilePath,
        from: Option<FilePath>,
        entry: Option<&FileEntry>,
    ) -> Result<()> {
        let change = self.author.change(kind, path, from, entry);
        changes::store::add(&self.tree.files, &change)
    }

    /// The share of the operation in progress.
    pub(super) fn share(&mut self) -> &mut Share {
        if self.shares.is_empty() {
            self.shares.push(Share::default());
        }
        let last = self.shares.len() - 1;
        &mut self.shares[last]
    }
}

fn file(digest: Digest, size: u64) -> Node {
    Node::File {
        size,
        digest,
        is_object: size > MAX_BYTES,
    }
}

/// The outcome of making a directory where an entry is.
fn existing_directory(make: &MakeDirectory, entry: FileEntry) -> Result<Outcome> {
    let is_directory = entry.node.directory().is_some();
    if !make.parents || !is_directory {
        return Err(Error::Exists);
    }
    let (effect, entry) = (Effect::Unchanged, Some(entry));
    Ok(Outcome { effect, entry })
}
