//! Tenants on a caller's transaction.

use futures_util::try_join;
use kv::Txn;

use crate::error::{Error, Result};
use crate::id::{TenantId, UserId};
use crate::page::CursorKey;
use crate::record;
use crate::scope::TenantScope;
use crate::tenants::{MemberRole, Membership, Tenant, keys};
use crate::users::User;

/// Adds `user`'s own tenant with its first member. Blind, and so safe to replay: the id is the user's alone.
pub fn create(txn: &Txn, user: &User, tenant: &Tenant, founder: &Membership) -> Result<()> {
    txn.set(&keys::tenant(TenantScope::own(user.id)), record::encode(tenant)?)?;
    txn.set(&keys::membership(user.id, tenant.id), record::encode(founder)?)?;
    Ok(())
}

/// The place of `user` in `tenant`, if they have one.
pub async fn membership(txn: &Txn, user: UserId, tenant: TenantId) -> Result<Option<Membership>> {
    txn.get(&keys::membership(user, tenant))
        .await?
        .as_deref()
        .map(record::decode)
        .transpose()
}

/// What a request asks of the place of `user` in `tenant`, if they have one.
pub async fn role(txn: &Txn, user: UserId, tenant: TenantId) -> Result<Option<MemberRole>> {
    txn.get(&keys::membership(user, tenant))
        .await?
        .as_deref()
        .map(record::decode_projection)
        .transpose()
}

/// The tenant.
pub async fn find(txn: &Txn, scope: TenantScope) -> Result<Option<Tenant>> {
    txn.get(&keys::tenant(scope))
        .await?
        .as_deref()
        .map(record::decode)
        .transpose()
}

/// What the tenant's cursors are sealed with.
pub async fn cursor_key(txn: &Txn, scope: TenantScope) -> Result<CursorKey> {
    // Whoever has a place in a tenant that is gone is told so by the check that runs beside this.
    let tenant = find(txn, scope).await?.ok_or(Error::Revoked)?;
    Ok(tenant.cursor_key)
}

/// The tenant and the place of `user` in it, read at once; `None` if they have none.
pub async fn find_with_membership(txn: &Txn, scope: TenantScope, user: UserId) -> Result<Option<(Tenant, Membership)>> {
    let (tenant, membership) = try_join!(find(txn, scope), membership(txn, user, scope.tenant()))?;
    Ok(tenant.zip(membership))
}

/// The user's own tenant and their place in it, read at once. Every account has both.
pub async fn own(txn: &Txn, user: UserId) -> Result<(Tenant, Membership)> {
    find_with_membership(txn, TenantScope::own(user), user)
        .await?
        .ok_or_else(|| Error::Corrupt {
            kind: "tenant",
            why: "an account has no tenant of its own".into(),
        })
}
