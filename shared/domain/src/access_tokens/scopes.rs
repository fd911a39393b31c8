//! Scopes: what a personal access token may do at most.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use strum::{EnumIter, IntoEnumIterator as _, IntoStaticStr, VariantNames};

use crate::text::Rejection;

/// A part of the API that a personal access token may use. A scope implies no other one: `sessions:write` does not
/// include `sessions:read`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, EnumIter, IntoStaticStr, VariantNames,
)]
pub enum Scope {
    /// Read the tenant's sessions.
    #[serde(rename = "sessions:read")]
    #[strum(serialize = "sessions:read")]
    ReadSessions,
    /// Create, change and delete the tenant's sessions.
    #[serde(rename = "sessions:write")]
    #[strum(serialize = "sessions:write")]
    WriteSessions,
    /// Read the files of the tenant's sessions.
    #[serde(rename = "files:read")]
    #[strum(serialize = "files:read")]
    ReadFiles,
    /// Change the files of the tenant's sessions.
    #[serde(rename = "files:write")]
    #[strum(serialize = "files:write")]
    WriteFiles,
    /// Read the tenant's agents and their runs.
    #[serde(rename = "agents:read")]
    #[strum(serialize = "agents:read")]
    ReadAgents,
    /// Change the tenant's agents, and start runs.
    #[serde(rename = "agents:write")]
    #[strum(serialize = "agents:write")]
    WriteAgents,
    /// Work on the tenant's runs.
    #[serde(rename = "runs:work")]
    #[strum(serialize = "runs:work")]
    WorkOnRuns,
    /// Read the tenant's audit log.
    #[serde(rename = "audit:read")]
    #[strum(serialize = "audit:read")]
    ReadAudit,
}

impl Scope {
    /// The names of all scopes in the contract.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// Every scope.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::iter()
    }

    /// The scope's name in the contract.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The scopes of a token, in the order of the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// The scopes of a new token: at least one. A repeated one counts once.
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Result<Self, Rejection> {
        let scopes: BTreeSet<_> = scopes.into_iter().collect();
        if scopes.is_empty() {
            return Err(Rejection::because("must name at least one scope"));
        }
        Ok(Self(scopes))
    }

    /// Whether it is one of the scopes.
    pub fn contains(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// The scopes.
    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_have_the_names_of_the_contract_in_the_store_too() {
        let names: Vec<_> = Scope::all().map(Scope::as_str).collect();
        assert_eq!(
            names,
            [
                "sessions:read",
                "sessions:write",
                "files:read",
                "files:write",
                "agents:read",
                "agents:write",
                "runs:work",
                "audit:read",
            ]
        );
        assert_eq!(names, Scope::NAMES);
        let all = Scopes::new(Scope::all()).unwrap();
        assert_eq!(serde_json::to_value(&all).unwrap(), serde_json::json!(names));
    }

    #[test]
    fn a_token_has_at_least_one_scope_and_none_twice() {
        assert!(Scopes::new([]).is_err());
        let repeated = Scopes::new([Scope::ReadAudit, Scope::ReadSessions, Scope::ReadAudit]).unwrap();
        let scopes: Vec<_> = repeated.iter().collect();
        assert_eq!(scopes, [Scope::ReadSessions, Scope::ReadAudit]);
        assert!(repeated.contains(Scope::ReadAudit) && !repeated.contains(Scope::WriteSessions));
    }
}
