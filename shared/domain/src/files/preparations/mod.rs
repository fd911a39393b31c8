//! Preparations: copies of directories in progress, which no path leads to yet.
//!
//! A preparation copies a directory as a snapshot contains it, in bounded transactions. Then one transaction gives the
//! copy its place: a restore makes it the root directory, a copy of a directory makes it an entry. A piece of work of
//! the janitor is written together with the preparation, so one that its process has left is completed or removed.

pub(crate) mod step;
pub(crate) mod store;

use serde::{Deserialize, Serialize};

use crate::id::{AccessTokenId, DirectoryId, SnapshotId, UserId};
use crate::record::{NewerMembers, Record, keeps_newer_members};

/// A copy of a directory in progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Preparation {
    /// The snapshot that contains the directory.
    pub snapshot: SnapshotId,
    /// What the copy is for.
    pub purpose: Purpose,
    /// The user who requested it.
    pub user: UserId,
    /// The personal access token with which they did; `None` for a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<AccessTokenId>,
    /// The number of entries that were copied.
    pub entries: u64,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub newer: NewerMembers,
}

impl Record for Preparation {
    const KIND: &'static str = "file preparation";

    keeps_newer_members!();
}

/// What a preparation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Purpose {
    /// The copy becomes the root directory. The janitor completes it.
    Restore,
    /// The copy becomes an entry. Its snapshot is hidden, and exists for it only. The janitor removes both.
    Copy,
}

/// A directory of a preparation whose entries are not all copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pending {
    /// The directory that it is a copy of.
    pub source: DirectoryId,
    /// The name up to which its entries are copied; `None` before the first.
    pub after: Option<String>,
}

impl Record for Pending {
    const KIND: &'static str = "pending directory";
}
