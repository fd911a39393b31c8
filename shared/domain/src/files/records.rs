//! Records about a session's tree, besides its entries.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::files::entry::Entry;
use crate::files::path::FilePath;
use crate::id::{DirectoryId, Id as _, SessionId, TenantId, TrashItemId, UserId};
use crate::record::{self, NewerMembers, Record, keeps_newer_members};
use crate::time::Timestamp;

/// The state of a session's files. Every write reads it; only snapshots, restores and emptying the trash write it. A
/// session whose files were never in a snapshot has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Head {
    /// The current epoch, from 1. Each snapshot ends one.
    pub epoch: u64,
    /// The epoch of the latest snapshot that exists; 0 without one.
    pub last_snapshot: u64,
    /// The root directory.
    pub root: DirectoryId,
    /// The generation of the trash. Emptying the trash begins another one.
    pub trash: u64,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub newer: NewerMembers,
}

impl Record for Head {
    const KIND: &'static str = "file head";

    keeps_newer_members!();
}

impl Head {
    /// The state of a session that has none. The id of its root directory follows from its own.
    pub fn first(session: SessionId) -> Self {
        Self {
            epoch: 1,
            last_snapshot: 0,
            root: DirectoryId::from_uuid(session.uuid()),
            trash: 0,
            newer: NewerMembers::default(),
        }
    }

    /// Whether a snapshot contains the entries of this birth that are current.
    pub(crate) fn is_in_snapshot(&self, birth: u64) -> bool {
        birth <= self.last_snapshot
    }
}

/// Where a directory is. The root directory has no such record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Location {
    /// The place.
    pub place: Place,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub newer: NewerMembers,
}

/// The place of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Place {
    /// It is an entry of this directory.
    Entry {
        /// The directory that contains it.
        parent: DirectoryId,
        /// Its name there.
        name: String,
    },
    /// It is an item of the trash.
    Trash {
        /// The generation of the trash.
        generation: u64,
        /// The item.
        item: TrashItemId,
    },
    /// Its content is being removed.
    Removal {},
    /// It is a copy in progress.
    Preparation {},
}

impl Record for Location {
    const KIND: &'static str = "directory";

    keeps_newer_members!();
}

impl Location {
    pub(crate) fn at(place: Place) -> Self {
        let newer = NewerMembers::default();
        Self { place, newer }
    }
}

/// An item of the trash, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoredItem {
    /// The entry that it was.
    pub node: crate::files::entry::Node,
    /// When the content of the file was written, or the directory made.
    pub modified_at: Timestamp,
    /// The path that it had.
    pub path: FilePath,
    /// The directory that contained it.
    pub parent: DirectoryId,
    /// The epoch in which it was deleted: snapshots of earlier epochs may contain it.
    pub epoch: u64,
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// The user who deleted it.
    pub deleted_by: UserId,
    /// The record of the entry, if a newer version of the program has written it: restoring keeps its further members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer_entry: Option<String>,
}

impl Record for StoredItem {
    const KIND: &'static str = "trash item";
}

/// A directory whose content is being removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Removal {
    /// The epoch in which it was deleted: snapshots of earlier epochs may contain its entries.
    pub epoch: u64,
}

impl Record for Removal {
    const KIND: &'static str = "directory removal";
}

/// Work of the janitor on the files of a session, in bounded transactions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Job {
    /// The tenant of the session.
    pub tenant: TenantId,
    /// The session.
    pub session: SessionId,
    /// What to do.
    pub task: Task,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub newer: NewerMembers,
}

/// What the janitor has to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Task {
    /// Remove all files of a session that is gone.
    Session {},
    /// Remove the items of the trash that have expired.
    ExpiredTrash {
        /// The generation of the trash.
        generation: u64,
        /// The milliseconds up to which items were deleted, as their ids say.
        until: i64,
    },
    /// Remove all items of this generation of the trash.
    Trash {
        /// The generation.
        generation: u64,
    },
    /// Remove the content of the directories that are being removed.
    Removals {},
    /// Complete or remove the preparation of this directory.
    Preparation {
        /// The directory.
        directory: DirectoryId,
    },
    /// Remove the earlier entries that only a deleted snapshot contained: those that were in their place until the end
    /// of an epoch from `first` to `last`, and came there after the epoch `after`.
    Snapshot {
        /// The epoch of the snapshot.
        first: u64,
        /// The epoch before that of the next snapshot.
        last: u64,
        /// The epoch of the snapshot before; 0 without one.
        after: u64,
        /// The earlier entry up to which the work is done.
        done: Option<(u64, DirectoryId, String)>,
    },
}

impl Record for Job {
    const KIND: &'static str = "file job";

    keeps_newer_members!();
}

impl StoredItem {
    pub(crate) fn of(
        path: FilePath,
        parent: DirectoryId,
        entry: &Entry,
        epoch: u64,
        at: Timestamp,
        by: UserId,
    ) -> Result<Self> {
        let newer_entry = if entry.newer == NewerMembers::default() {
            None
        } else {
            String::from_utf8(record::encode(entry)?).ok()
        };
        Ok(Self {
            node: entry.node.clone(),
            modified_at: entry.modified_at,
            path,
            parent,
            epoch,
            deleted_at: at,
            deleted_by: by,
            newer_entry,
        })
    }

    /// The members of the entry that only a newer version of the program knows.
    pub(crate) fn newer_members(&self) -> Result<NewerMembers> {
        match &self.newer_entry {
            Some(text) => Ok(record::decode::<Entry>(text.as_bytes())?.newer),
            None => Ok(NewerMembers::default()),
        }
    }
}
