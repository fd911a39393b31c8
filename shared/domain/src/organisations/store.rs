//! Storage of organisations and their members on a given transaction.

use futures_util::future::try_join_all;
use futures_util::try_join;
use kv::{Order, Query, Range, Txn};

use crate::error::{Error, Result};
use crate::id::{Id as _, TenantId, UserId};
use crate::organisations::{MAX_MEMBERSHIPS, keys};
use crate::role::Role;
use crate::scope::TenantScope;
use crate::tenants::{self, Kind, MemberRole, Membership, Tenant};
use crate::usage::store::{Change, Counters};
use crate::usage::{self, MAX_MEMBERS, Quota, Usage};

/// The number of owners that are read at once.
const OWNERS: usize = 100;

/// The organisation. Fails with [`Error::NotFound`] if there is none, or if the tenant is a user's own.
pub async fn find(txn: &Txn, scope: TenantScope) -> Result<Tenant> {
    let tenant = tenants::store::find(txn, scope).await?;
    tenant
        .filter(|tenant| tenant.kind == Kind::Organization)
        .ok_or(Error::NotFound)
}

/// The membership of this user. Fails with [`Error::NotFound`] if they are no member.
pub async fn membership(txn: &Txn, scope: TenantScope, user: UserId) -> Result<Membership> {
    tenants::store::membership(txn, user, scope.tenant())
        .await?
        .ok_or(Error::NotFound)
}

/// The number of members; without a conflict if it changes.
pub async fn count_members(txn: &Txn, scope: TenantScope) -> Result<u64> {
    let value = txn.peek(&usage::keys::counter(scope, Quota::Members)).await?;
    Ok(kv::counter(value.as_deref()).max(0).unsigned_abs())
}

/// Up to `limit` members in the order of their ids, after the member `after`.
pub async fn members(txn: &Txn, scope: TenantScope, after: Option<UserId>, limit: usize) -> Result<Vec<UserId>> {
    let range = keys::members_after(scope, after);
    let order = Order::Ascending;
    let page = txn.range(&Query { range, order, limit }).await?;
    let members = page
        .entries
        .iter()
        .map(|entry| Ok(UserId::from_uuid(entry.key.last()?)));
    members.collect()
}

/// The memberships of all members: at most [`MAX_MEMBERS`].
pub(crate) async fn all_memberships(txn: &Txn, scope: TenantScope) -> Result<Vec<Membership>> {
    let users = members(txn, scope, None, usize::MAX).await?;
    let memberships = users.iter().map(|user| membership(txn, scope, *user));
    try_join_all(memberships).await
}

/// Adds a user who is no member, with these `counters` of the organisation ([`Counters::peek`]).
///
/// Fails with [`Error::QuotaExceeded`] if the organisation has no free seat. The caller of this function must have read
/// the user's record and all memberships ([`check_memberships`]), because the new membership copies from them.
pub(crate) async fn add_member(
    txn: &Txn,
    scope: TenantScope,
    membership: &Membership,
    counters: &Counters,
) -> Result<()> {
    let seat = Change {
        members: 1,
        ..Change::default()
    };
    counters.check_all(txn, &seat).await?;
    // Also without quotas, so that one transaction can delete the organisation.
    let used = counters.used(Quota::Members).unsigned_abs();
    if used >= MAX_MEMBERS {
        let (quota, limit) = (Quota::Members, Some(MAX_MEMBERS));
        return Err(Error::QuotaExceeded(Usage { quota, used, limit }));
    }
    put_member(txn, scope, membership)
}

/// Writes a new membership, and counts it, whatever the quota says.
pub fn put_member(txn: &Txn, scope: TenantScope, membership: &Membership) -> Result<()> {
    txn.add(&usage::keys::counter(scope, Quota::Members), 1)?;
    txn.set(&keys::member(scope, membership.user), [])?;
    if membership.role == Role::Owner {
        add_owner(txn, scope, membership.user)?;
    }
    tenants::store::put_membership(txn, membership)
}

/// Removes a member, given their stored membership. The caller of this function has made sure that an owner stays.
pub(crate) fn remove_member(txn: &Txn, scope: TenantScope, membership: &Membership) -> Result<()> {
    let user = membership.user;
    if membership.role == Role::Owner {
        remove_owner(txn, scope, user)?;
    }
    txn.add(&usage::keys::counter(scope, Quota::Members), -1)?;
    txn.clear(&keys::member(scope, user))?;
    tenants::store::remove_membership(txn, user, scope.tenant())
}

/// Gives a member another role, given their stored membership. The caller of this function has made sure that an owner
/// stays. Returns the new membership.
pub(crate) fn set_role(txn: &Txn, scope: TenantScope, membership: Membership, role: Role) -> Result<Membership> {
    match (membership.role, role) {
        (Role::Owner, Role::Owner) => {}
        (Role::Owner, _) => remove_owner(txn, scope, membership.user)?,
        (_, Role::Owner) => add_owner(txn, scope, membership.user)?,
        _ => {}
    }
    let changed = Membership { role, ..membership };
    tenants::store::put_membership(txn, &changed)?;
    Ok(changed)
}

/// The number of organisations that a user owns is a counter of their own tenant.
fn add_owner(txn: &Txn, scope: TenantScope, user: UserId) -> Result<()> {
    txn.set(&keys::owner(scope, user), [])?;
    count_owned(txn, user, 1)
}

fn remove_owner(txn: &Txn, scope: TenantScope, user: UserId) -> Result<()> {
    txn.clear(&keys::owner(scope, user))?;
    count_owned(txn, user, -1)
}

fn count_owned(txn: &Txn, user: UserId, change: i64) -> Result<()> {
    let counter = usage::keys::counter(TenantScope::own(user), Quota::Organizations);
    Ok(txn.add(&counter, change)?)
}

/// Fails with [`Error::TooManyMemberships`] if a user with all of these memberships can have no further one.
pub(crate) fn check_memberships(memberships: &[Membership]) -> Result<()> {
    let shared = memberships
        .iter()
        .filter(|membership| membership.tenant != TenantId::own(membership.user));
    match shared.count() {
        used if used >= MAX_MEMBERSHIPS => Err(Error::TooManyMemberships {
            used,
            limit: MAX_MEMBERSHIPS,
        }),
        _ => Ok(()),
    }
}

/// Whether the organisation has an owner beside this user. A suspended one cannot act as such.
pub(crate) async fn has_other_owner(txn: &Txn, scope: TenantScope, user: UserId) -> Result<bool> {
    let mut next = Some(Query {
        range: Range::below(&keys::owners(scope)),
        order: Order::Ascending,
        limit: OWNERS,
    });
    while let Some(query) = next.take() {
        let page = txn.range(&query).await?;
        let owners = page
            .entries
            .iter()
            .map(|entry| Ok(UserId::from_uuid(entry.key.last()?)))
            .collect::<Result<Vec<UserId>>>()?;
        let others = owners.iter().filter(|owner| **owner != user);
        let roles = others.map(|other| tenants::store::role(txn, *other, scope.tenant()));
        let is_active = |member: &MemberRole| member.role == Role::Owner && member.suspended_at.is_none();
        if try_join_all(roles).await?.iter().flatten().any(is_active) {
            return Ok(true);
        }
        next = page.next;
    }
    Ok(false)
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
        let (tenant, has_other) = try_join!(tenants::store::find(txn, scope), has_other_owner(txn, scope, user))?;
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
