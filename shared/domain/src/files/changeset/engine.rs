//! Applies operations to the tree of a transaction, one after the other. Each sees what the others have written.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::try_join;

use crate::contents::{self, Content, Digest, MAX_BYTES};
use crate::error::{Error, Result};
use crate::files::cache::DirectoryCache;
use crate::files::changes::{self, ChangeKind};
use crate::files::changeset::author::Author;
use crate::files::changeset::edit::{Work, edited};
use crate::files::changeset::operation::{
    Delete, Edit, Effect, MakeDirectory, Operation, Outcome, Overwrite, Put, Source, Transfer,
};
use crate::files::records::{Place, StoredItem};
use crate::files::store::Files;
use crate::files::tree::Tree;
use crate::files::{Entry, FileEntry, FilePath, Node, Precondition, keys};
use crate::id::DirectoryId;
use crate::record::{self, NewerMembers};
use crate::text::Rejection;
use crate::usage::store::MAX_REQUEST_FILES;

/// The bytes of all files that the edits of a changeset may change.
const MAX_EDITED_BYTES: u64 = 2 * MAX_BYTES;

/// Applies operations in one transaction.
pub(crate) struct Engine<'a> {
    pub(crate) tree: Tree<'a>,
    author: &'a Author,
    /// The sizes of the contents that operations can name by digest: those that the tenant has, and those that the
    /// operations so far have sent or made.
    known: BTreeMap<Digest, u64>,
    /// Contents of edited files that were read before the first operation.
    loaded: BTreeMap<Digest, Bytes>,
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
    items: usize,
}

/// What an operation adds to the usage of its tenant.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    files: i64,
    content: Option<Digest>,
}

/// What all operations add to the usage of their tenant, in their order.
#[derive(Debug)]
pub(crate) struct Added {
    /// For each operation the files and the bytes of it and all before it.
    sums: Vec<(i64, i64)>,
}

impl Added {
    /// The files and bytes of all operations.
    pub(crate) fn total(&self) -> (i64, i64) {
        self.sums.last().copied().unwrap_or_default()
    }

    /// The first operation with which the sum exceeds `free`.
    pub(crate) fn first_beyond(&self, free: i64, amount: impl Fn(&(i64, i64)) -> i64) -> usize {
        let index = self.sums.iter().position(|sum| amount(sum) > free);
        index.unwrap_or(self.sums.len().saturating_sub(1))
    }
}

impl<'a> Engine<'a> {
    /// Reads what the operations need, in as few rounds as possible, and writes the contents that they send.
    pub(crate) async fn open(
        files: Files<'a>,
        cache: &'a DirectoryCache,
        author: &'a Author,
        operations: &[Operation],
    ) -> Result<Self> {
        let paths: Vec<&FilePath> = operations.iter().flat_map(Operation::paths).collect();
        let (sent, named) = contents_of(operations);
        let stored = try_join_all(sent.iter().map(async |(digest, (content, count))| {
            let found = contents::store::find(files.txn, files.scope, digest).await?;
            let added = contents::store::put_found(files.txn, files.scope, content, *count, found)?;
            Ok::<_, Error>((*digest, added, found))
        }));
        let known = try_join_all(named.iter().map(async |digest| {
            let size = contents::store::find(files.txn, files.scope, digest).await?;
            Ok::<_, Error>(size.map(|size| (*digest, size)))
        }));
        let (tree, stored, known) = try_join!(Tree::open(files, cache, &paths), stored, known)?;
        let mut known: BTreeMap<Digest, u64> = known.into_iter().flatten().collect();
        known.extend(
            stored
                .iter()
                .filter_map(|(digest, _, found)| found.map(|size| (*digest, size))),
        );
        let stored = stored.into_iter().map(|(digest, added, _)| (digest, added)).collect();
        let mut engine = Self {
            tree,
            author,
            known,
            loaded: BTreeMap::new(),
            made: BTreeMap::new(),
            stored,
            shares: Vec::with_capacity(operations.len()),
            added: 0,
            work: Work::default(),
            edited_bytes: 0,
            directories: 0,
            items: 0,
        };
        engine.load_edited(operations).await?;
        Ok(engine)
    }

    /// Reads the contents of the files that edits will change, as far as they are known and bounded.
    async fn load_edited(&mut self, operations: &[Operation]) -> Result<()> {
        let (mut digests, mut bytes) = (BTreeMap::new(), 0);
        for operation in operations {
            if let Operation::Edit(edit) = operation
                && let Some(entry) = self.tree.peek(&edit.path)
                && let Node::File {
                    size,
                    digest,
                    is_object: false,
                } = &entry.node
                && bytes + size <= MAX_EDITED_BYTES
            {
                bytes += size;
                digests.insert(*digest, *size);
            }
        }
        let files = self.tree.files;
        let reads = digests.iter().map(async |(digest, size)| {
            let bytes = contents::store::read(files.txn, files.scope, digest, 0..*size).await?;
            Ok::<_, Error>((*digest, Bytes::from(bytes)))
        });
        self.loaded = try_join_all(reads).await?.into_iter().collect();
        Ok(())
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
        let mut counted = BTreeSet::new();
        let (mut files, mut bytes) = (0, 0);
        let sums = self.shares.iter().map(|share| {
            files += share.files;
            if let Some(digest) = share.content
                && counted.insert(digest)
            {
                bytes += self.stored.get(&digest).copied().unwrap_or_default();
            }
            (files, bytes)
        });
        Ok(Added { sums: sums.collect() })
    }

    /// The place of a path that is not the root directory's, and what is there.
    async fn find(&mut self, path: &FilePath) -> Result<(FilePath, String, Option<DirectoryId>, Option<Entry>)> {
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
        self.check_overwrite(existing.as_ref(), &put.precondition)?;
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
        self.check_overwrite(Some(&existing), &edit.precondition)?;
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
    fn write(
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
        let share = self.share();
        share.content = node.digest().copied();
        share.files += kept + i64::from(existing.is_none());
        let (kind, effect) = match existing {
            Some(_) => (ChangeKind::Changed, Effect::Changed),
            None => (ChangeKind::Created, Effect::Created),
        };
        let entry = self.entry(node);
        let shown = FileEntry::new(path.clone(), &entry);
        self.tree.put(directory, name, entry)?;
        self.report(kind, path.clone(), None, Some(&shown))?;
        let entry = Some(shown);
        Ok(Outcome { effect, entry })
    }

    async fn move_(&mut self, transfer: &Transfer) -> Result<Outcome> {
        let Transfer { from, to, .. } = transfer;
        let (_, old_name, old_directory, source) = self.find(from).await?;
        check(&transfer.precondition, source.as_ref())?;
        let (Some(old_directory), Some(source)) = (old_directory, source) else {
            return Err(Error::FileNotFound);
        };
        let is_directory = source.node.directory().is_some();
        if is_directory && from != to && to.is_within(from) {
            return Err(Error::Cycle);
        }
        let (parent, name, directory, target) = self.find(to).await?;
        self.check_target(&transfer.overwrite, target.as_ref())?;
        if from == to {
            let entry = Some(FileEntry::new(to.clone(), &source));
            let effect = Effect::Unchanged;
            return Ok(Outcome { effect, entry });
        }
        if target.is_some() && from.is_within(to) {
            return Err(Error::Cycle);
        }
        let directory = self.parent(&parent, directory, transfer.parents).await?;
        if let Some(target) = target {
            self.replace(to, directory, &name, &target)?;
        }
        let kept = self.tree.take(old_directory, &old_name, &source, true)?;
        self.share().files += kept;
        let entry = Entry {
            birth: self.tree.head.epoch,
            ..source
        };
        let shown = FileEntry::new(to.clone(), &entry);
        self.tree.put(directory, &name, entry)?;
        if is_directory {
            self.tree.reshape(self.author.shape())?;
        }
        self.report(ChangeKind::Moved, to.clone(), Some(from.clone()), Some(&shown))?;
        let (effect, entry) = (Effect::Moved, Some(shown));
        Ok(Outcome { effect, entry })
    }

    /// Removes the target of a move from its place. A file is overwritten; a directory goes to the trash.
    fn replace(&mut self, path: &FilePath, directory: DirectoryId, name: &str, target: &Entry) -> Result<()> {
        if target.node.directory().is_some() {
            return self.trash(path, directory, name, target);
        }
        let kept = self.tree.take(directory, name, target, false)?;
        self.share().files += kept - 1;
        Ok(())
    }

    async fn copy(&mut self, transfer: &Transfer) -> Result<Outcome> {
        let (from, to) = (&transfer.from, &transfer.to);
        let (_, _, _, source) = self.find(from).await?;
        check(&transfer.precondition, source.as_ref())?;
        let source = source.ok_or(Error::FileNotFound)?;
        if source.node.directory().is_some() {
            return Err(Error::IsADirectory);
        }
        if to.is_root() {
            return Err(Error::IsADirectory);
        }
        let (parent, name, directory, target) = self.find(to).await?;
        self.check_target(&transfer.overwrite, target.as_ref())?;
        if target.as_ref().is_some_and(|target| target.node.directory().is_some()) {
            return Err(Error::IsADirectory);
        }
        let directory = self.parent(&parent, directory, transfer.parents).await?;
        self.tree.files.retain(&source.node)?;
        self.write(to, directory, &name, target.as_ref(), source.node)
    }

    /// The directory that a copy of a directory reads. Checks all that the copy needs, and writes nothing. Fails with
    /// [`Error::IsADirectory`] if the source is a file.
    pub(crate) async fn copied_directory(&mut self, transfer: &Transfer) -> Result<DirectoryId> {
        let (_, _, _, source) = self.find(&transfer.from).await?;
        check(&transfer.precondition, source.as_ref())?;
        let source = source.ok_or(Error::FileNotFound)?;
        let id = source.node.directory().ok_or(Error::IsADirectory)?;
        let (_, _, directory, target) = self.find(&transfer.to).await?;
        self.check_target(&transfer.overwrite, target.as_ref())?;
        if directory.is_none() && !transfer.parents {
            return Err(Error::FileNotFound);
        }
        Ok(id)
    }

    /// Gives the copy of a directory its place. It is counted already.
    pub(crate) async fn place_copy(&mut self, transfer: &Transfer, id: DirectoryId) -> Result<Outcome> {
        let to = &transfer.to;
        let (parent, name, directory, target) = self.find(to).await?;
        self.check_target(&transfer.overwrite, target.as_ref())?;
        let directory = self.parent(&parent, directory, transfer.parents).await?;
        if let Some(target) = &target {
            self.replace(to, directory, &name, target)?;
        }
        let entry = self.entry(Node::Directory { id });
        let shown = FileEntry::new(to.clone(), &entry);
        self.tree.put_new_directory(directory, &name, entry)?;
        self.report(ChangeKind::Created, to.clone(), None, Some(&shown))?;
        let (effect, entry) = (Effect::Created, Some(shown));
        Ok(Outcome { effect, entry })
    }

    async fn delete(&mut self, delete: &Delete) -> Result<Outcome> {
        let (_, name, directory, existing) = self.find(&delete.path).await?;
        check(&delete.precondition, existing.as_ref())?;
        let (Some(directory), Some(existing)) = (directory, existing) else {
            return Err(Error::FileNotFound);
        };
        if let Some(id) = existing.node.directory()
            && !delete.recursive
            && !self.tree.files.is_empty(id).await?
        {
            return Err(Error::NotEmpty);
        }
        self.trash(&delete.path, directory, &name, &existing)?;
        let (effect, entry) = (Effect::Deleted, None);
        Ok(Outcome { effect, entry })
    }

    /// Moves an entry to the trash.
    fn trash(&mut self, path: &FilePath, directory: DirectoryId, name: &str, entry: &Entry) -> Result<()> {
        let (files, author) = (self.tree.files, self.author);
        let (generation, epoch) = (self.tree.head.trash, self.tree.head.epoch);
        let item = author.item(self.items);
        let stored = StoredItem::of(path.clone(), directory, entry, epoch, author.at, author.user)?;
        let kept = self.tree.take(directory, name, entry, true)?;
        self.share().files += kept;
        let key = keys::trash_item(files.scope, files.session, generation, item);
        files.txn.set(&key, record::encode(&stored)?)?;
        files.put_trash_job(generation, item)?;
        self.items += 1;
        if let Some(id) = entry.node.directory() {
            files.put_location(id, Place::Trash { generation, item })?;
            self.tree.reshape(author.shape())?;
        }
        self.report(ChangeKind::Deleted, path.clone(), None, None)
    }

    /// Writes an item that was removed from the trash back to its path. It keeps its reference to its content.
    pub(crate) async fn restore(&mut self, item: StoredItem) -> Result<FileEntry> {
        let newer = item.newer_members()?;
        let path = item.path;
        let (parent, name, directory, existing) = self.find(&path).await?;
        if existing.is_some() {
            return Err(Error::Exists);
        }
        let directory = self.parent(&parent, directory, true).await?;
        let is_directory = item.node.directory().is_some();
        let entry = Entry {
            modified_at: item.modified_at,
            newer,
            ..self.entry(item.node)
        };
        let shown = FileEntry::new(path.clone(), &entry);
        self.tree.put(directory, &name, entry)?;
        if is_directory {
            self.tree.reshape(self.author.shape())?;
        }
        self.report(ChangeKind::Created, path, None, Some(&shown))?;
        Ok(shown)
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
    async fn parent(&mut self, path: &FilePath, found: Option<DirectoryId>, makes: bool) -> Result<DirectoryId> {
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
    fn entry(&self, node: Node) -> Entry {
        Entry {
            node,
            modified_at: self.author.at,
            birth: self.tree.head.epoch,
            newer: NewerMembers::default(),
        }
    }

    fn report(
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
    fn share(&mut self) -> &mut Share {
        if self.shares.is_empty() {
            self.shares.push(Share::default());
        }
        let last = self.shares.len() - 1;
        &mut self.shares[last]
    }

    /// Whether a file may be overwritten.
    fn check_overwrite(&self, existing: Option<&Entry>, precondition: &Precondition) -> Result<()> {
        match existing {
            Some(existing) if existing.node.directory().is_some() => Err(Error::IsADirectory),
            Some(_) if self.author.is_program() && !precondition.names_versions() => Err(Error::PreconditionRequired),
            _ => Ok(()),
        }
    }

    /// Whether a move or a copy may replace its target.
    fn check_target(&self, overwrite: &Overwrite, target: Option<&Entry>) -> Result<()> {
        let names_versions = match overwrite {
            Overwrite::If(precondition) => {
                check(precondition, target)?;
                precondition.names_versions()
            }
            Overwrite::Never if target.is_some() => return Err(Error::Exists),
            Overwrite::Never | Overwrite::Always => false,
        };
        if target.is_some() && self.author.is_program() && !names_versions {
            return Err(Error::PreconditionRequired);
        }
        Ok(())
    }
}

impl Operation {
    /// The paths whose entries it reads.
    fn paths(&self) -> impl Iterator<Item = &FilePath> {
        let (one, other) = match self {
            Self::Put(put) => (&put.path, None),
            Self::Edit(edit) => (&edit.path, None),
            Self::Move(transfer) | Self::Copy(transfer) => (&transfer.from, Some(&transfer.to)),
            Self::Delete(delete) => (&delete.path, None),
            Self::MakeDirectory(make) => (&make.path, None),
        };
        [Some(one), other].into_iter().flatten()
    }
}

/// The contents that operations send, with the number of files that get each, and the digests that they name besides.
fn contents_of(operations: &[Operation]) -> (BTreeMap<Digest, (&Content, u64)>, BTreeSet<Digest>) {
    let (mut sent, mut named) = (BTreeMap::<Digest, (&Content, u64)>::new(), BTreeSet::<Digest>::new());
    for operation in operations {
        match operation {
            Operation::Put(Put {
                source: Source::Content(content),
                ..
            }) => sent.entry(content.digest()).or_insert((content, 0)).1 += 1,
            Operation::Put(Put {
                source: Source::Stored(digest),
                ..
            }) => {
                named.insert(*digest);
            }
            _ => {}
        }
    }
    named.retain(|digest| !sent.contains_key(digest));
    (sent, named)
}

fn file(digest: Digest, size: u64) -> Node {
    Node::File {
        size,
        digest,
        is_object: size > MAX_BYTES,
    }
}

fn check(precondition: &Precondition, entry: Option<&Entry>) -> Result<()> {
    if precondition.is_met_by(entry.map(|entry| entry.node.tag())) {
        Ok(())
    } else {
        Err(Error::PreconditionFailed)
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
