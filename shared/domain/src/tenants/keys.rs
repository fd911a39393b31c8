//! `tenants / {tenant_id}` → the tenant; `users / {user_id} / tenants / {tenant_id}` → the user's membership in it;
//! `tenants / {tenant_id} / members / {user_id}` → empty: index of an organisation's members.

use kv::Key;

use crate::id::{TenantId, UserId};
use crate::scope::TenantScope;

/// The tenant, and the prefix of everything that it owns.
pub fn tenant(scope: TenantScope) -> Key {
    Key::of(&("tenants", scope.tenant().uuid()))
}

/// The prefix of a user's memberships.
pub fn memberships(user: UserId) -> Key {
    Key::of(&("users", user.uuid(), "tenants"))
}

/// The prefix of the index of an organisation's members.
pub fn members(scope: TenantScope) -> Key {
    tenant(scope).child(&("members",))
}

/// A user's entry in the index of an organisation's members. A user's own tenant has no index.
pub fn member(scope: TenantScope, user: UserId) -> Key {
    members(scope).child(&(user.uuid(),))
}

/// A user's membership in a tenant. It needs no scope, because the check that grants a scope reads it.
pub fn membership(user: UserId, tenant: TenantId) -> Key {
    Key::of(&("users", user.uuid(), "tenants", tenant.uuid()))
}
