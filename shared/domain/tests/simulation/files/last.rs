//! After the last fault: what clients read, and what remains once snapshots and sessions are deleted.

use std::collections::{BTreeMap, BTreeSet};

use domain::check;
use domain::files::ops::{Listing, Selection};
use domain::files::snapshots;
use domain::files::trash;
use domain::files::{FileEntry, FilePath};
use domain::id::Id as _;
use domain::usage::Quota;
use domain::{Env, Error, SessionId, SnapshotId, TenantId, sessions};
use kv::{Element, Entry};

use super::client::{Owned, all, content, trashed};
use super::contents::{CONTENTS, Item};
use super::history::{Reply, Trashed};
use super::world::{Tree, World};

/// What a client reads of a session that exists.
#[derive(Debug)]
pub(super) struct Observed {
    tree: Tree,
    snapshots: BTreeMap<SnapshotId, Tree>,
    trash: BTreeSet<Trashed>,
}

impl Observed {
    /// Reads everything in a session; `None` if it is gone.
    pub(super) async fn read(env: &Env, of: Owned) -> Option<Self> {
        let caller = &of.caller(env.clock.now());
        let page = match snapshots::ops::list(env, caller, of.session, all(), None).await {
            Err(Error::NotFound) => return None,
            page => page.expect("the session exists"),
        };
        let mut snapshots = BTreeMap::new();
        for snapshot in page.snapshots {
            snapshots.insert(snapshot.id, tree(env, of, Some(snapshot.id)).await);
        }
        let items = trash::ops::list(env, caller, of.session, all(), None).await;
        Some(Self {
            tree: tree(env, of, None).await,
            snapshots,
            trash: items.expect("the session exists").items.iter().map(trashed).collect(),
        })
    }

    /// Whether this is what a client reads of a world.
    pub(super) fn is_of(&self, world: &World) -> bool {
        let snapshots = world.snapshots.iter().map(|(id, tree)| (*id, (**tree).clone()));
        let has_item = |item: &Trashed| {
            let of = world.trash.get(&item.deleted_at);
            of.is_some_and(|(path, _)| path.as_ref().is_none_or(|path| path == item.path.as_str()))
        };
        world.exists
            && self.tree == *world.tree
            && self.snapshots == snapshots.collect()
            && self.trash.iter().all(has_item)
    }

    /// The files and directories in the tree and in the trash.
    fn items(&self, world: &World) -> Vec<Item> {
        let trashed = self.trash.iter().filter_map(|item| world.trash.get(&item.deleted_at));
        let trashed = trashed.flat_map(|(_, entries)| entries.values());
        self.tree.values().chain(trashed).copied().collect()
    }
}

/// Reads all files, with their contents.
async fn tree(env: &Env, of: Owned, at: Option<SnapshotId>) -> Tree {
    let caller = &of.caller(env.clock.now());
    let (mut tree, mut directories) = (Tree::new(), vec![FilePath::root()]);
    while let Some(path) = directories.pop() {
        let listing = Listing {
            path,
            at,
            limit: all(),
            after: None,
        };
        let page = domain::files::ops::list(env, caller, of.session, &listing).await;
        for entry in page.expect("the directory exists").entries {
            let item = Item::of(&entry.node);
            if item == Item::Directory {
                directories.push(entry.path.clone());
            } else {
                let everything = |_: &FileEntry| Selection::Bytes(0..u64::MAX);
                let read = domain::files::ops::read(env, caller, of.session, &entry.path, at, everything).await;
                let read = content(&read.expect("the file exists"));
                assert!(matches!(read, Reply::Content(content) if item == Item::File(content)));
            }
            tree.insert(entry.path.to_string(), item);
        }
    }
    tree
}

pub(super) async fn delete_snapshots(env: &Env, of: Owned) {
    let caller = &of.caller(env.clock.now());
    let page = snapshots::ops::list(env, caller, of.session, all(), None).await;
    for snapshot in page.expect("the session exists").snapshots {
        let deleted = snapshots::ops::delete(env, caller, of.session, snapshot.id).await;
        deleted.expect("the snapshot exists");
    }
}

pub(super) async fn delete_session(env: &Env, of: Owned) {
    let caller = &of.caller(env.clock.now());
    let deleted = sessions::ops::delete(env, caller, of.session, |_| true).await;
    deleted.expect("the session exists");
}

/// Every invariant that the store violates.
pub(super) async fn findings(env: &Env, when: &str) -> Vec<String> {
    let checked = check::check(env, usize::MAX, |_| ()).await;
    let findings = checked.expect("a store without faults responds").findings;
    let findings = findings.into_iter();
    findings
        .map(|finding| format!("{when}: {}: {}", finding.key, finding.problem))
        .collect()
}

/// What the store has of a tenant's files.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    /// The number of contents.
    contents: usize,
    /// The counter of files.
    files: i64,
    /// The entries of histories, and their index.
    history: usize,
}

/// What each tenant has in the store.
pub(super) fn used(entries: &[Entry], sessions: &[Owned]) -> BTreeMap<TenantId, Used> {
    let owners: BTreeMap<SessionId, TenantId> =
        sessions.iter().map(|of| (of.session, TenantId::own(of.user))).collect();
    let mut used: BTreeMap<TenantId, Used> = owners.values().map(|tenant| (*tenant, Used::default())).collect();
    for Entry { key, value } in entries {
        let elements: Vec<Element<'_>> = key.unpack().expect("every key is a tuple");
        match &elements[..] {
            [
                Element::String(space),
                Element::Uuid(tenant),
                Element::String(kind),
                rest @ ..,
            ] if space == "tenants" => {
                let Some(used) = used.get_mut(&TenantId::from_uuid(*tenant)) else {
                    continue;
                };
                match (&**kind, rest) {
                    ("contents", _) => used.contents += 1,
                    ("usage", [Element::String(quota)]) if quota == Quota::Files.as_str() => {
                        used.files = kv::counter(Some(value));
                    }
                    _ => {}
                }
            }
            [
                Element::String(space),
                Element::Uuid(session),
                Element::String(kind),
                ..,
            ] if space == "fs" && matches!(&**kind, "h" | "hx") => {
                let owner = owners.get(&SessionId::from_uuid(*session));
                if let Some(used) = owner.and_then(|owner| used.get_mut(owner)) {
                    used.history += 1;
                }
            }
            _ => {}
        }
    }
    used
}

/// What each tenant needs without snapshots: exactly what its trees and its trash contain.
pub(super) fn needed(sessions: &[(Owned, Option<(&Observed, &World)>)]) -> BTreeMap<TenantId, Used> {
    let mut items: BTreeMap<TenantId, Vec<Item>> = BTreeMap::new();
    for (of, observed) in sessions {
        let items = items.entry(TenantId::own(of.user)).or_default();
        if let Some((observed, world)) = observed {
            items.extend(observed.items(world));
        }
    }
    let used = items.into_iter().map(|(tenant, items)| {
        let contents = (0..CONTENTS.len()).filter(|content| items.contains(&Item::File(*content)));
        let used = Used {
            contents: contents.count(),
            files: i64::try_from(items.len()).unwrap_or(i64::MAX),
            history: 0,
        };
        (tenant, used)
    });
    used.collect()
}

/// Everything that files have left in the store, after their sessions are gone. For some weeks, the outcomes of commits
/// may be left, and work for the time at which items of the trash would have expired.
pub(super) fn remains(entries: &[Entry], is_later: bool) -> Vec<String> {
    let is_left = |Entry { key, value }: &&Entry| {
        let elements: Vec<Element<'_>> = key.unpack().expect("every key is a tuple");
        match &elements[..] {
            [Element::String(space), ..]
                if matches!(&**space, "fs" | "garbage" | "file_feeds" | "object_deletions") =>
            {
                true
            }
            [Element::String(space), ..] if space == "file_jobs" => is_later,
            [Element::String(space), _, Element::String(kind), rest @ ..] if space == "tenants" => match &**kind {
                "usage" => {
                    let is_empty = kv::counter(Some(value)) == 0;
                    matches!(rest, [Element::String(_)]) && !is_empty
                }
                "committed_uploads" => is_later,
                kind => kind.starts_with("content") || kind.contains("upload"),
            },
            _ => false,
        }
    };
    let left = entries.iter().filter(is_left);
    left.map(|entry| format!("{:?} is left", entry.key)).collect()
}
