//! The model: the files of a session as a map of paths.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::SnapshotId;
use domain::files::FilePath;
use domain::files::changes::ChangeKind;

use super::contents::Item;
use super::history::{Millis, Refusal};

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
pub(super) fn has_directory(tree: &Tree, path: &FilePath) -> Result<bool, Refusal> {
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
