//! Operations that give entries another place: moves, copies, deletions and restores from the trash.

use crate::error::{Error, Result};
use crate::files::changes::ChangeKind;
use crate::files::changeset::engine::Engine;
use crate::files::changeset::rules::{check, check_target};
use crate::files::changeset::{Delete, Effect, Outcome, Transfer};
use crate::files::records::{Place, StoredItem};
use crate::files::{Entry, FileEntry, FilePath, Node, keys};
use crate::id::DirectoryId;
use crate::record;

impl Engine<'_> {
    pub(super) async fn move_(&mut self, transfer: &Transfer) -> Result<Outcome> {
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
        check_target(self.author, &transfer.overwrite, target.as_ref())?;
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

    /// Moves the target of a move or a copy to the trash.
    fn replace(&mut self, path: &FilePath, directory: DirectoryId, name: &str, target: &Entry) -> Result<()> {
        self.put_in_trash(path, directory, name, target)?;
        if target.node.directory().is_some() {
            return self.report(ChangeKind::Deleted, path.clone(), None, None);
        }
        // The change of what replaces a file says that there is another one.
        Ok(())
    }

    pub(super) async fn copy(&mut self, transfer: &Transfer) -> Result<Outcome> {
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
        check_target(self.author, &transfer.overwrite, target.as_ref())?;
        if target.as_ref().is_some_and(|target| target.node.directory().is_some()) {
            return Err(Error::IsADirectory);
        }
        let directory = self.parent(&parent, directory, transfer.parents).await?;
        self.tree.files.retain(&source.node)?;
        match target {
            Some(target) if from != to => {
                self.replace(to, directory, &name, &target)?;
                self.share().files += 1;
                self.put_file(to, directory, &name, source.node, true)
            }
            // The content stays what it was.
            target => self.write(to, directory, &name, target.as_ref(), source.node),
        }
    }

    /// The directory that a copy of a directory reads. Checks all that the copy needs, and writes nothing. Fails with
    /// [`Error::IsADirectory`] if the source is a file.
    pub(crate) async fn copied_directory(&mut self, transfer: &Transfer) -> Result<DirectoryId> {
        let (_, _, _, source) = self.find(&transfer.from).await?;
        check(&transfer.precondition, source.as_ref())?;
        let source = source.ok_or(Error::FileNotFound)?;
        let id = source.node.directory().ok_or(Error::IsADirectory)?;
        let (_, _, directory, target) = self.find(&transfer.to).await?;
        check_target(self.author, &transfer.overwrite, target.as_ref())?;
        if directory.is_none() && !transfer.parents {
            return Err(Error::FileNotFound);
        }
        Ok(id)
    }

    /// Gives the copy of a directory its place. It is counted already.
    pub(crate) async fn place_copy(&mut self, transfer: &Transfer, id: DirectoryId) -> Result<Outcome> {
        let to = &transfer.to;
        let (parent, name, directory, target) = self.find(to).await?;
        check_target(self.author, &transfer.overwrite, target.as_ref())?;
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

    pub(super) async fn delete(&mut self, delete: &Delete) -> Result<Outcome> {
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
        self.put_in_trash(&delete.path, directory, &name, &existing)?;
        self.report(ChangeKind::Deleted, delete.path.clone(), None, None)?;
        let (effect, entry) = (Effect::Deleted, None);
        Ok(Outcome { effect, entry })
    }

    /// Moves an entry to the trash, where it counts as before.
    fn put_in_trash(&mut self, path: &FilePath, directory: DirectoryId, name: &str, entry: &Entry) -> Result<()> {
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
        Ok(())
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
}
