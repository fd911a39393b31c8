//! What each operation does to the model.

use std::sync::Arc;

use domain::SnapshotId;
use domain::contents::Digest;
use domain::files::changes::ChangeKind;
use domain::files::changeset::{
    Delete, Edit, Effect, MakeDirectory, Operation, Overwrite, Put, Replacement, Source, Transfer,
};
use domain::files::{FilePath, Precondition};

use super::contents::{CONTENTS, Item, content_of, tag};
use super::history::{Millis, Mode, Refusal, Shown};
use super::world::{Reported, Tree, World, has_directory, insert, remove, subtree};

/// A place that is not the root directory's.
struct Place {
    parent: FilePath,
    has_parent: bool,
    item: Option<Item>,
}

/// A transaction on a world.
pub(super) struct Transaction {
    pub(super) world: World,
    pub(super) changes: Vec<Reported>,
    at: Millis,
    /// A content that the tenant does not have, although an operation names it.
    pub(super) lacks: Option<Digest>,
}

impl Transaction {
    pub(super) fn on(world: &World, at: Millis) -> Self {
        Self {
            world: world.clone(),
            changes: Vec::new(),
            at,
            lacks: None,
        }
    }

    pub(super) fn apply(&mut self, operation: &Operation) -> Result<Shown, Refusal> {
        match operation {
            Operation::Put(put) => self.put(put),
            Operation::Edit(edit) => self.edit(edit),
            Operation::Move(transfer) => self.move_(transfer),
            Operation::Copy(transfer) => self.copy(transfer),
            Operation::Delete(delete) => self.delete(delete),
            Operation::MakeDirectory(make) => self.make_directory(make),
        }
    }

    fn tree(&mut self) -> &mut Tree {
        Arc::make_mut(&mut self.world.tree)
    }

    fn find(&self, path: &FilePath) -> Result<Place, Refusal> {
        let (parent, _) = path.split().ok_or(Refusal::RootDirectory)?;
        let has_parent = has_directory(&self.world.tree, &parent)?;
        let item = self.world.tree.get(path.as_str()).copied();
        Ok(Place {
            parent,
            has_parent,
            item,
        })
    }

    fn report(&mut self, kind: ChangeKind, path: &FilePath, from: Option<&FilePath>, item: Option<Item>) {
        self.changes.push(Reported {
            kind,
            path: path.as_str().to_owned(),
            from: from.map(|from| from.as_str().to_owned()),
            item,
        });
    }

    /// Makes the directories above a place.
    fn parents(&mut self, place: &Place, makes: bool) -> Result<(), Refusal> {
        if place.has_parent {
            return Ok(());
        }
        if !makes {
            return Err(Refusal::FileNotFound);
        }
        let mut at = String::new();
        for name in place.parent.names() {
            at = format!("{at}/{name}");
            if !self.world.tree.contains_key(&at) {
                self.tree().insert(at.clone(), Item::Directory);
                let path = FilePath::parse(&at).expect("it is above a valid path");
                self.report(ChangeKind::Created, &path, None, Some(Item::Directory));
            }
        }
        Ok(())
    }

    fn write(&mut self, path: &FilePath, existing: Option<Item>, item: Item) -> Shown {
        let (kind, effect) = match existing {
            Some(_) => (ChangeKind::Changed, Effect::Changed),
            None => (ChangeKind::Created, Effect::Created),
        };
        self.tree().insert(path.as_str().to_owned(), item);
        self.report(kind, path, None, Some(item));
        shown(effect, path, item)
    }

    fn put(&mut self, put: &Put) -> Result<Shown, Refusal> {
        if put.path.is_root() {
            return Err(Refusal::IsADirectory);
        }
        let place = self.find(&put.path)?;
        check(&put.precondition, place.item)?;
        if place.item == Some(Item::Directory) {
            return Err(Refusal::IsADirectory);
        }
        self.parents(&place, put.parents)?;
        let digest = match &put.source {
            Source::Content(content) => content.digest(),
            Source::Stored(digest) if self.lacks == Some(*digest) => return Err(Refusal::UnknownContent),
            Source::Stored(digest) => *digest,
        };
        let content = content_of(&digest).expect("clients write these contents only");
        Ok(self.write(&put.path, place.item, Item::File(content)))
    }

    fn edit(&mut self, edit: &Edit) -> Result<Shown, Refusal> {
        if edit.path.is_root() {
            return Err(Refusal::IsADirectory);
        }
        let place = self.find(&edit.path)?;
        check(&edit.precondition, place.item)?;
        let content = match place.item {
            None => return Err(Refusal::FileNotFound),
            Some(Item::Directory) => return Err(Refusal::IsADirectory),
            Some(Item::File(content)) => content,
        };
        let after = edited(content, edit).ok_or(Refusal::EditRejected)?;
        Ok(self.write(&edit.path, place.item, Item::File(after)))
    }

    fn move_(&mut self, transfer: &Transfer) -> Result<Shown, Refusal> {
        let Transfer { from, to, .. } = transfer;
        let source = self.find(from)?.item;
        check(&transfer.precondition, source)?;
        let source = source.ok_or(Refusal::FileNotFound)?;
        if source == Item::Directory && from != to && to.is_within(from) {
            return Err(Refusal::Cycle);
        }
        let place = self.find(to)?;
        check_target(&transfer.overwrite, place.item)?;
        if from == to {
            return Ok(shown(Effect::Unchanged, to, source));
        }
        if place.item.is_some() && from.is_within(to) {
            return Err(Refusal::Cycle);
        }
        self.parents(&place, transfer.parents)?;
        self.replace(to, place.item);
        let moved = subtree(&self.world.tree, from.as_str());
        remove(self.tree(), from.as_str());
        insert(self.tree(), to.as_str(), moved);
        self.report(ChangeKind::Moved, to, Some(from), Some(source));
        Ok(shown(Effect::Moved, to, source))
    }

    /// What a move or a copy replaces goes to the trash. The change of what replaces a file is the only one.
    fn replace(&mut self, path: &FilePath, target: Option<Item>) {
        match target {
            Some(Item::Directory) => {
                self.put_in_trash(path);
                self.report(ChangeKind::Deleted, path, None, None);
            }
            Some(Item::File(_)) => self.put_in_trash(path),
            None => {}
        }
    }

    fn copy(&mut self, transfer: &Transfer) -> Result<Shown, Refusal> {
        let (from, to) = (&transfer.from, &transfer.to);
        let source = self.find(from)?.item;
        check(&transfer.precondition, source)?;
        let source = source.ok_or(Refusal::FileNotFound)?;
        if source == Item::Directory || to.is_root() {
            return Err(Refusal::IsADirectory);
        }
        let place = self.find(to)?;
        check_target(&transfer.overwrite, place.item)?;
        if place.item == Some(Item::Directory) {
            return Err(Refusal::IsADirectory);
        }
        self.parents(&place, transfer.parents)?;
        if from != to {
            self.replace(to, place.item);
        }
        Ok(self.write(to, place.item, source))
    }

    /// The first transaction of a copy of a directory: what it copies.
    pub(super) fn begin_copy(&self, transfer: &Transfer) -> Result<Tree, Refusal> {
        let source = self.find(&transfer.from)?.item;
        check(&transfer.precondition, source)?;
        if source.ok_or(Refusal::FileNotFound)? != Item::Directory {
            return Err(Refusal::IsADirectory);
        }
        let place = self.find(&transfer.to)?;
        check_target(&transfer.overwrite, place.item)?;
        if !place.has_parent && !transfer.parents {
            return Err(Refusal::FileNotFound);
        }
        Ok(subtree(&self.world.tree, transfer.from.as_str()))
    }

    /// The last transaction of a copy of a directory.
    pub(super) fn place_copy(&mut self, transfer: &Transfer, copied: Tree) -> Result<Shown, Refusal> {
        let to = &transfer.to;
        let place = self.find(to)?;
        check_target(&transfer.overwrite, place.item)?;
        self.parents(&place, transfer.parents)?;
        self.replace(to, place.item);
        insert(self.tree(), to.as_str(), copied);
        self.report(ChangeKind::Created, to, None, Some(Item::Directory));
        Ok(shown(Effect::Created, to, Item::Directory))
    }

    fn delete(&mut self, delete: &Delete) -> Result<Shown, Refusal> {
        let item = self.find(&delete.path)?.item;
        check(&delete.precondition, item)?;
        let item = item.ok_or(Refusal::FileNotFound)?;
        let entries = subtree(&self.world.tree, delete.path.as_str());
        if item == Item::Directory && !delete.recursive && entries.len() > 1 {
            return Err(Refusal::NotEmpty);
        }
        self.put_in_trash(&delete.path);
        self.report(ChangeKind::Deleted, &delete.path, None, None);
        let effect = Effect::Deleted;
        Ok(Shown { effect, entry: None })
    }

    fn put_in_trash(&mut self, path: &FilePath) {
        let entries = subtree(&self.world.tree, path.as_str());
        remove(self.tree(), path.as_str());
        let item = (Some(path.as_str().to_owned()), entries);
        Arc::make_mut(&mut self.world.trash).insert(self.at, item);
    }

    /// Restores the item of the trash that was deleted at this time, to its path.
    pub(super) fn restore_item(&mut self, deleted_at: Millis, path: &FilePath) -> Result<Shown, Refusal> {
        let trash = Arc::make_mut(&mut self.world.trash);
        let (_, entries) = trash.remove(&deleted_at).ok_or(Refusal::NotFound)?;
        let place = self.find(path)?;
        if place.item.is_some() {
            return Err(Refusal::Exists);
        }
        self.parents(&place, true)?;
        let item = entries[""];
        insert(self.tree(), path.as_str(), entries);
        self.report(ChangeKind::Created, path, None, Some(item));
        Ok(shown(Effect::Created, path, item))
    }

    fn make_directory(&mut self, make: &MakeDirectory) -> Result<Shown, Refusal> {
        let existing = |item| match item {
            Item::Directory if make.parents => Ok(shown(Effect::Unchanged, &make.path, item)),
            _ => Err(Refusal::Exists),
        };
        if make.path.is_root() {
            return existing(Item::Directory);
        }
        let place = self.find(&make.path)?;
        check(&make.precondition, place.item)?;
        if let Some(item) = place.item {
            return existing(item);
        }
        self.parents(&place, make.parents)?;
        Ok(self.write(&make.path, None, Item::Directory))
    }

    /// The files become those of a snapshot; the earlier ones are an item of the trash.
    pub(super) fn switch(&mut self, snapshot: SnapshotId) -> Result<(), Refusal> {
        let restored = self.world.snapshots.get(&snapshot).ok_or(Refusal::NotFound)?;
        let mut replaced = std::mem::replace(&mut self.world.tree, restored.clone());
        if !replaced.is_empty() {
            let mut entries = std::mem::take(Arc::make_mut(&mut replaced));
            entries.insert(String::new(), Item::Directory);
            Arc::make_mut(&mut self.world.trash).insert(self.at, (None, entries));
        }
        self.world.restored = None;
        self.report(ChangeKind::Changed, &FilePath::root(), None, Some(Item::Directory));
        Ok(())
    }
}

/// The content that an edit makes of another one. All edits replace one text of an editable content by another one.
fn edited(content: usize, edit: &Edit) -> Option<usize> {
    let mut bytes = CONTENTS[content].bytes().to_vec();
    for replacement in &edit.replacements {
        let Replacement::Text { find, replace, .. } = replacement else {
            return None;
        };
        if bytes != *find {
            return None;
        }
        bytes.clone_from(replace);
    }
    content_of(&Digest::of(&bytes))
}

fn shown(effect: Effect, path: &FilePath, item: Item) -> Shown {
    let entry = Some((path.as_str().to_owned(), item));
    Shown { effect, entry }
}

/// Clients name tags of files only.
fn check(precondition: &Precondition, item: Option<Item>) -> Result<(), Refusal> {
    let is_met = match (precondition, item) {
        (Precondition::Exists, item) => item.is_some(),
        (Precondition::Absent, item) => item.is_none(),
        (Precondition::Matches(tags), Some(Item::File(content))) => tags.contains(&tag(content)),
        (Precondition::Matches(_), _) => false,
        (Precondition::Differs(tags), Some(Item::File(content))) => !tags.contains(&tag(content)),
        (Precondition::None | Precondition::Differs(_), _) => true,
    };
    if is_met {
        Ok(())
    } else {
        Err(Refusal::PreconditionFailed)
    }
}

fn check_target(overwrite: &Overwrite, target: Option<Item>) -> Result<(), Refusal> {
    match (overwrite, target) {
        (Overwrite::If(precondition), target) => check(precondition, target),
        (Overwrite::Never, Some(_)) => Err(Refusal::Exists),
        (Overwrite::Always, Some(_)) | (_, None) => Ok(()),
    }
}

/// Applies operations, and names the one that is refused in a changeset.
pub(super) fn apply(
    transaction: &mut Transaction,
    operations: &[Operation],
    mode: Mode,
) -> Result<Vec<Shown>, Refusal> {
    let applied = operations.iter().enumerate().map(|(index, operation)| {
        let applied = transaction.apply(operation);
        applied.map_err(|refusal| match mode {
            Mode::Single => refusal,
            Mode::Changeset | Mode::Rehearsal => Refusal::Operation(index, Box::new(refusal)),
        })
    });
    applied.collect()
}
