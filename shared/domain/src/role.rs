//! Roles of a tenant's members, and the permissions that each role grants.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray, VariantNames};

use crate::access_tokens::Scope;

/// What an operation requires of its caller: a role that [allows](Role::allows) it, and of a personal access token also
/// a [scope](Permission::scope).
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
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
    /// Read how much of its quotas the organisation uses.
    ReadUsage,
    /// See the organisation and its members, and leave it.
    ReadOrganization,
    /// Rename the organisation.
    ChangeOrganization,
    /// Delete the organisation.
    DeleteOrganization,
    /// Invite members, change their roles and remove them. The roles of both decide about whom.
    ManageMembers,
    /// Create organisations.
    CreateOrganizations,
    /// See and change one's own account, with its logins, its personal access tokens, its password, its email, its
    /// memberships and its usage.
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
            Self::ReadUsage
            | Self::ReadOrganization
            | Self::ChangeOrganization
            | Self::DeleteOrganization
            | Self::ManageMembers
            | Self::CreateOrganizations
            | Self::ManageAccount => None,
        }
    }

    /// Whether it is about the user's own account, which needs no verified email.
    pub fn is_about_own_account(self) -> bool {
        matches!(self, Self::ManageAccount)
    }

    /// The permission's name in the documentation.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A member's role in a tenant. A later one in the list has fewer permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Role {
    /// Has every permission. An organisation always has an owner.
    Owner,
    /// Manages members who are no owners, and reads the audit log.
    Admin,
    /// Reads and writes.
    Member,
    /// Reads.
    Viewer,
}

impl Role {
    /// Every role, the highest one first.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Member, Self::Viewer];

    /// The names of all roles in the contract.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// The role with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// Whether the role grants this permission.
    pub fn allows(self, permission: Permission) -> bool {
        match permission {
            Permission::ReadSessions
            | Permission::ReadFiles
            | Permission::ReadOrganization
            | Permission::ManageAccount => true,
            Permission::WriteSessions | Permission::WriteFiles => self.is_at_least(Self::Member),
            Permission::ReadAudit
            | Permission::ReadUsage
            | Permission::ChangeOrganization
            | Permission::ManageMembers => self.is_at_least(Self::Admin),
            Permission::DeleteOrganization | Permission::CreateOrganizations => self.is_at_least(Self::Owner),
        }
    }

    /// Whether a member with this role may act on one with the role `other`, or give it: no member can act on a higher
    /// role.
    pub fn is_at_least(self, other: Self) -> bool {
        self.rank() >= other.rank()
    }

    fn rank(self) -> u8 {
        match self {
            Self::Viewer => 0,
            Self::Member => 1,
            Self::Admin => 2,
            Self::Owner => 3,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The roles that have each permission. `README.md` has the same table.
    const TABLE: &[(Permission, [bool; 4])] = &[
        //                                owner admin  member viewer
        (Permission::ReadSessions, [true, true, true, true]),
        (Permission::WriteSessions, [true, true, true, false]),
        (Permission::ReadFiles, [true, true, true, true]),
        (Permission::WriteFiles, [true, true, true, false]),
        (Permission::ReadAudit, [true, true, false, false]),
        (Permission::ReadUsage, [true, true, false, false]),
        (Permission::ReadOrganization, [true, true, true, true]),
        (Permission::ChangeOrganization, [true, true, false, false]),
        (Permission::DeleteOrganization, [true, false, false, false]),
        (Permission::ManageMembers, [true, true, false, false]),
        (Permission::CreateOrganizations, [true, false, false, false]),
        (Permission::ManageAccount, [true, true, true, true]),
    ];

    #[test]
    fn every_role_has_exactly_the_permissions_of_the_table() {
        let listed: Vec<_> = TABLE.iter().map(|(permission, _)| *permission).collect();
        assert_eq!(listed, Permission::VARIANTS);
        for (permission, allowed) in TABLE {
            let roles = Role::ALL.map(|role| role.allows(*permission));
            assert_eq!(roles, *allowed, "{permission:?}");
        }
    }

    #[test]
    fn the_readme_has_the_table() {
        let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
        for (permission, allowed) in TABLE {
            let start = format!("| `{}`", permission.as_str());
            let row = readme.lines().find(|line| line.starts_with(&start)).unwrap_or(&start);
            let cells: Vec<_> = row.split('|').skip(2).take(4).map(str::trim).collect();
            assert_eq!(
                cells,
                allowed.map(|allowed| if allowed { "yes" } else { "no" }),
                "{row}"
            );
            let scope = permission
                .scope()
                .map_or_else(|| "logins only".to_owned(), |scope| format!("`{}`", scope.as_str()));
            assert!(row.ends_with(&format!("| {scope} |")), "{row}");
        }
    }

    #[test]
    fn no_role_acts_on_a_higher_one() {
        for (index, role) in Role::ALL.into_iter().enumerate() {
            for (other_index, other) in Role::ALL.into_iter().enumerate() {
                assert_eq!(role.is_at_least(other), index <= other_index, "{role} on {other}");
            }
        }
        assert_eq!(Role::ALL.map(Role::as_str), ["owner", "admin", "member", "viewer"]);
        assert_eq!(Role::NAMES.len(), Role::ALL.len());
        assert_eq!(Role::ALL.map(|role| Role::parse(role.as_str())), Role::ALL.map(Some));
        assert_eq!(Role::parse("Owner"), None);
    }
}
