//! Organisations: tenants that several users share.
//!
//! A member is a [`Membership`], which every request reads, and an entry in the index of members. An owner also has an
//! entry in the index of owners. The number of members is a counter ([`Quota::Members`](crate::usage::Quota)).
//!
//! **There is always an owner.** An operation that takes an owner away, by a demotion, a removal, a departure or the
//! deletion of an account, reads the index of owners. So of two concurrent ones that would leave none, one conflicts,
//! and is rejected when it runs again.
//!
//! **Deletion.** One transaction removes the tenant's record and every membership, so that the organisation is gone for
//! all members at once. The sweep removes the rest ([`deletion::organisation`](crate::deletion)).

pub mod keys;
pub mod members;
pub mod ops;
pub mod store;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::id::{TenantId, UserId};
use crate::role::Role;
use crate::tenants::{Membership, Tenant};
use crate::text::Name;
use crate::time::Timestamp;
use crate::users::{Email, User};

/// The largest number of memberships of a user, so that one transaction can change all of them. The user's own tenant
/// does not count.
pub const MAX_MEMBERSHIPS: usize = 100;

/// An organisation as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Organization {
    /// The organisation.
    pub id: TenantId,
    /// The name.
    pub name: String,
    /// The member's role.
    pub role: Role,
    /// The number of members.
    pub members: u64,
}

impl Organization {
    pub(crate) fn new(tenant: Tenant, role: Role, members: u64) -> Self {
        Self {
            id: tenant.id,
            name: tenant.name,
            role,
            members,
        }
    }

    /// When it was created: the time in its id.
    pub fn created_at(&self) -> Timestamp {
        self.id.created_at().unwrap_or(Timestamp::from_millis(0))
    }

    /// The version: a digest of all values, because they are in several records.
    pub fn version(&self) -> u64 {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(self.id.as_bytes())
            .chain_update(self.members.to_be_bytes())
            .chain_update(self.role.as_str())
            .chain_update("\n")
            .chain_update(&self.name)
            .finalize()
            .into();
        let (first, _) = digest.split_first_chunk().expect("a digest has more than 8 bytes");
        u64::from_be_bytes(*first)
    }
}

/// A member of an organisation, as the other members see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The user.
    pub user: UserId,
    /// The email of the account.
    pub email: Email,
    /// The first name.
    pub first_name: Option<Name>,
    /// The last name.
    pub last_name: Option<Name>,
    /// The role.
    pub role: Role,
    /// When the membership began.
    pub joined_at: Timestamp,
}

impl Member {
    pub(crate) fn new(user: User, membership: &Membership) -> Self {
        Self {
            user: user.id,
            email: user.email,
            first_name: user.first_name,
            last_name: user.last_name,
            role: membership.role,
            joined_at: membership.joined_at,
        }
    }
}
