//! What a client calls next. Few names and contents, so that clients meet.

use domain::contents::Content;
use domain::files::changeset::{
    Delete, Edit, MakeDirectory, Operation, Overwrite, Put, Replacement, Source, Transfer,
};
use domain::files::{FilePath, Precondition};
use domain::id::Id as _;
use domain::{SessionId, SnapshotId, UploadId};
use uuid::Uuid;

use super::client::FileClient;
use super::history::{Begun, Call, Mode, Trashed};
use super::world::{CONTENTS, EDITABLE, LARGEST, tag, text};

const NAMES: [&str; 3] = ["a", "b", "c"];

impl FileClient {
    /// A call, with the upload that it is about; `None` if it needs something that does not exist yet.
    pub(super) fn choose(&mut self, session: SessionId) -> Option<(Call, Option<Begun>)> {
        let call = match self.rng.u32(..100) {
            0..42 => {
                let operations = vec![self.operation(true)];
                let mode = Mode::Single;
                Call::Apply { operations, mode }
            }
            42..50 => self.changeset(),
            50..57 => Call::Copy(self.transfer()),
            57..60 => Call::ListTrash,
            60..64 => Call::RestoreItem(self.item(session)?),
            64..66 => Call::EmptyTrash,
            66..71 => Call::TakeSnapshot,
            71..74 => Call::DeleteSnapshot(self.snapshot(session)?),
            74..77 => Call::RestoreSnapshot(self.snapshot(session)?),
            77..81 => {
                let (path, at) = (self.directory(), self.version(session));
                Call::List { path, at }
            }
            81..85 => {
                let (path, at) = (self.path(), self.version(session));
                Call::Read { path, at }
            }
            85..88 => {
                let (from, to) = (self.snapshot(session)?, self.version(session));
                Call::Differences { from, to }
            }
            88..89 => Call::ListSnapshots,
            89..99 => return self.upload(session),
            _ if self.deletes_sessions && self.rng.u32(..2) == 0 => Call::DeleteSession,
            _ => Call::ListSnapshots,
        };
        Some((call, None))
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
            0..7 => {
                let content = self.rng.usize(..CONTENTS.len() - 1);
                let content: &Content = &CONTENTS[content];
                Operation::Put(Put {
                    path: self.path(),
                    source: if self.rng.u32(..5) == 0 {
                        Source::Stored(content.digest())
                    } else {
                        Source::Content(content.clone())
                    },
                    parents: self.rng.bool(),
                    precondition: self.precondition(),
                })
            }
            7..9 => Operation::MakeDirectory(MakeDirectory {
                path: self.path(),
                parents: self.rng.bool(),
                precondition: if self.rng.u32(..4) == 0 {
                    Precondition::Absent
                } else {
                    Precondition::None
                },
            }),
            9..11 => {
                let contents = [(); 2].map(|()| text(self.rng.usize(..EDITABLE)).into_bytes());
                let [find, replace] = contents;
                Operation::Edit(Edit {
                    path: self.path(),
                    replacements: vec![Replacement::Text {
                        find,
                        replace,
                        count: 1,
                    }],
                    precondition: self.precondition(),
                })
            }
            11..15 => {
                let mut transfer = self.transfer();
                if !may_trash {
                    transfer.overwrite = Overwrite::Never;
                }
                Operation::Move(transfer)
            }
            15..17 => Operation::Copy(self.transfer()),
            _ if !may_trash => Operation::Copy(self.transfer()),
            _ => Operation::Delete(Delete {
                path: self.path(),
                recursive: self.rng.u32(..4) > 0,
                precondition: self.precondition(),
            }),
        }
    }

    fn transfer(&mut self) -> Transfer {
        Transfer {
            from: self.path(),
            to: self.path(),
            overwrite: match self.rng.u32(..5) {
                0..2 => Overwrite::Never,
                2..4 => Overwrite::Always,
                _ => Overwrite::If(self.precondition()),
            },
            parents: self.rng.bool(),
            precondition: self.precondition(),
        }
    }

    /// Mostly none. Tags are those of files.
    fn precondition(&mut self) -> Precondition {
        let tag = tag(self.rng.usize(..CONTENTS.len()));
        match self.rng.u32(..16) {
            0 => Precondition::Absent,
            1 => Precondition::Exists,
            2..4 => Precondition::Matches(vec![tag]),
            4 => Precondition::Differs(vec![tag]),
            _ => Precondition::None,
        }
    }

    /// A path of one to three names, rarely the root directory.
    fn path(&mut self) -> FilePath {
        let levels = match self.rng.u32(..40) {
            0 => 0,
            1..18 => 1,
            18..32 => 2,
            _ => 3,
        };
        self.path_of(levels)
    }

    fn directory(&mut self) -> FilePath {
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
        let newest = &all[all.len().saturating_sub(3)..];
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
        self.newest(&all)
    }

    fn upload(&mut self, session: SessionId) -> Option<(Call, Option<Begun>)> {
        let known = self.shared().uploads.clone();
        let known: Vec<_> = known.into_iter().filter(|upload| upload.session == session).collect();
        let kind = self.rng.u32(..10);
        if kind < 3 || known.is_empty() {
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
        let begun = self.newest(&known)?;
        let upload = begun.id;
        let call = match kind {
            3..7 => {
                let is_wrong = begun.parts == 1 && self.rng.u32(..6) == 0;
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
            7..9 => Call::Commit {
                upload,
                precondition: self.precondition(),
                parents: self.rng.bool(),
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
