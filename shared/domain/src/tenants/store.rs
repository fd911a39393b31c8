//! Storage of tenants and memberships on a given transaction.

use futures_util::future::try_join_all;
use futures_util::try_join;
use kv::{Order, Query, Range, Txn};

use crate::error::{Error, Result};
use crate::id::{Id as _, TenantId, UserId};
use crate::page::CursorKey;
use crate::record;
use crate::role::Role;
use crate::scope::TenantScope;
use crate::tenants::{Kind, MemberRole, Membership, Tenant, keys};
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

/// Adds a user to an organisation.
pub fn add_member(txn: &Txn, scope: TenantScope, membership: &Membership) -> Result<()> {
    txn.set(&keys::member(scope, membership.user), [])?;
    put_membership(txn, membership)
}

/// Removes a user from an organisation.
pub fn remove_member(txn: &Txn, scope: TenantScope, user: UserId) -> Result<()> {
    txn.clear(&keys::member(scope, user))?;
    Ok(txn.clear(&keys::membership(user, scope.tenant()))?)
}

/// The organisations that only this user owns, with their names, given all of the user's memberships: without the user,
/// they would have no owner.
pub(crate) async fn owned_alone(
    txn: &Txn,
    user: UserId,
    memberships: &[Membership],
) -> Result<Vec<(TenantId, String)>> {
    let own = TenantId::own(user);
    let owned = memberships
        .iter()
        .filter(|membership| membership.role == Role::Owner && membership.tenant != own);
    let alone = try_join_all(owned.map(|membership| async move {
        let scope = TenantScope::of_membership(membership);
        let (tenant, has_other) = try_join!(find(txn, scope), has_other_owner(txn, scope, user))?;
        // Another user's own tenant always has its user.
        Ok::<_, Error>(tenant.filter(|tenant| tenant.kind == Kind::Organization && !has_other))
    }));
    Ok(alone
        .await?
        .into_iter()
        .flatten()
        .map(|tenant| (tenant.id, tenant.name))
        .collect())
}

/// Whether the organisation has an owner beside this user. A suspended one cannot act as such.
async fn has_other_owner(txn: &Txn, scope: TenantScope, user: UserId) -> Result<bool> {
    let mut next = Some(Query {
        range: Range::below(&keys::members(scope)),
        order: Order::Ascending,
        limit: 100,
    });
    while let Some(query) = next.take() {
        let page = txn.range(&query).await?;
        let members = page
            .entries
            .iter()
            .map(|entry| Ok(UserId::from_uuid(entry.key.last()?)));
        let others: Vec<UserId> = members
            .filter(|member| !matches!(member, Ok(member) if *member == user))
            .collect::<Result<_>>()?;
        let roles = try_join_all(others.iter().map(|other| role(txn, *other, scope.tenant()))).await?;
        let is_owner = |member: &MemberRole| member.role == Role::Owner && member.suspended_at.is_none();
        if roles.iter().flatten().any(is_owner) {
            return Ok(true);
        }
        next = page.next;
    }
    Ok(false)
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
