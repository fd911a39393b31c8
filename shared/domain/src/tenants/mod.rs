//! Tenants, which own sessions, and who belongs to them.

pub mod keys;
pub mod store;

use serde::{Deserialize, Serialize};

use crate::id::{TenantId, UserId};
use crate::page::CursorKey;
use crate::record::{Projection, Record};
use crate::scope::Role;
use crate::text::Name;
use crate::time::Timestamp;
use crate::users::User;

/// What owns sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tenant {
    /// Its id; a user's own tenant has one derived from the user's.
    pub id: TenantId,
    /// What people call it.
    pub name: String,
    /// Whether it is one user's own.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// What its cursors are sealed with.
    #[serde(rename = "seal")]
    pub cursor_key: CursorKey,
}

/// Whose tenant it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One user's own.
    #[serde(rename = "self")]
    Own,
    /// An organisation's.
    Organization,
}

impl Kind {
    /// The kind's name in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "self",
            Self::Organization => "organization",
        }
    }
}

/// A user's place in a tenant (the schema's `UserTenant`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Membership {
    /// The user.
    pub user: UserId,
    /// The tenant.
    pub tenant: TenantId,
    /// What the user may do there.
    pub role: Role,
    /// The company that the user gave.
    pub company: Option<Name>,
    /// Since when.
    pub joined_at: Timestamp,
}

/// What a request asks of its caller's place in a tenant: the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberRole {
    /// What the user may do there.
    pub role: Role,
}

impl Projection for MemberRole {
    type Whole = Membership;
}

impl From<Membership> for MemberRole {
    fn from(membership: Membership) -> Self {
        Self { role: membership.role }
    }
}

impl Record for Tenant {
    const KIND: &'static str = "tenant";
    const VERSION: u32 = 2;

    fn upgraded(version: u32, data: &str) -> Option<serde_json::Result<Self>> {
        (version == 1).then(|| serde_json::from_str::<TenantV1>(data).map(Self::from))
    }
}

/// A tenant of the days before cursors were sealed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantV1 {
    id: TenantId,
    name: String,
    #[serde(rename = "type")]
    kind: Kind,
}

impl From<TenantV1> for Tenant {
    fn from(tenant: TenantV1) -> Self {
        Self {
            id: tenant.id,
            name: tenant.name,
            kind: tenant.kind,
            cursor_key: CursorKey::legacy(tenant.id),
        }
    }
}

impl Record for Membership {
    const KIND: &'static str = "membership";
}

impl Tenant {
    /// The tenant that `user` has from the start, named after the company, the person, or else the address.
    pub fn own(user: &User, company: Option<&Name>, cursor_key: CursorKey) -> Self {
        let name = match (company, &user.first_name, &user.last_name) {
            (Some(company), _, _) => company.to_string(),
            (None, Some(first), Some(last)) => format!("{first} {last}"),
            (None, Some(name), None) | (None, None, Some(name)) => name.to_string(),
            (None, None, None) => user.email.to_string(),
        };
        Self {
            id: TenantId::own(user.id),
            name,
            kind: Kind::Own,
            cursor_key,
        }
    }
}

impl Membership {
    /// The first member of a new tenant, who owns it.
    pub fn founder(user: &User, tenant: &Tenant, company: Option<Name>) -> Self {
        Self {
            user: user.id,
            tenant: tenant.id,
            role: Role::Owner,
            company,
            joined_at: user.created_at,
        }
    }
}
