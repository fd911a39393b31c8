//! `sessions / {session_id}` → the session; `tenants / {tenant_id} / sessions / {session_id}` → session id, 16 bytes.
//!
//! Ids ascend with time, so a tenant's index is in order of creation.

use kv::Key;

use crate::id::SessionId;
use crate::scope::TenantScope;
use crate::tenants;

/// The session. Ids of all tenants share this key space, so what is read there is looked at through the scope
/// before it is anybody's; taking the scope here makes sure that there is one.
pub fn session(_scope: TenantScope, id: SessionId) -> Key {
    Key::of(&("sessions", id.uuid()))
}

/// All entries of the tenant's index.
pub fn index(scope: TenantScope) -> Key {
    tenants::keys::tenant(scope).child(&("sessions",))
}

/// The session's entry in the tenant's index.
pub fn index_entry(scope: TenantScope, id: SessionId) -> Key {
    index(scope).child(&(id.uuid(),))
}
