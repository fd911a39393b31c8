//! The feed of changes, in the order of their commits.

mod limit;
pub mod ops;
pub(crate) mod retention;
pub(crate) mod store;

use serde::{Deserialize, Serialize};

pub use self::limit::Retention;
pub use self::retention::Feed;
use crate::files::{EntryTag, FilePath};
use crate::id::{AccessTokenId, UserId};
use crate::record::Record;
use crate::time::Timestamp;

/// What happened to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChangeKind {
    /// It was made. A directory that was copied, or came back from the trash, comes with everything below it.
    Created,
    /// It was replaced. The root directory is replaced with everything below it, by the restore of a snapshot.
    Changed,
    /// It was moved, with everything below it. A file that it replaced has no change of its own.
    Moved,
    /// It was deleted, with everything below it.
    Deleted,
}

/// A change of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The path after the change; of a deleted entry, the one that it had.
    pub path: FilePath,
    /// The path that a moved entry had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<FilePath>,
    /// The entity tag after the change; `None` if the entry was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<EntryTag>,
    /// The user who did it.
    pub user: UserId,
    /// The personal access token with which they did it; `None` for a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<AccessTokenId>,
    /// When it was done, on the clock of the process. The order of changes is that of their commits.
    pub at: Timestamp,
}

impl Record for Change {
    const KIND: &'static str = "file change";
}
