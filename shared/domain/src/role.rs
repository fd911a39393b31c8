//! Roles of a tenant's members, and the permissions that each role grants.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

use crate::access_tokens::Scope;

/// What an operation requires of its caller: a role that [allows](Role::allows) it, and of a personal access token also
/// a [scope](Permission::scope).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Read the tenant's sessions.
    ReadSessions,
    /// Create, change and delete the tenant's sessions.
    WriteSessions,
    /// Read the files of the tenant's sessions.
    ReadFiles,
    /// Change the files of the tenant's sessions.
    WriteFiles,
    /// Read the tenant's audit log.
    ReadAudit,
    /// Read how much of its quotas the tenant uses.
    ReadUsage,
    /// See and change one's own account, with its logins, its personal access tokens its password and its email.
    ManageAccount,
}

impl Permission {
    /// The scope that a personal access token needs; `None` if no token has the permission, but only a login.
    pub fn scope(self) -> Option<Scope> {
        match self {
            Self::ReadSessions => Some(Scope::ReadSessions),
            Self::WriteSessions => Some(Scope::WriteSessions),
            Self::ReadFiles => Some(Scope::ReadFiles),
            Self::WriteFiles => Some(Scope::WriteFiles),
            Self::ReadAudit => Some(Scope::ReadAudit),
            Self::ReadUsage | Self::ManageAccount => None,
        }
    }

    /// Whether it is about the user's own account, which needs no verified email.
    pub fn is_about_own_account(self) -> bool {
        match self {
            Self::ManageAccount | Self::ReadUsage => true,
            Self::ReadSessions | Self::WriteSessions | Self::ReadFiles | Self::WriteFiles | Self::ReadAudit => false,
        }
    }
}

/// A member's role in a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Role {
    /// Has every permission, and cannot be removed.
    Owner,
    /// Reads and writes.
    Member,
    /// Reads.
    Viewer,
}

impl Role {
    /// The names of all roles in the contract.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// Whether the role grants this permission.
    pub fn allows(self, permission: Permission) -> bool {
        match permission {
            Permission::ReadSessions | Permission::ReadFiles | Permission::ReadUsage | Permission::ManageAccount => {
                true
            }
            Permission::WriteSessions | Permission::WriteFiles => matches!(self, Self::Owner | Self::Member),
            Permission::ReadAudit => matches!(self, Self::Owner),
        }
    }

    /// The role's name in the contract.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
