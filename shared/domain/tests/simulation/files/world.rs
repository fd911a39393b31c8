//! The model: the files of a session as a map of paths, and what each operation does to them.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use domain::SnapshotId;
use domain::contents::{Content, Digest};
use domain::files::changes::ChangeKind;
use domain::files::changeset::{Delete, Edit, Effect, MakeDirectory, Operation, Overwrite, Put, Source, Transfer};
use domain::files::{EntryTag, FilePath, Node, Precondition};

use super::history::{Millis, Refusal, Shown};

/// The number of contents of files that edits can make of each other.
pub(super) const EDITABLE: usize = 3;

/// The text that an editable content consists of.
pub(super) fn text(content: usize) -> String {
    format!("content {content}")
}

/// All contents: the editable ones, one with several chunks, and one with several parts of an upload.
pub(super) static CONTENTS: LazyLock<Vec<Content>> = LazyLock::new(|| {
    let editable = (0..EDITABLE).map(|content| text(content).into_bytes());
    let long = [vec![b'x'; 9000], vec![b'y'; 65_546]];
    editable.chain(long).map(Content::new).collect()
});

/// The content that is larger than a part of an upload.
pub(super) const LARGEST: usize = EDITABLE + 1;

/// The content with this digest.
pub(super) fn content_of(digest: &Digest) -> Option<usize> {
    CONTENTS.iter().position(|content| content.digest() == *digest)
}

/// The entity tag of a file with this content.
pub(super) fn tag(content: usize) -> EntryTag {
    let content = &CONTENTS[content];
    let node = Node::File {
        size: content.size(),
        digest: content.digest(),
        is_object: false,
    };
    node.tag()
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    /// A file with this content.
    File(usize),
    Directory,
}

impl Item {
    pub(super) fn of(node: &Node) -> Self {
        match node.digest() {
            Some(digest) => Self::File(content_of(digest).expect("a file has one of the contents")),
            None => Self::Directory,
        }
    }

    pub(super) fn of_tag(of: EntryTag) -> Self {
        let mut contents = 0..CONTENTS.len();
        contents
            .find(|content| tag(*content) == of)
            .map_or(Self::Directory, Self::File)
    }
}

/// All paths but that of the root directory.
pub(super) type Tree = BTreeMap<String, Item>;

fn is_within(path: &str, directory: &str) -> bool {
    let rest = path.strip_prefix(directory);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What is at a path and below it, by the rest of the paths.
pub(super) fn subtree(tree: &Tree, path: &str) -> Tree {
    let entries = tree.iter().filter(|(at, _)| is_within(at, path));
    entries.map(|(at, item)| (at[path.len()..].to_owned(), *item)).collect()
}

pub(super) fn remove(tree: &mut Tree, path: &str) {
    tree.retain(|at, _| !is_within(at, path));
}

pub(super) fn insert(tree: &mut Tree, path: &str, entries: Tree) {
    tree.extend(entries.into_iter().map(|(rest, item)| (format!("{path}{rest}"), item)));
}

/// What the feed says of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reported {
    pub(super) kind: ChangeKind,
    pub(super) path: String,
    pub(super) from: Option<String>,
    pub(super) item: Option<Item>,
}

/// The state of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct World {
    pub(super) exists: bool,
    pub(super) tree: Arc<Tree>,
    /// By the time of the deletion. The path is absent for a root directory that a restore has replaced.
    pub(super) trash: Arc<BTreeMap<Millis, (Option<String>, Tree)>>,
    pub(super) snapshots: Arc<BTreeMap<SnapshotId, Arc<Tree>>>,
    /// The snapshot whose restore was requested last.
    pub(super) restored: Option<SnapshotId>,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            exists: true,
            tree: Arc::default(),
            trash: Arc::default(),
            snapshots: Arc::default(),
            restored: None,
        }
    }

    /// The tree at a snapshot, or now.
    pub(super) fn tree_at(&self, at: Option<SnapshotId>) -> Option<&Tree> {
        match at {
            Some(at) => self.snapshots.get(&at).map(|tree| &**tree),
            None => Some(&self.tree),
        }
    }

    /// What is in a directory, by name. Fails if it is none.
    pub(super) fn list(tree: &Tree, path: &FilePath) -> Result<Tree, Refusal> {
        if !has_directory(tree, path)? {
            return Err(Refusal::FileNotFound);
        }
        let prefix = if path.is_root() { "" } else { path.as_str() };
        let below = tree
            .iter()
            .filter_map(|(at, item)| Some((at.strip_prefix(prefix)?.strip_prefix('/')?, *item)));
        let children = below.filter(|(rest, _)| !rest.contains('/'));
        Ok(children.map(|(name, item)| (name.to_owned(), item)).collect())
    }

    /// The content of a file.
    pub(super) fn read(tree: &Tree, path: &FilePath) -> Result<usize, Refusal> {
        if let Some((parent, _)) = path.split()
            && !has_directory(tree, &parent)?
        {
            return Err(Refusal::FileNotFound);
        }
        match tree.get(path.as_str()) {
            None if path.is_root() => Err(Refusal::IsADirectory),
            None => Err(Refusal::FileNotFound),
            Some(Item::Directory) => Err(Refusal::IsADirectory),
            Some(Item::File(content)) => Ok(*content),
        }
    }

    pub(super) fn differences(from: &Tree, to: &Tree) -> BTreeMap<String, ChangeKind> {
        let mut differences = BTreeMap::new();
        for path in from.keys().chain(to.keys()) {
            let kind = match (from.get(path), to.get(path)) {
                (one, other) if one == other => continue,
                (None, _) => ChangeKind::Created,
                (_, None) => ChangeKind::Deleted,
                _ => ChangeKind::Changed,
            };
            differences.insert(path.clone(), kind);
        }
        differences
    }
}

/// Whether there is a directory at this path. Fails if a file is on the way.
fn has_directory(tree: &Tree, path: &FilePath) -> Result<bool, Refusal> {
    let mut at = String::new();
    for name in path.names() {
        at = format!("{at}/{name}");
        match tree.get(&at) {
            None => return Ok(false),
            Some(Item::File(_)) => return Err(Refusal::NotADirectory),
            Some(Item::Directory) => {}
        }
    }
    Ok(true)
}

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

    fn replace(&mut self, path: &FilePath, target: Option<Item>) {
        match target {
            Some(Item::Directory) => self.trash(path),
            Some(Item::File(_)) => remove(self.tree(), path.as_str()),
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
        self.trash(&delete.path);
        let effect = Effect::Deleted;
        Ok(Shown { effect, entry: None })
    }

    fn trash(&mut self, path: &FilePath) {
        let entries = subtree(&self.world.tree, path.as_str());
        remove(self.tree(), path.as_str());
        let item = (Some(path.as_str().to_owned()), entries);
        Arc::make_mut(&mut self.world.trash).insert(self.at, item);
        self.report(ChangeKind::Deleted, path, None, None);
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
        let domain::files::changeset::Replacement::Text { find, replace, .. } = replacement else {
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
        (Precondition::None, _) => true,
        (Precondition::Exists, item) => item.is_some(),
        (Precondition::Absent, item) => item.is_none(),
        (Precondition::Matches(tags), Some(Item::File(content))) => tags.contains(&tag(content)),
        (Precondition::Matches(_), _) => false,
        (Precondition::Differs(tags), Some(Item::File(content))) => !tags.contains(&tag(content)),
        (Precondition::Differs(_), _) => true,
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
