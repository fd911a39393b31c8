//! `tenants / {tenant_id} / audit / {stamp}` → the event. The commit fills in the stamp, so the log is in commit order.
//! `audit / no_account / {shard}` → the last event about an email of this shard without an account; never read.

use kv::Key;

use crate::audit::Position;
use crate::id::UserId;
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

/// The place of events about an absent user. There are 256, so that clients which guess emails neither fill the store
/// nor write one hot key.
pub fn no_account(absent: UserId) -> Key {
    let [shard, ..] = *absent.as_bytes();
    Key::of(&("audit", "no_account", i64::from(shard)))
}
