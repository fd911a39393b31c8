//! Tenants, which own sessions, and their members.

pub mod cursor_keys;
pub mod keys;
pub mod store;

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

use crate::id::{TenantId, UserId};
use crate::page::CursorKey;
use crate::record::{NewerMembers, Projection, Record, keeps_newer_members};
use crate::role::Role;
use crate::text::Name;
use crate::time::Timestamp;
use crate::users::User;

/// An owner of sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tenant {
    /// The id. A user's own tenant has an id derived from the user's.
    pub id: TenantId,
    /// The name that users see.
    pub name: String,
    /// The kind of tenant.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The key that authenticates the cursors of its lists.
    #[serde(rename = "seal")]
    pub cursor_key: CursorKey,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub newer: NewerMembers,
}

/// The kind of tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Kind {
    /// One user's own.
    #[serde(rename = "self")]
    #[strum(serialize = "self")]
    Own,
    /// An organisation's.
    Organization,
}

impl Kind {
    /// The names of all kinds in the contract.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// The kind's name in the contract.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A user's membership in a tenant (`UserTenant` in the product's data model).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Membership {
    /// The user.
    pub user: UserId,
    /// The tenant.
    pub tenant: TenantId,
    /// The user's role.
    pub role: Role,
    /// The company that the user named.
    pub company: Option<Name>,
    /// When the membership began.
    pub joined_at: Timestamp,
    /// When an operator suspended the user, who has no access until the suspension ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_at: Option<Timestamp>,
    /// When the user's email was verified, as in the user's own record. Here because each request reads it.
    pub email_verified_at: Option<Timestamp>,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub newer: NewerMembers,
}

/// A member's role, suspension and verification: all that a request needs of its caller's membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberRole {
    /// The user's role.
    pub role: Role,
    /// When an operator suspended the user.
    #[serde(default)]
    pub suspended_at: Option<Timestamp>,
    /// When the user's email was verified.
    #[serde(default)]
    pub email_verified_at: Option<Timestamp>,
}

impl Projection for MemberRole {
    type Whole = Membership;
}

impl From<Membership> for MemberRole {
    fn from(membership: Membership) -> Self {
        Self {
            role: membership.role,
            suspended_at: membership.suspended_at,
            email_verified_at: membership.email_verified_at,
        }
    }
}

impl Record for Tenant {
    const KIND: &'static str = "tenant";
    const VERSION: u32 = 2;

    fn from_version(version: u32, data: &str) -> Option<serde_json::Result<Self>> {
        (version == 1).then(|| serde_json::from_str::<TenantV1>(data).map(Self::from))
    }

    keeps_newer_members!();
}

/// Version 1 of the record, from before cursor keys.
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
            newer: NewerMembers::default(),
        }
    }
}

impl Record for Membership {
    const KIND: &'static str = "membership";
    const VERSION: u32 = 2;

    fn from_version(version: u32, data: &str) -> Option<serde_json::Result<Self>> {
        (version == 1).then(|| serde_json::from_str::<MembershipV1>(data).map(Self::from))
    }

    keeps_newer_members!();
}

/// Version 1 of the record, from before emails were verified.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MembershipV1 {
    user: UserId,
    tenant: TenantId,
    role: Role,
    company: Option<Name>,
    joined_at: Timestamp,
    #[serde(default)]
    suspended_at: Option<Timestamp>,
}

impl From<MembershipV1> for Membership {
    fn from(membership: MembershipV1) -> Self {
        Self {
            user: membership.user,
            tenant: membership.tenant,
            role: membership.role,
            company: membership.company,
            joined_at: membership.joined_at,
            suspended_at: membership.suspended_at,
            email_verified_at: None,
            newer: NewerMembers::default(),
        }
    }
}

impl Tenant {
    /// A new user's own tenant.
    pub fn own(user: &User, company: Option<&Name>, cursor_key: CursorKey) -> Self {
        Self {
            id: TenantId::own(user.id),
            name: Self::own_name(user, company),
            kind: Kind::Own,
            cursor_key,
            newer: NewerMembers::default(),
        }
    }

    /// The tenant with the name that registering the user would give it `after` a change, if it has the name from
    /// `before`; `None` if the name stays. `company` stays, too.
    pub(crate) fn renamed(&self, before: &User, after: &User, company: Option<&Name>) -> Option<Self> {
        let [old, new] = [before, after].map(|user| Self::own_name(user, company));
        (self.name == old && old != new).then(|| Self {
            name: new,
            ..self.clone()
        })
    }

    /// The name of a user's own tenant: the company, the person's names, or else the email.
    pub fn own_name(user: &User, company: Option<&Name>) -> String {
        match (company, &user.first_name, &user.last_name) {
            (Some(company), _, _) => company.to_string(),
            (None, Some(first), Some(last)) => format!("{first} {last}"),
            (None, Some(name), None) | (None, None, Some(name)) => name.to_string(),
            (None, None, None) => user.email.to_string(),
        }
    }
}

impl Membership {
    /// The membership of a new tenant's first member, who owns it.
    pub fn founder(user: &User, tenant: &Tenant, company: Option<Name>) -> Self {
        Self {
            user: user.id,
            tenant: tenant.id,
            role: Role::Owner,
            company,
            joined_at: user.created_at,
            suspended_at: None,
            email_verified_at: user.email_verified_at,
            newer: NewerMembers::default(),
        }
    }
}
