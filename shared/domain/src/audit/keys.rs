//! `tenants / {tenant_id} / audit / {stamp}` → the event. The commit fills in the stamp, so the log is in commit order.
//!
//! `audit / no_account / {shard}` → the last event about an email of this shard without an account; never read.
//! `audit / no_account / {shard} / events` and `audit / no_account / {shard} / day` → what a tenant's log also writes.
//!
//! `audit_days / {shard} / {day} / {tenant_id}` → empty: the tenant has events of this day, in days since 1970-01-01
//! (UTC). It shows which logs have events that are old enough to be removed. The shard is a part of the tenant's id.
//! Without it, every event of a day would be written to the same storage server of a cluster.

use kv::{Key, Range};
use uuid::Uuid;

use crate::audit::Position;
use crate::id::{Id as _, TenantId, UserId};
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

/// The counter of the events at [`no_account`].
pub fn no_account_events(absent: UserId) -> Key {
    no_account(absent).child(&("events",))
}

/// In place of an entry in the index of days.
pub fn no_account_day(absent: UserId) -> Key {
    no_account(absent).child(&("day",))
}

/// The number of shards of the index of days.
pub const DAY_SHARDS: u8 = 16;

/// The entry of a tenant with events of this day.
pub fn day_entry(scope: TenantScope, day: i64) -> Key {
    let tenant = scope.tenant().uuid();
    let shard = tenant.as_bytes()[15] % DAY_SHARDS;
    day_shard(shard).child(&(day, tenant))
}

/// The entries of a shard for days before `day`.
pub fn days_before(shard: u8, day: i64) -> Range {
    let prefix = day_shard(shard);
    Range::below(&prefix).before(&prefix.child(&(day,)))
}

/// The day and the tenant of an entry of this shard.
pub fn day_of_entry(entry: &Key, shard: u8) -> Result<(i64, TenantId), kv::Error> {
    let (day, tenant): (i64, Uuid) = entry.unpack_after(&day_shard(shard))?;
    Ok((day, TenantId::from_uuid(tenant)))
}

fn day_shard(shard: u8) -> Key {
    Key::of(&("audit_days", i64::from(shard)))
}
