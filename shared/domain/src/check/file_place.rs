//! What the schema has at a key of files, and what the files of a tenant add up to.

use std::collections::BTreeMap;

use kv::Element;

use super::share::Share;
use crate::contents::Digest;
use crate::id::{DirectoryId, Id as _, SessionId, SnapshotId, TrashItemId};

/// What the files of a session have at a key.
pub(super) enum FilePlace {
    Head,
    Shape,
    Entry(DirectoryId, String),
    Directory(DirectoryId),
    Earlier(DirectoryId, String, u64),
    EarlierIndex(u64, DirectoryId, String),
    TrashItem(u64, TrashItemId),
    Removal(DirectoryId),
    Preparation(DirectoryId),
    Pending(DirectoryId, DirectoryId),
    Snapshot(SnapshotId),
    SnapshotEpoch(u64),
    Change,
    Feed,
}

impl FilePlace {
    /// The place at these elements after `fs`; `None` if no key of the schema has this form.
    pub(super) fn of(rest: &[Element<'_>]) -> Option<(SessionId, Self)> {
        let [Element::Uuid(session), Element::String(kind), rest @ ..] = rest else {
            return None;
        };
        let directory = |id: &uuid::Uuid| DirectoryId::from_uuid(*id);
        let number = |number: &i64| u64::try_from(*number).ok();
        let place = match (&**kind, rest) {
            ("head", []) => Self::Head,
            ("shape", []) => Self::Shape,
            ("e", [Element::Uuid(id), Element::String(name)]) => Self::Entry(directory(id), name.to_string()),
            ("d", [Element::Uuid(id)]) => Self::Directory(directory(id)),
            ("h", [Element::Uuid(id), Element::String(name), Element::Int(last)]) => {
                Self::Earlier(directory(id), name.to_string(), number(last)?)
            }
            ("hx", [Element::Int(last), Element::Uuid(id), Element::String(name)]) => {
                Self::EarlierIndex(number(last)?, directory(id), name.to_string())
            }
            ("t", [Element::Int(generation), Element::Uuid(item)]) => {
                Self::TrashItem(number(generation)?, TrashItemId::from_uuid(*item))
            }
            ("r", [Element::Uuid(id)]) => Self::Removal(directory(id)),
            ("p", [Element::Uuid(id)]) => Self::Preparation(directory(id)),
            ("q", [Element::Uuid(id), Element::Uuid(copy)]) => Self::Pending(directory(id), directory(copy)),
            ("s", [Element::Uuid(id)]) => Self::Snapshot(SnapshotId::from_uuid(*id)),
            ("se", [Element::Int(epoch)]) => Self::SnapshotEpoch(number(epoch)?),
            ("c", [Element::Versionstamp(_)]) => Self::Change,
            ("feed", []) => Self::Feed,
            _ => return None,
        };
        Some((SessionId::from_uuid(*session), place))
    }
}

/// What the files of a tenant's sessions add up to.
#[derive(Default)]
pub(super) struct FileSums {
    pub(super) files: i64,
    pub(super) snapshots: i64,
    /// The number of changes in feeds, without those that are counted: zero in the end.
    pub(super) uncounted_changes: i64,
    /// The number of references to each content.
    pub(super) references: BTreeMap<Digest, i64>,
}

impl FileSums {
    /// Adds what an entry adds to the usage of its tenant, and its reference to a content.
    pub(super) fn add(&mut self, share: &Share) {
        self.files += share.files;
        self.snapshots += share.snapshots;
        self.uncounted_changes += share.uncounted_changes;
        if let Some(digest) = share.content {
            *self.references.entry(digest).or_default() += 1;
        }
    }
}
