//! Authority as a type: who is calling, and which tenant's data they may touch.
//!
//! The API layer verifies a token and makes a [`Caller`](caller::Caller), without I/O. [`Env::in_tenant`] turns it into
//! a [`TenantScope`] inside the operation's transaction. Every key of a tenant's data requires a scope, so an operation
//! that forgets the tenant or the revocation check does not compile.
//!
//! [`Env::in_tenant`]: crate::env::Env::in_tenant

pub mod caller;
mod in_tenant;

use crate::id::{TenantId, UserId};
use crate::logins::RefreshToken;
use crate::tenants::Membership;

/// The authority to touch one tenant's data. Only this module and its children make one.
#[derive(Clone, Copy, Debug)]
pub struct TenantScope {
    tenant: TenantId,
}

impl TenantScope {
    /// The tenant.
    pub fn tenant(self) -> TenantId {
        self.tenant
    }

    /// The tenant that a refresh token names. Before it writes or returns anything, the operation must verify that the
    /// token belongs to its login and that the user is a member of the tenant.
    pub(crate) fn of_refresh_token(token: &RefreshToken) -> Self {
        Self { tenant: token.tenant() }
    }

    /// The tenant of a key that has expired, for the sweep, which acts for every tenant.
    pub(crate) fn of_expired_key(tenant: TenantId) -> Self {
        Self { tenant }
    }

    /// The own tenant of a deleted account, or one of which the user was a member.
    pub(crate) fn of_deleted_account(tenant: TenantId) -> Self {
        Self { tenant }
    }

    /// Any tenant, for operators, who act for every tenant.
    pub(crate) fn for_operator(tenant: TenantId) -> Self {
        Self { tenant }
    }

    /// The tenant in the key of stored data, for the check of the store, which reads everything.
    pub(crate) fn of_stored_key(tenant: TenantId) -> Self {
        Self { tenant }
    }

    /// The tenant of a membership that the same transaction has read, to show the tenant to its member.
    pub(crate) fn of_membership(membership: &Membership) -> Self {
        Self {
            tenant: membership.tenant,
        }
    }

    /// The user's own tenant, for operations that have just created or authenticated the user.
    pub(crate) fn own(user: UserId) -> Self {
        Self {
            tenant: TenantId::own(user),
        }
    }
}
