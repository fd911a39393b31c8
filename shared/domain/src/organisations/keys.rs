//! `tenants / {tenant_id} / members / {user_id}` → empty: index of an organisation's members;
//! `tenants / {tenant_id} / owners / {user_id}` → empty: index of its owners.
//!
//! An operation that takes an owner away reads the index of owners, and so conflicts with every other such operation.

use kv::{Key, Range};

use crate::id::UserId;
use crate::scope::TenantScope;
use crate::tenants;

/// The prefix of the index of an organisation's members.
pub fn members(scope: TenantScope) -> Key {
    tenants::keys::tenant(scope).child(&("members",))
}

/// A user's entry in the index of an organisation's members. A user's own tenant has no index.
pub fn member(scope: TenantScope, user: UserId) -> Key {
    members(scope).child(&(user.uuid(),))
}

/// The members after this one.
pub(super) fn members_after(scope: TenantScope, user: Option<UserId>) -> Range {
    let all = Range::below(&members(scope));
    match user {
        Some(user) => all.after(&member(scope, user)),
        None => all,
    }
}

/// The prefix of the index of an organisation's owners.
pub fn owners(scope: TenantScope) -> Key {
    tenants::keys::tenant(scope).child(&("owners",))
}

/// A user's entry in the index of an organisation's owners.
pub fn owner(scope: TenantScope, user: UserId) -> Key {
    owners(scope).child(&(user.uuid(),))
}
