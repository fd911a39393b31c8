//! What a client calls next. Few names and contents, so that clients meet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::contents::Content;
use domain::files::changeset::{Delete, Edit, MakeDirectory, Operation, Overwrite, Put, Replacement, Source, Transfer};
use domain::files::{FilePath, Precondition};
use domain::id::Id as _;
use domain::{SessionId, SnapshotId, UploadId};
use fastrand::Rng;
use uuid::Uuid;

use super::contents::{CONTENTS, EDITABLE, LARGEST, tag, text};
use super::history::{Begun, Call, Mode, Trashed};
use super::shared::Shared;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// What most calls of a run are about, so that those meet that seldom do otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Focus {
    Everything,
    /// Moves of directories into each other.
    Moves,
    /// Files that get and lose the same few contents, while the janitor removes contents.
    Contents,
    Snapshots,
    Uploads,
}

impl Focus {
    pub(super) fn choose(rng: &mut Rng) -> Self {
        match rng.u32(..10) {
            0..4 => Self::Everything,
            4 | 5 => Self::Moves,
            6 | 7 => Self::Contents,
            8 => Self::Snapshots,
            _ => Self::Uploads,
        }
    }

    /// The longest pause of a client between two calls, in milliseconds.
    pub(super) fn pause(self) -> u64 {
        if self == Self::Everything { 100 } else { 20 }
    }

    /// Whether the janitor has no pauses.
    pub(super) fn sweeps_always(self) -> bool {
        matches!(self, Self::Contents | Self::Snapshots)
    }
}

/// Chooses the calls of a client.
#[derive(Clone)]
pub(super) struct Chooser {
    pub(super) rng: Rng,
    pub(super) focus: Focus,
    /// Whether the client may delete a session.
    pub(super) deletes_sessions: bool,
    pub(super) shared: Arc<Mutex<Shared>>,
    /// Where something was lately in the session that the client uses.
    pub(super) known: Vec<FilePath>,
}

impl Chooser {
    pub(super) fn new(mut rng: Rng, focus: Focus, shared: Arc<Mutex<Shared>>) -> Self {
        Self {
            // In a quarter of the runs.
            deletes_sessions: rng.u32(..4) == 0,
            rng,
            focus,
            shared,
            known: Vec::new(),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call, with the upload that it is about; `None` if it needs something that does not exist yet.
    pub(super) fn choose(&mut self, session: SessionId) -> Option<(Call, Option<Begun>)> {
        let known = of_session(&self.shared().paths, session);
        self.known = known;
        if self.rng.u32(..5) > 0 {
            match self.focus {
                Focus::Everything => {}
                Focus::Moves => return Some((self.crossing_move(), None)),
                Focus::Contents => return Some((self.change_of_content(), None)),
                Focus::Snapshots => return Some((self.call_of_snapshots(session), None)),
                Focus::Uploads => return self.upload(session),
            }
        }
        let call = match self.rng.u32(..100) {
            0..42 => {
                let operations = vec![self.operation(true)];
                let mode = Mode::Single;
                Call::Apply { operations, mode }
            }
            42..50 => self.changeset(),
            50..57 => Call::Copy(self.transfer(true)),
            57..59 => Call::ListTrash,
            59..64 => match self.item(session) {
                Some(item) => Call::RestoreItem(item),
                None if self.rng.bool() => Call::ListTrash,
                None => return None,
            },
            64 => Call::EmptyTrash,
            65..70 => Call::TakeSnapshot,
            70..74 => Call::DeleteSnapshot(self.snapshot(session)?),
            74..77 => Call::RestoreSnapshot(self.snapshot(session)?),
            77..81 => {
                let (path, at) = (self.directory(), self.version(session));
                Call::List { path, at }
            }
            81..85 => {
                let (path, at) = (self.existing(), self.version(session));
                Call::Read { path, at }
            }
            85..88 => {
                let (from, to) = (self.snapshot(session)?, self.version(session));
                Call::Differences { from, to }
            }
            88..89 => Call::ListSnapshots,
            _ if self.deletes_sessions && self.rng.u32(..3) == 0 => Call::DeleteSession,
            _ => return self.upload(session),
        };
        Some((call, None))
    }

    /// What a session contains at first.
    pub(super) fn first_content(&mut self) -> Call {
        let paths = match self.focus {
            Focus::Moves => ["/a/b/c", "/b/a/c", "/c/a/b", "/b/b"],
            Focus::Contents => ["/a", "/b", "/c", "/a"],
            _ => ["/a/b", "/b/c", "/b/b/a", "/c"],
        };
        let operations = paths.map(|path| {
            Operation::Put(Put {
                path: FilePath::parse(path).expect("the path is valid"),
                source: Source::Content(CONTENTS[self.rng.usize(..CONTENTS.len() - 1)].clone()),
                parents: true,
                precondition: Precondition::None,
            })
        });
        Call::Apply {
            operations: operations.into(),
            mode: Mode::Changeset,
        }
    }

    /// Mostly moves a directory into another one.
    fn crossing_move(&mut self) -> Call {
        let (from, to, name) = (self.path_of(1), self.path_of(1), self.path_of(1));
        let inner = |outer: &FilePath| FilePath::parse(&format!("{outer}{name}")).expect("the path is valid");
        let operation = match self.rng.u32(..8) {
            0 => Operation::MakeDirectory(MakeDirectory {
                path: from,
                parents: true,
                precondition: Precondition::None,
            }),
            kind => Operation::Move(Transfer {
                from: if kind < 4 { inner(&from) } else { from.clone() },
                to: if kind < 3 { to } else { inner(&to) },
                overwrite: Overwrite::Never,
                parents: false,
                precondition: Precondition::None,
            }),
        };
        Call::Apply {
            operations: vec![operation],
            mode: Mode::Single,
        }
    }

    /// Writes one of two contents to one of a few files, or copies one.
    fn change_of_content(&mut self) -> Call {
        let (path, from) = (self.path_of(1), self.path_of(1));
        let content = &CONTENTS[self.rng.usize(..2)];
        let operation = match self.rng.u32(..8) {
            0 => Operation::Copy(Transfer {
                from,
                to: path,
                overwrite: Overwrite::Always,
                parents: false,
                precondition: Precondition::None,
            }),
            kind => Operation::Put(Put {
                path,
                source: if kind < 3 {
                    Source::Stored(content.digest())
                } else {
                    Source::Content(content.clone())
                },
                parents: false,
                precondition: Precondition::None,
            }),
        };
        Call::Apply {
            operations: vec![operation],
            mode: Mode::Single,
        }
    }

    fn call_of_snapshots(&mut self, session: SessionId) -> Call {
        let kind = self.rng.u32(..8);
        match self.snapshot(session) {
            Some(id) if kind < 2 => Call::DeleteSnapshot(id),
            Some(id) if kind < 5 => Call::RestoreSnapshot(id),
            _ if kind < 6 => Call::TakeSnapshot,
            _ => Call::Apply {
                operations: vec![self.operation(true)],
                mode: Mode::Single,
            },
        }
    }

    /// Several operations, of which one may trash.
    fn changeset(&mut self) -> Call {
        let count = self.rng.usize(2..5);
        let first = self.rng.usize(..count);
        let operations = (0..count).map(|index| self.operation(index == first)).collect();
        let mode = if self.rng.u32(..4) == 0 {
            Mode::Rehearsal
        } else {
            Mode::Changeset
        };
        Call::Apply { operations, mode }
    }

    fn operation(&mut self, may_trash: bool) -> Operation {
        match self.rng.u32(..20) {
            0..6 => {
                let content = self.rng.usize(..CONTENTS.len() - 1);
                let content: &Content = &CONTENTS[content];
                Operation::Put(Put {
                    path: self.path(),
                    source: if self.rng.u32(..5) == 0 {
                        Source::Stored(content.digest())
                    } else {
                        Source::Content(content.clone())
                    },
                    parents: self.rng.u32(..4) > 0,
                    precondition: self.precondition(),
                })
            }
            6..8 => Operation::MakeDirectory(MakeDirectory {
                path: self.path(),
                parents: self.rng.u32(..4) > 0,
                precondition: if self.rng.u32(..4) == 0 {
                    Precondition::Absent
                } else {
                    Precondition::None
                },
            }),
            8..10 => {
                let contents = [(); 2].map(|()| text(self.rng.usize(..EDITABLE)).into_bytes());
                let [find, replace] = contents;
                Operation::Edit(Edit {
                    path: self.existing(),
                    replacements: vec![Replacement::Text {
                        find,
                        replace,
                        count: 1,
                    }],
                    precondition: self.precondition(),
                })
            }
            10..14 => Operation::Move(self.transfer(may_trash)),
            14..16 => Operation::Copy(self.transfer(may_trash)),
            _ if !may_trash => Operation::Copy(self.transfer(false)),
            _ => Operation::Delete(Delete {
                path: self.existing(),
                recursive: self.rng.u32(..4) > 0,
                precondition: self.precondition(),
            }),
        }
    }

    fn transfer(&mut self, may_trash: bool) -> Transfer {
        let (from, mut to) = (self.existing(), self.path());
        // Often into the other one.
        if self.rng.u32(..5) == 0 {
            let name = self.rng.choice(NAMES).unwrap_or_default();
            to = FilePath::parse(&format!("{}/{name}", to.as_str().trim_end_matches('/'))).unwrap_or(to);
        }
        Transfer {
            from,
            to,
            overwrite: match self.rng.u32(..7) {
                _ if !may_trash => Overwrite::Never,
                0..2 => Overwrite::Never,
                2..6 => Overwrite::Always,
                _ => Overwrite::If(self.precondition()),
            },
            parents: self.rng.u32(..4) > 0,
            precondition: self.precondition(),
        }
    }

    /// Mostly none. Tags are those of files.
    fn precondition(&mut self) -> Precondition {
        let tag = tag(self.rng.usize(..CONTENTS.len()));
        match self.rng.u32(..30) {
            0 => Precondition::Absent,
            1 => Precondition::Exists,
            2..4 => Precondition::Matches(vec![tag]),
            4 => Precondition::Differs(vec![tag]),
            _ => Precondition::None,
        }
    }

    /// Mostly a path where something was lately.
    fn existing(&mut self) -> FilePath {
        let known = std::mem::take(&mut self.known);
        let lately = if self.rng.u32(..8) > 0 {
            self.newest(&known)
        } else {
            None
        };
        self.known = known;
        lately.unwrap_or_else(|| self.path())
    }

    /// One to three names, or where something was lately; rarely the root directory.
    fn path(&mut self) -> FilePath {
        if self.rng.u32(..3) == 0 && !self.known.is_empty() {
            return self.existing();
        }
        let levels = match self.rng.u32(..40) {
            0 => 0,
            1..18 => 1,
            18..32 => 2,
            _ => 3,
        };
        self.path_of(levels)
    }

    fn directory(&mut self) -> FilePath {
        if self.rng.bool() {
            let path = self.path();
            return path.split().map_or_else(FilePath::root, |(parent, _)| parent);
        }
        let levels = self.rng.usize(..3);
        self.path_of(levels)
    }

    fn path_of(&mut self, levels: usize) -> FilePath {
        let mut path = String::new();
        for _ in 0..levels {
            path.push('/');
            path.push_str(self.rng.choice(NAMES).unwrap_or_default());
        }
        if path.is_empty() {
            path.push('/');
        }
        FilePath::parse(&path).expect("the path is valid")
    }

    /// Mostly one of the newest, so that clients use the same ones.
    fn newest<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        let newest = &all[all.len().saturating_sub(4)..];
        let some = if self.rng.u32(..4) == 0 { all } else { newest };
        self.rng.choice(some).cloned()
    }

    fn snapshot(&mut self, session: SessionId) -> Option<SnapshotId> {
        let all = of_session(&self.shared().snapshots, session);
        self.newest(&all)
    }

    /// A snapshot, or the files as they are.
    fn version(&mut self, session: SessionId) -> Option<SnapshotId> {
        if self.rng.bool() { self.snapshot(session) } else { None }
    }

    fn item(&mut self, session: SessionId) -> Option<Trashed> {
        let all = of_session(&self.shared().trashed, session);
        // Otherwise it looks for newer ones.
        if self.rng.u32(..3) > 0 { self.newest(&all) } else { None }
    }

    fn upload(&mut self, session: SessionId) -> Option<(Call, Option<Begun>)> {
        let known = self.shared().uploads.clone();
        let known: Vec<_> = known.into_iter().filter(|upload| upload.session == session).collect();
        let kind = self.rng.u32(..10);
        if kind < 1 || known.is_empty() {
            let is_large = self.rng.u32(..6) == 0;
            let begun = Begun {
                id: UploadId::from_uuid(Uuid::nil()),
                session,
                path: self.path(),
                content: if is_large { LARGEST } else { self.rng.usize(..EDITABLE) },
                has_digest: self.rng.bool(),
                parts: if is_large { 2 } else { 1 },
                part_size: 65_536,
            };
            return Some((Call::CreateUpload, Some(begun)));
        }
        let begun = self.newest(&known[known.len() - 1..])?;
        let upload = begun.id;
        let call = match kind {
            1..6 => {
                let is_wrong = begun.parts == 1 && self.rng.u32(..4) == 0;
                Call::PutPart {
                    upload,
                    number: self.rng.u16(1..=begun.parts),
                    content: if is_wrong {
                        (begun.content + 1) % EDITABLE
                    } else {
                        begun.content
                    },
                }
            }
            6..9 => Call::Commit {
                upload,
                precondition: self.precondition(),
                parents: self.rng.u32(..4) > 0,
            },
            _ => Call::Cancel(upload),
        };
        Some((call, Some(begun)))
    }
}

fn of_session<T: Clone>(all: &[(SessionId, T)], session: SessionId) -> Vec<T> {
    let all = all.iter().filter(|(of, _)| *of == session);
    all.map(|(_, one)| one.clone()).collect()
}
