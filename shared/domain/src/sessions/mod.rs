//! Workspace sessions, the product's resource. (A signed-in device is a [login](crate::logins), never a session.)

pub mod keys;
pub mod ops;
mod path;
pub mod store;

pub use path::WorkspacePath;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use crate::id::{SessionId, TenantId, UserId};
use crate::record::Record;
use crate::scope::Caller;
use crate::text::{Name, Rejection};
use crate::time::Timestamp;

/// A workspace session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Session {
    /// Its id; ids ascend with the time of creation.
    pub id: SessionId,
    /// The tenant that it belongs to.
    pub tenant: TenantId,
    /// Who made it.
    pub owner: UserId,
    /// What its owner calls it.
    pub name: Name,
    /// The folder that it works in.
    pub workspace_path: WorkspacePath,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// How often it was written, from 1.
    pub version: u64,
}

impl Record for Session {
    const KIND: &'static str = "session";
}

/// What a new session is made from.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What its owner calls it.
    pub name: Name,
    /// The folder that it works in.
    pub workspace_path: WorkspacePath,
}

/// What to change about a session; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Another name.
    pub name: Option<Name>,
    /// Another folder.
    pub workspace_path: Option<WorkspacePath>,
}

impl Session {
    /// A new session of the caller's.
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

    /// Whether both were made from the same draft.
    pub(crate) fn is_made_like(&self, other: &Self) -> bool {
        (&self.name, &self.workspace_path) == (&other.name, &other.workspace_path)
    }

    /// The session after `change`; one that changes nothing leaves it as it is, times and version included.
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
            // A clock that is behind the one that wrote before must not make time go back.
            changed.updated_at = now.max(self.updated_at);
        }
        changed
    }
}

/// A search: a case-insensitive part of the name or the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(String);

impl Filter {
    /// The most characters of a search.
    pub const MAX_CHARS: usize = 200;

    /// At most 200 characters; empty, there is no filter.
    pub fn parse(text: &str) -> Result<Option<Self>, Rejection> {
        if text.chars().count() > Self::MAX_CHARS {
            return Err(Rejection(format!("must have at most {} characters", Self::MAX_CHARS)));
        }
        Ok((!text.is_empty()).then(|| Self(folded(text))))
    }

    /// What is looked for, as it is compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the session is one that is looked for.
    pub fn accepts(&self, session: &Session) -> bool {
        folded(session.name.as_str()).contains(&self.0) || folded(session.workspace_path.as_str()).contains(&self.0)
    }
}

/// Composed (NFC), because some systems write names taken apart, and in lower case letter by letter: a part of a text is folded as it is within
/// the text. Hence one sigma, wherever it stands in a word.
fn folded(text: &str) -> String {
    let lower = text.nfc().flat_map(char::to_lowercase);
    lower.map(|c| if c == 'ς' { 'σ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_found_in_any_case_wherever_it_stands() {
        assert_eq!(folded("ΟΔΟΣ"), folded("οδος"));
        assert!(folded("ΟΔΟΣ").contains(&folded("Σ")) && folded("ΟΔΟΣ").contains(&folded("ς")));
        assert!(folded("My PROJECT").contains(&folded("project")));
        assert!(folded("/workspace/u\u{308}ber").contains(&folded("\u{dc}B")));
    }
}
