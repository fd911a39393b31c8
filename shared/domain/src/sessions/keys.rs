//! `sessions / {session_id}` → the session; `tenants / {tenant_id} / sessions / {session_id}` → the session's id, 16
//! bytes; `tenants / {tenant_id} / search / {session_id}` → the session's text for searches, if it is not ASCII.
//!
//! Ids ascend with time, so the tenant's index is in order of creation.

use kv::Key;

use crate::id::SessionId;
use crate::scope::TenantScope;
use crate::tenants;

/// The session. All tenants share this key space, so a reader must compare the session's tenant with its scope; the
/// parameter ensures that it has one.
pub fn session(_scope: TenantScope, id: SessionId) -> Key {
    Key::of(&("sessions", id.uuid()))
}

/// The prefix of the tenant's index.
pub fn index(scope: TenantScope) -> Key {
    tenants::keys::tenant(scope).child(&("sessions",))
}

/// The session's entry in the tenant's index.
pub fn index_entry(scope: TenantScope, id: SessionId) -> Key {
    index(scope).child(&(id.uuid(),))
}

/// The prefix of the tenant's texts for searches.
pub fn search_texts(scope: TenantScope) -> Key {
    tenants::keys::tenant(scope).child(&("search",))
}

/// The session's text for searches.
pub fn search_text(scope: TenantScope, id: SessionId) -> Key {
    search_texts(scope).child(&(id.uuid(),))
}
