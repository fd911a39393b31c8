//! `tenants / {tenant_id} / things / {thing_id}` → the thing.
//!
//! Ids ascend with time, so the things of a tenant are in order of creation.

use kv::Key;

use crate::id::ThingId;
use crate::scope::TenantScope;
use crate::tenants;

/// The prefix of the tenant's things.
pub fn prefix(scope: TenantScope) -> Key {
    tenants::keys::tenant(scope).child(&("things",))
}

/// One thing.
pub fn thing(scope: TenantScope, id: ThingId) -> Key {
    prefix(scope).child(&(id.uuid(),))
}
