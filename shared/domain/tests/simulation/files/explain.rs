//! Whether a world explains the reply of a call that changed nothing in it.

use std::time::Duration;

use domain::UploadId;
use domain::contents::Digest;
use domain::files::changeset::{Operation, Put, Source};
use domain::files::trash::RETENTION;
use domain::uploads::LIFETIME;

use super::contents::{CONTENTS, Item, content_of};
use super::history::{Begun, Call, Event, Millis, Mode, Refusal, Reply, Shown};
use super::shared::Shared;
use super::transaction::{Transaction, apply};
use super::world::{Tree, World};

/// The number of preparations that a session may have at once.
const PREPARATIONS: usize = 8;

/// The time after which the janitor takes over a preparation.
const GRACE: Duration = Duration::from_secs(120);

/// What explanations know besides worlds.
pub(super) struct Calls<'a> {
    pub(super) shared: &'a Shared,
    /// Whether quotas may be exceeded.
    pub(super) has_quotas: bool,
    /// The calls for the session, and the sweeps.
    pub(super) events: Vec<&'a Event>,
}

impl<'a> Calls<'a> {
    pub(super) fn begun(&self, upload: UploadId) -> Option<&'a Begun> {
        self.shared.uploads.iter().find(|begun| begun.id == upload)
    }

    /// What a commit of an upload puts.
    pub(super) fn put_of(&self, call: &Call, content: usize) -> Option<Operation> {
        let Call::Commit {
            upload,
            precondition,
            parents,
        } = call
        else {
            return None;
        };
        Some(Operation::Put(Put {
            path: self.begun(*upload)?.path.clone(),
            source: Source::Content(CONTENTS[content].clone()),
            parents: *parents,
            precondition: precondition.clone(),
        }))
    }
}

pub(super) struct Explanation<'a> {
    pub(super) calls: &'a Calls<'a>,
    pub(super) event: &'a Event,
}

impl Explanation<'_> {
    pub(super) fn is_of(&self, world: &World) -> bool {
        let refusal = match &self.event.reply {
            Reply::Refused(refusal) => Some(refusal),
            _ => None,
        };
        if !world.exists {
            return refusal == Some(&Refusal::NotFound);
        }
        let (inner, is_quota) = match refusal {
            Some(Refusal::Operation(_, inner)) => (Some(&**inner), **inner == Refusal::Quota),
            refusal => (refusal, refusal == Some(&Refusal::Quota)),
        };
        if is_quota {
            return self.calls.has_quotas;
        }
        match &self.event.call {
            Call::Apply { operations, mode } => self.is_of_operations(world, operations, *mode, inner),
            Call::Copy(transfer) => self.is_of_copy(world, transfer, refusal),
            Call::RestoreItem(item) => {
                let restored = Transaction::on(world, self.event.at).restore_item(item.deleted_at, &item.path);
                let is_gone = refusal == Some(&Refusal::NotFound) && self.may_be_removed(item.deleted_at);
                is_gone || (refusal.is_some() && restored.err().as_ref() == refusal)
            }
            Call::TakeSnapshot | Call::EmptyTrash | Call::DeleteSession | Call::CreateUpload => refusal.is_none(),
            Call::DeleteSnapshot(id) => refusal == Some(&Refusal::NotFound) && !world.snapshots.contains_key(id),
            Call::RestoreSnapshot(id) => match refusal {
                Some(Refusal::NotFound) => !world.snapshots.contains_key(id),
                Some(Refusal::Busy) => world.restored.is_some() || self.has_many_copies(),
                _ => false,
            },
            Call::List { path, at } => {
                let list = |tree: &Tree| World::list(tree, path).map(Reply::Listing);
                self.is_read(world.tree_at(*at).map(list))
            }
            Call::Read { path, at } => {
                let read = |tree: &Tree| World::read(tree, path).map(Reply::Content);
                self.is_read(world.tree_at(*at).map(read))
            }
            Call::Differences { from, to } => {
                let trees = world.tree_at(Some(*from)).zip(world.tree_at(*to));
                let differences = trees.map(|(from, to)| Ok(Reply::Differences(World::differences(from, to))));
                self.is_read(differences)
            }
            Call::ListSnapshots => {
                let ids = world.snapshots.keys().copied().collect();
                self.is_read(Some(Ok(Reply::Snapshots(ids))))
            }
            Call::ListTrash => self.is_trash(world),
            Call::PutPart { upload, .. } => match refusal {
                None => true,
                Some(refusal) => *refusal == Refusal::NotFound && self.may_have_ended(*upload, true),
            },
            Call::Cancel(upload) => refusal == Some(&Refusal::NotFound) && self.may_have_ended(*upload, true),
            Call::Commit { upload, .. } => self.is_of_commit(world, *upload, refusal),
            Call::Sweep => true,
        }
    }

    fn is_of_operations(&self, world: &World, operations: &[Operation], mode: Mode, refusal: Option<&Refusal>) -> bool {
        let mut transaction = Transaction::on(world, self.event.at);
        if refusal == Some(&Refusal::UnknownContent) {
            transaction.lacks = self.unknown_content(operations);
            let content = transaction.lacks.and_then(|digest| content_of(&digest)).map(Item::File);
            if world.tree.values().any(|item| Some(*item) == content) {
                return false;
            }
        }
        match (apply(&mut transaction, operations, mode), &self.event.reply) {
            (Ok(shown), Reply::Outcomes(replied)) => {
                let is_unchanged = shown.iter().all(Shown::is_unchanged);
                shown == *replied && (is_unchanged || mode == Mode::Rehearsal)
            }
            (Err(expected), Reply::Refused(refusal)) => expected == *refusal,
            _ => false,
        }
    }

    /// The digest that the refused operation names.
    fn unknown_content(&self, operations: &[Operation]) -> Option<Digest> {
        let index = match &self.event.reply {
            Reply::Refused(Refusal::Operation(index, _)) => *index,
            _ => 0,
        };
        match operations.get(index) {
            Some(Operation::Put(put)) => match &put.source {
                Source::Stored(digest) => Some(*digest),
                Source::Content(_) => None,
            },
            _ => None,
        }
    }

    /// A copy of a directory can be refused when it begins, or when it gets its place.
    fn is_of_copy(
        &self,
        world: &World,
        transfer: &domain::files::changeset::Transfer,
        refusal: Option<&Refusal>,
    ) -> bool {
        let Some(refusal) = refusal else { return false };
        if *refusal == Refusal::Busy {
            return self.has_many_copies() || self.may_have_taken_over();
        }
        let transaction = || Transaction::on(world, self.event.at);
        let as_file = transaction().apply(&Operation::Copy(transfer.clone())).err();
        let as_directory = transaction().begin_copy(transfer).err();
        let placed = transaction().place_copy(transfer, Tree::new()).err();
        let is_directory = as_file == Some(Refusal::IsADirectory);
        (!is_directory && as_file.as_ref() == Some(refusal))
            || (is_directory && as_directory.as_ref() == Some(refusal))
            || placed.as_ref() == Some(refusal)
    }

    fn is_read(&self, expected: Option<Result<Reply, Refusal>>) -> bool {
        match (expected.unwrap_or(Err(Refusal::NotFound)), &self.event.reply) {
            (Ok(Reply::Listing(one)), Reply::Listing(other)) => one == *other,
            (Ok(Reply::Content(one)), Reply::Content(other)) => one == *other,
            (Ok(Reply::Differences(one)), Reply::Differences(other)) => one == *other,
            (Ok(Reply::Snapshots(one)), Reply::Snapshots(other)) => one == *other,
            (Err(one), Reply::Refused(other)) => one == *other,
            _ => false,
        }
    }

    fn is_trash(&self, world: &World) -> bool {
        let Reply::Trash(items) = &self.event.reply else {
            return false;
        };
        let is_there = |deleted_at: &Millis, path: &str| {
            let item = world.trash.get(deleted_at);
            item.is_some_and(|(of, _)| of.as_ref().is_none_or(|of| of == path))
        };
        let is_listed = |deleted_at: &Millis| items.iter().any(|item| item.deleted_at == *deleted_at);
        items.iter().all(|item| is_there(&item.deleted_at, item.path.as_str()))
            && world
                .trash
                .keys()
                .all(|deleted_at| is_listed(deleted_at) || self.may_be_removed(*deleted_at))
    }

    /// Whether the trash may have been emptied, or a sweep may have removed an item of this time.
    fn may_be_removed(&self, deleted_at: Millis) -> bool {
        let mut events = self.calls.events.iter();
        let deleted = self.calls.events.iter().find(|event| event.at == deleted_at);
        let deleted = deleted.map_or(0, |event| event.called);
        events.any(|event| match event.call {
            Call::EmptyTrash => {
                event.may_have_executed() && event.called < self.event.replied && deleted < event.replied
            }
            Call::Sweep => event.called < self.event.replied && is_after(event, deleted_at, RETENTION),
            _ => false,
        })
    }

    fn has_many_copies(&self) -> bool {
        let copies = self.calls.events.iter();
        let copies = copies.filter(|event| {
            let prepares = matches!(event.call, Call::Copy(_) | Call::RestoreSnapshot(_));
            prepares && event.called < self.event.replied
        });
        copies.count() > PREPARATIONS
    }

    /// Whether a sweep may have removed the copy, because it took too long.
    fn may_have_taken_over(&self) -> bool {
        let mut events = self.calls.events.iter();
        events.any(|event| {
            let is_sweep = matches!(event.call, Call::Sweep) && event.replied > self.event.called;
            is_sweep && is_after(event, self.event.at, GRACE)
        })
    }

    /// Whether an upload may have ended, without a file or with one.
    fn may_have_ended(&self, upload: UploadId, by_commit: bool) -> bool {
        let mut events = self.calls.events.iter();
        let is_cancelled = events.any(|event| {
            let ends = match &event.call {
                Call::Cancel(of) => *of == upload,
                Call::Commit { upload: of, .. } => by_commit && *of == upload,
                _ => false,
            };
            ends && event.may_have_executed() && event.called < self.event.replied && event.at != self.event.at
        });
        // The id has the time of its creation.
        let created_at = i64::try_from(upload.uuid().as_u128() >> 80).unwrap_or(i64::MAX);
        let is_swept = self.calls.events.iter().any(|event| {
            let is_sweep = matches!(event.call, Call::Sweep) && event.called < self.event.replied;
            is_sweep && is_after(event, created_at, LIFETIME)
        });
        is_cancelled || is_swept || is_after(self.event, created_at, LIFETIME)
    }

    fn is_of_commit(&self, world: &World, upload: UploadId, refusal: Option<&Refusal>) -> bool {
        let Some(refusal) = refusal else {
            // By a repeated commit.
            return matches!(&self.event.reply, Reply::Outcomes(shown) if shown.iter().all(Shown::is_unchanged));
        };
        let Some(begun) = self.calls.begun(upload) else {
            return false;
        };
        let parts = self.calls.events.iter().filter_map(|event| match &event.call {
            Call::PutPart {
                upload: of,
                number,
                content,
            } if *of == upload => Some((event, *number, *content)),
            _ => None,
        });
        match refusal {
            Refusal::NotFound => self.may_have_ended(upload, false),
            Refusal::MissingParts => (1..=begun.parts).any(|number| {
                let mut sent = parts.clone();
                !sent.any(|(event, of, _)| {
                    of == number && matches!(event.reply, Reply::Done) && event.replied < self.event.called
                })
            }),
            Refusal::WrongDigest => {
                let mut parts = parts;
                begun.has_digest
                    && parts.any(|(event, _, content)| content != begun.content && event.may_have_executed())
            }
            Refusal::PartChanged => {
                let mut parts = parts;
                parts.any(|(event, ..)| event.may_have_executed() && event.replied > self.event.called)
            }
            refusal => (0..CONTENTS.len()).any(|content| {
                let put = self.calls.put_of(&self.event.call, content);
                let put = put.map(|put| Transaction::on(world, self.event.at).apply(&put));
                put.and_then(Result::err).as_ref() == Some(refusal)
            }),
        }
    }
}

/// Whether an event is later than a time by a duration, on clocks that differ by less than a minute.
fn is_after(event: &Event, time: Millis, duration: Duration) -> bool {
    let duration = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    event.at + 60_000 >= time.saturating_add(duration)
}
