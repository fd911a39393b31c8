//! Storage of tenants and memberships on a given transaction.

use futures_util::try_join;
use kv::{Order, Query, Range, Txn};

use crate::error::{Error, Result};
use crate::id::{TenantId, UserId};
use crate::page::CursorKey;
use crate::record;
use crate::scope::TenantScope;
use crate::tenants::{MemberRole, Membership, Tenant, keys};
use crate::time::Timestamp;
use crate::users::User;

/// More memberships than a user has.
const MAX_MEMBERSHIPS: usize = 1000;

/// Adds `user`'s own tenant with its first member. Reads nothing, because the tenant's id is the user's alone.
pub fn create(txn: &Txn, user: &User, tenant: &Tenant, founder: &Membership) -> Result<()> {
    txn.set(&keys::tenant(TenantScope::own(user.id)), record::encode(tenant)?)?;
    txn.set(&keys::membership(user.id, tenant.id), record::encode(founder)?)?;
    Ok(())
}

/// The membership of `user` in `tenant`, if any.
pub async fn membership(txn: &Txn, user: UserId, tenant: TenantId) -> Result<Option<Membership>> {
    txn.get(&keys::membership(user, tenant))
        .await?
        .as_deref()
        .map(record::decode)
        .transpose()
}

/// All of the user's memberships.
pub async fn memberships(txn: &Txn, user: UserId) -> Result<Vec<Membership>> {
    let page = txn
        .range(&Query {
            range: Range::below(&keys::memberships(user)),
            order: Order::Ascending,
            limit: MAX_MEMBERSHIPS,
        })
        .await?;
    page.entries.iter().map(|entry| record::decode(&entry.value)).collect()
}

/// Writes a membership over its stored version.
pub fn put_membership(txn: &Txn, membership: &Membership) -> Result<()> {
    let key = keys::membership(membership.user, membership.tenant);
    Ok(txn.set(&key, record::encode(membership)?)?)
}

/// Records in each of the user's memberships when their email was verified.
pub fn set_email_verified(txn: &Txn, memberships: &[Membership], at: Option<Timestamp>) -> Result<()> {
    for membership in memberships {
        let changed = Membership {
            email_verified_at: at,
            ..membership.clone()
        };
        put_membership(txn, &changed)?;
    }
    Ok(())
}

/// Removes the membership of `user` in `tenant`.
pub fn remove_membership(txn: &Txn, user: UserId, tenant: TenantId) -> Result<()> {
    Ok(txn.clear(&keys::membership(user, tenant))?)
}

/// The role of `user` in `tenant`, if they are a member.
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

/// Writes a tenant over its stored version.
pub fn put(txn: &Txn, scope: TenantScope, tenant: &Tenant) -> Result<()> {
    Ok(txn.set(&keys::tenant(scope), record::encode(tenant)?)?)
}

/// The key of the tenant's cursors.
pub async fn cursor_key(txn: &Txn, scope: TenantScope) -> Result<CursorKey> {
    // Without the tenant, the caller has no access to it any more, whatever the concurrent check of the caller finds.
    let tenant = find(txn, scope).await?.ok_or(Error::Revoked)?;
    Ok(tenant.cursor_key)
}

/// The tenant and the membership of `user` in it, read concurrently; `None` if either is missing.
pub async fn find_with_membership(txn: &Txn, scope: TenantScope, user: UserId) -> Result<Option<(Tenant, Membership)>> {
    let (tenant, membership) = try_join!(find(txn, scope), membership(txn, user, scope.tenant()))?;
    Ok(tenant.zip(membership))
}
