//! `tenants / {tenant_id}` → the tenant; `users / {user_id} / tenants / {tenant_id}` → the user's place in it.

use kv::Key;

use crate::id::{TenantId, UserId};
use crate::scope::TenantScope;

/// The tenant, which is also the prefix of all that it owns.
pub fn tenant(scope: TenantScope) -> Key {
    Key::of(&("tenants", scope.tenant().uuid()))
}

/// A user's place in a tenant. The key is the user's: it is what decides whether there is a scope.
pub fn membership(user: UserId, tenant: TenantId) -> Key {
    Key::of(&("users", user.uuid(), "tenants", tenant.uuid()))
}
