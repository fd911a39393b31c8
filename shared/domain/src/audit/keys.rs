//! `tenants / {tenant_id} / audit / {stamp}` → the event. The commit fills in the stamp, so the log is in commit order.

use kv::Key;

use crate::audit::Position;
use crate::scope::TenantScope;
use crate::tenants;

/// The prefix of the tenant's log.
pub fn log(scope: TenantScope) -> Key {
    tenants::keys::tenant(scope).child(&("audit",))
}

/// The event at this position.
pub fn event(scope: TenantScope, position: Position) -> Key {
    log(scope).child(&(position.stamp(),))
}
