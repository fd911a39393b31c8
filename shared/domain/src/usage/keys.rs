//! `tenants / {tenant_id} / usage / {quota}` → a counter; `tenants / {tenant_id} / usage / auditEvents / {day}` → the
//! counter of the audit events of a day, in days since 1970-01-01 (UTC).
//!
//! `tenants / {tenant_id} / limits` → the tenant's own limits.

use kv::Key;

use crate::scope::TenantScope;
use crate::tenants;
use crate::time::Timestamp;
use crate::usage::Quota;

/// The prefix of all counters.
pub fn all(scope: TenantScope) -> Key {
    tenants::keys::tenant(scope).child(&("usage",))
}

/// The counter of a quota that is not counted per day.
pub fn counter(scope: TenantScope, quota: Quota) -> Key {
    tenants::keys::tenant(scope).child(&("usage", quota.as_str()))
}

/// The counter of the audit events of a day.
pub fn audit_events(scope: TenantScope, day: i64) -> Key {
    counter(scope, Quota::AuditEvents).child(&(day,))
}

/// The tenant's own limits.
pub fn limits(scope: TenantScope) -> Key {
    tenants::keys::tenant(scope).child(&("limits",))
}

/// The counter that an operation at this time changes.
pub fn counter_at(scope: TenantScope, quota: Quota, at: Timestamp) -> Key {
    match quota {
        Quota::Sessions | Quota::StoredBytes | Quota::IdempotencyKeys | Quota::Files | Quota::Snapshots => {
            counter(scope, quota)
        }
        Quota::AuditEvents => audit_events(scope, at.as_days()),
    }
}
