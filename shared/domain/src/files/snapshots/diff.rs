//! What differs between a snapshot and another one, or the files as they are.

use std::collections::VecDeque;

use futures_util::try_join;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::files::changes::ChangeKind;
use crate::files::snapshots::store::{self, View};
use crate::files::store::Files;
use crate::files::{Entry, FilePath, Node};
use crate::id::{DirectoryId, SessionId, SnapshotId};
use crate::page::{Cursor, Limit};
use crate::role::Permission;
use crate::scope::caller::Caller;
use crate::tenants;

/// The name of this list in its cursors.
const LIST: &str = "files.diff";

/// The number of reads of parts of directories for one page.
const MAX_READS: usize = 40;

/// The number of entries that one page compares.
const MAX_COMPARED: usize = 2000;

/// The number of entries of a directory that one read returns.
const BATCH: usize = 200;

/// The number of bytes of a path beyond which nothing is compared. Moves of directories can make paths of any length,
/// and a cursor has to fit into the head of a request (API Gateway: 10,240 bytes).
pub(in crate::files) const MAX_PATH_BYTES: usize = 4096;

/// The maximum length of a cursor in characters.
pub const MAX_CURSOR_CHARS: usize = Cursor::chars(1 + MAX_PATH_BYTES + 1 + FilePath::MAX_NAME_BYTES);

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path.
    pub path: FilePath,
    /// What happened to the entry from the snapshot to the other one: it was created, changed or deleted. A moved entry
    /// was deleted in one place and created in another.
    pub kind: ChangeKind,
}

/// A page of differences.
#[derive(Clone, Debug)]
pub struct Page {
    /// Differences, in the order of the tree: by name, and what a directory contains directly after it. A page may be
    /// short without being the last.
    pub changes: Vec<Difference>,
    /// The cursor of the next page; `None` on the last.
    pub next: Option<Cursor>,
}

/// What differs from the snapshot `from` to the snapshot `to`, or to the files as they are; each page of the latter
/// compares with those of its time. Two files differ if their contents do, a file and a directory always, and two
/// directories never, unless their path has more than 4,096 bytes: what is below them is not compared, so they count as
/// changed.
pub async fn diff(
    env: &Env,
    caller: &Caller,
    session: SessionId,
    from: SnapshotId,
    to: Option<SnapshotId>,
    limit: Limit,
    after: Option<&Cursor>,
) -> Result<Page> {
    let position = match after {
        Some(cursor) => Position::decode(cursor.position()).ok_or(Error::BadCursor)?,
        None => Position::start(),
    };
    let position = &position;
    let other = to.map(|id| id.to_string()).unwrap_or_default();
    let filter = &format!("{session} {from} {other}");
    env.in_tenant(caller, Permission::ReadFiles, |txn, scope| async move {
        let files = Files {
            txn: &txn,
            scope,
            session,
        };
        let other = async {
            match to {
                Some(to) => store::get(&files, to).await.map(Some),
                None => Ok(None),
            }
        };
        let (state, key, from, to) = try_join!(
            files.state(),
            tenants::store::cursor_key(&txn, scope),
            store::get(&files, from),
            other
        )?;
        if let Some(cursor) = after {
            cursor.verify(&key, LIST, filter)?;
        }
        let views = [
            View::of(files, &from),
            match &to {
                Some(to) => View::of(files, to),
                None => View {
                    files,
                    epoch: state.head.epoch,
                    root: state.head.root,
                },
            },
        ];
        let mut walk = Walk::resume(views, position).await?;
        let (changes, next) = walk.page(limit.get()).await?;
        Ok(Page {
            changes,
            next: next.map(|position| Cursor::new(&key, LIST, filter, &position.encode())),
        })
    })
    .await
}

/// How far a comparison is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Position {
    /// Everything before this path was compared, and the path itself.
    path: FilePath,
    /// Whether everything below it was, too.
    is_done: bool,
}

impl Position {
    fn start() -> Self {
        Self {
            path: FilePath::root(),
            is_done: false,
        }
    }

    fn encode(&self) -> Vec<u8> {
        [&[u8::from(self.is_done)], self.path.as_str().as_bytes()].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (is_done, path) = bytes.split_first()?;
        let names = str::from_utf8(path).ok()?.split('/').filter(|name| !name.is_empty());
        Some(Self {
            path: names.fold(FilePath::root(), |parent, name| parent.child(name)),
            is_done: *is_done != 0,
        })
    }
}

/// A directory of one of the trees, as far as it was read.
struct Side {
    directory: DirectoryId,
    found: VecDeque<(String, Entry)>,
    /// The name after which the next read begins.
    after: Option<String>,
    has_more: bool,
}

impl Side {
    fn new(directory: DirectoryId, after: Option<&str>) -> Self {
        Self {
            directory,
            found: VecDeque::new(),
            after: after.map(str::to_owned),
            has_more: true,
        }
    }

    fn first(&self) -> Option<&str> {
        self.found.front().map(|(name, _)| &**name)
    }

    /// Takes the first entry if it has this name.
    fn take(&mut self, name: &str) -> Option<Entry> {
        if self.first() == Some(name) {
            self.found.pop_front().map(|(_, entry)| entry)
        } else {
            None
        }
    }

    async fn read(&mut self, view: &View<'_>) -> Result<()> {
        let (found, next) = view.entries(self.directory, self.after.as_deref(), BATCH).await?;
        self.found.extend(found);
        self.has_more = next.is_some();
        self.after = next;
        Ok(())
    }
}

/// A path at which at least one of the trees has a directory.
struct Level {
    path: FilePath,
    sides: [Option<Side>; 2],
}

impl Level {
    /// The sides of which an entry before the known ones of the other may be unread.
    fn unread(&self) -> [bool; 2] {
        let is_unread = |one: usize, other: usize| {
            let Some(side) = &self.sides[one] else { return false };
            let other = self.sides[other].as_ref().and_then(Side::first);
            // All up to `after` is read.
            let is_ahead = other.is_some_and(|other| side.after.as_deref().is_some_and(|after| other <= after));
            side.found.is_empty() && side.has_more && !is_ahead
        };
        [is_unread(0, 1), is_unread(1, 0)]
    }

    /// How far the comparison is if it ends before a read.
    fn position(&self) -> Position {
        let unread = self.unread();
        let ends = self.sides.iter().zip(unread).filter(|(_, is_unread)| *is_unread);
        let ends = ends.map(|(side, _)| side.as_ref().and_then(|side| side.after.as_deref()));
        match ends.min().flatten() {
            Some(name) => Position {
                path: self.path.child(name),
                is_done: true,
            },
            None => Position {
                path: self.path.clone(),
                is_done: false,
            },
        }
    }

    /// Takes the next entries: the name, and what each tree has there.
    fn next(&mut self) -> Option<(String, [Option<Entry>; 2])> {
        let name = self.sides.iter().flatten().filter_map(Side::first).min()?.to_owned();
        let entries = self
            .sides
            .each_mut()
            .map(|side| side.as_mut().and_then(|side| side.take(&name)));
        Some((name, entries))
    }
}

/// A comparison of two trees, in progress.
struct Walk<'a> {
    views: [View<'a>; 2],
    /// The directories from the root directory to the one in progress.
    levels: Vec<Level>,
}

impl<'a> Walk<'a> {
    /// Continues at a position.
    async fn resume(views: [View<'a>; 2], position: &Position) -> Result<Self> {
        let mut directories = [Some(views[0].root), Some(views[1].root)];
        let (mut levels, mut path) = (Vec::new(), FilePath::root());
        for name in position.path.names() {
            let find = async |index: usize| match directories[index] {
                Some(directory) => views[index].entry(directory, name).await,
                None => Ok(None),
            };
            let (one, other) = try_join!(find(0), find(1))?;
            let below = [one, other].map(|entry| entry.and_then(|entry| entry.node.directory()));
            let child = path.child(name);
            let sides = directories.map(|directory| directory.map(|directory| Side::new(directory, Some(name))));
            levels.push(Level { path, sides });
            (path, directories) = (child, below);
        }
        if !position.is_done {
            let sides = directories.map(|directory| directory.map(|directory| Side::new(directory, None)));
            levels.push(Level { path, sides });
        }
        Ok(Self { views, levels })
    }

    /// Up to `limit` differences, and the position after them; `None` at the end.
    async fn page(&mut self, limit: usize) -> Result<(Vec<Difference>, Option<Position>)> {
        let (mut changes, mut reads, mut compared) = (Vec::new(), 0, 0);
        while let Some(level) = self.levels.last_mut() {
            let [one, other] = level.unread();
            if one || other {
                if reads >= MAX_READS {
                    return Ok((changes, Some(level.position())));
                }
                reads += usize::from(one) + usize::from(other);
                let [first, second] = &mut level.sides;
                try_join!(read(first, &self.views[0], one), read(second, &self.views[1], other))?;
                continue;
            }
            let Some((name, entries)) = level.next() else {
                self.levels.pop();
                continue;
            };
            let path = level.path.child(&name);
            compared += 1;
            let [one, other] = &entries;
            let is_deep = path.as_str().len() > MAX_PATH_BYTES;
            if let Some(kind) = difference(one.as_ref(), other.as_ref(), is_deep) {
                let path = path.clone();
                changes.push(Difference { path, kind });
            }
            let below = entries.map(|entry| {
                let directory = entry.filter(|_| !is_deep).and_then(|entry| entry.node.directory())?;
                Some(Side::new(directory, None))
            });
            if changes.len() == limit || compared == MAX_COMPARED {
                let is_done = below.iter().all(Option::is_none);
                return Ok((changes, Some(Position { path, is_done })));
            }
            if below.iter().any(Option::is_some) {
                self.levels.push(Level { path, sides: below });
            }
        }
        Ok((changes, None))
    }
}

async fn read(side: &mut Option<Side>, view: &View<'_>, is_needed: bool) -> Result<()> {
    match side {
        Some(side) if is_needed => side.read(view).await,
        _ => Ok(()),
    }
}

fn difference(one: Option<&Entry>, other: Option<&Entry>, is_deep: bool) -> Option<ChangeKind> {
    match (one.map(|entry| &entry.node), other.map(|entry| &entry.node)) {
        (None, Some(_)) => Some(ChangeKind::Created),
        (Some(_), None) => Some(ChangeKind::Deleted),
        (Some(Node::Directory { .. }), Some(Node::Directory { .. })) => is_deep.then_some(ChangeKind::Changed),
        (Some(one), Some(other)) if one.digest() == other.digest() => None,
        _ => Some(ChangeKind::Changed),
    }
}
