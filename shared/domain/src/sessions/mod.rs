//! Workspace sessions, the product's resource. A signed-in device is a [login](crate::logins), never a session.

pub mod keys;
pub mod ops;
mod path;
pub mod store;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

pub use self::path::WorkspacePath;
use crate::id::{SessionId, TenantId, UserId};
use crate::record::Record;
use crate::scope::caller::Caller;
use crate::text::{Name, Rejection};
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
}

impl Record for Session {
    const KIND: &'static str = "session";
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

/// A search: a case-insensitive part of the name or the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(String);

impl Filter {
    /// The maximum length in characters.
    pub const MAX_CHARS: usize = 200;

    /// Parses at most 200 characters; empty text is no filter.
    pub fn parse(text: &str) -> Result<Option<Self>, Rejection> {
        if text.chars().count() > Self::MAX_CHARS {
            return Err(Rejection(format!("must have at most {} characters", Self::MAX_CHARS)));
        }
        Ok((!text.is_empty()).then(|| Self(folded(text))))
    }

    /// The search in the form that is compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the session matches.
    pub fn accepts(&self, session: &Session) -> bool {
        folded(session.name.as_str()).contains(&self.0) || folded(session.workspace_path.as_str()).contains(&self.0)
    }
}

/// `text` in the form that a search compares: composed (NFC), because some systems decompose names, and in lower case.
///
/// Letters are folded one by one, so that a part of a text folds as it does within the text. A sigma at the end of a
/// word therefore becomes the same letter as one inside.
fn folded(text: &str) -> String {
    let lower = text.nfc().flat_map(char::to_lowercase);
    lower.map(|c| if c == 'ς' { 'σ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_ignores_case_and_composition() {
        assert_eq!(folded("ΟΔΟΣ"), folded("οδος"));
        assert!(folded("ΟΔΟΣ").contains(&folded("Σ")) && folded("ΟΔΟΣ").contains(&folded("ς")));
        assert!(folded("My PROJECT").contains(&folded("project")));
        assert!(folded("/workspace/u\u{308}ber").contains(&folded("\u{dc}B")));
    }
}
