//! Snapshots: all files of a session at one instant.

pub mod diff;
pub mod ops;
pub mod restore;
pub(crate) mod store;

use serde::{Deserialize, Serialize};

use crate::id::{DirectoryId, SessionId, SnapshotId, UserId};
use crate::record::{NewerMembers, Record, keeps_newer_members};
use crate::text::Name;
use crate::time::Timestamp;

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshot {
    /// The id; ids ascend with the time of creation.
    pub id: SnapshotId,
    /// The name.
    pub name: Option<Name>,
    /// When it was created.
    pub created_at: Timestamp,
    /// The user who created it.
    pub created_by: UserId,
    /// The epoch that it ended: it contains the entries that were there at the end of this epoch.
    pub epoch: u64,
    /// The root directory at that time.
    pub root: DirectoryId,
    /// Whether it exists for a copy of a directory only, and no request shows it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_hidden: bool,
    /// The latest restore of it; `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub newer: NewerMembers,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A restore of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Restore {
    /// How far it is.
    pub state: RestoreState,
    /// When it was requested.
    pub requested_at: Timestamp,
    /// The user who requested it.
    pub requested_by: UserId,
}

/// How far a restore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RestoreState {
    /// Its files are being copied, and nothing shows them yet.
    Preparing,
    /// Its files are those of the session.
    Completed,
    /// It has changed nothing, because its files would have exceeded a quota.
    Failed,
}

impl Record for Snapshot {
    const KIND: &'static str = "snapshot";

    keeps_newer_members!();
}

/// The outcome of a request that took a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TakenSnapshot {
    /// The session.
    pub session: SessionId,
    /// The snapshot.
    pub snapshot: Snapshot,
}

impl Record for TakenSnapshot {
    const KIND: &'static str = "taken snapshot";
}
