//! `tenants / {tenant_id} / audit / {stamp}` → the event. The stamp is the commit's, so the log is in the order of the commits.

use kv::Key;

use crate::audit::Position;
use crate::scope::TenantScope;
use crate::tenants;

/// All of the tenant's log.
pub fn log(scope: TenantScope) -> Key {
    tenants::keys::tenant(scope).child(&("audit",))
}

/// One place in it.
pub fn event(scope: TenantScope, place: Position) -> Key {
    log(scope).child(&(place.stamp(),))
}
