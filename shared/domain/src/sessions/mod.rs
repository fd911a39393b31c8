//! Workspace sessions, the product's resource. A signed-in device is a [login](crate::logins), never a session.

pub mod keys;
pub mod ops;
mod path;
mod search;
pub mod store;

use serde::{Deserialize, Serialize};

pub use self::path::WorkspacePath;
pub(crate) use self::search::fold_into;
pub use self::search::{Filter, SearchText};
use crate::id::{SessionId, TenantId, UserId};
use crate::record::{NewerMembers, Record, keeps_newer_members};
use crate::scope::caller::Caller;
use crate::text::Name;
use crate::time::Timestamp;

/// A workspace session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Session {
    /// The id; ids ascend with the time of creation.
    pub id: SessionId,
    /// The tenant that owns the session.
    pub tenant: TenantId,
    /// The user who created it.
    pub owner: UserId,
    /// The name.
    pub name: Name,
    /// The working folder.
    pub workspace_path: WorkspacePath,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The number of writes, from 1.
    pub version: u64,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub newer: NewerMembers,
}

impl Record for Session {
    const KIND: &'static str = "session";

    keeps_newer_members!();
}

/// The values of a new session.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The name.
    pub name: Name,
    /// The working folder.
    pub workspace_path: WorkspacePath,
}

/// A change of a session; `None` keeps the old value.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The new name.
    pub name: Option<Name>,
    /// The new working folder.
    pub workspace_path: Option<WorkspacePath>,
}

impl Session {
    /// A new session in the caller's tenant.
    pub fn open(id: SessionId, caller: &Caller, draft: Draft, now: Timestamp) -> Self {
        Self {
            id,
            tenant: caller.tenant(),
            owner: caller.user(),
            name: draft.name,
            workspace_path: draft.workspace_path,
            created_at: now,
            updated_at: now,
            version: 1,
            newer: NewerMembers::default(),
        }
    }

    /// Whether both have the same draft.
    pub(crate) fn has_same_draft(&self, other: &Self) -> bool {
        (&self.name, &self.workspace_path) == (&other.name, &other.workspace_path)
    }

    /// The session after `change`. A change without effect also keeps the times and the version.
    #[must_use]
    pub fn changed(&self, change: &Change, now: Timestamp) -> Self {
        let mut changed = self.clone();
        if let Some(name) = &change.name {
            changed.name = name.clone();
        }
        if let Some(path) = &change.workspace_path {
            changed.workspace_path = path.clone();
        }
        if changed != *self {
            changed.version += 1;
            // Clocks differ: the time must not go back.
            changed.updated_at = now.max(self.updated_at);
        }
        changed
    }
}
