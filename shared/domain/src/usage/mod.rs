//! Usage: what a tenant stores and does, counted against its quotas.
//!
//! The transaction of a change also changes the counters, so they are exact. Additions never conflict
//! ([`kv::Txn::add`]). An operation that adds to a counter peeks at it; only near the limit does it read the counter
//! with a conflict. So concurrent requests conflict only there, and no number of them exceeds a quota ([`store`]).

pub mod keys;
pub mod ops;
mod own;
pub mod rate;
pub(crate) mod store;
mod writes;

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

pub use self::own::OwnLimits;

/// Something that a tenant has a limited amount of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum Quota {
    /// Its sessions.
    Sessions,
    /// Bytes of the records of its sessions and idempotency keys, and of the contents of its files.
    StoredBytes,
    /// Its idempotency keys, until they are swept.
    IdempotencyKeys,
    /// Events in its audit log of the current day (UTC).
    AuditEvents,
    /// Files and directories of its sessions, with those in the trash, and with earlier ones that only snapshots
    /// contain.
    Files,
    /// Snapshots of its sessions.
    Snapshots,
}

impl Quota {
    /// Every quota, in the order of the contract.
    pub const ALL: [Self; 6] = [
        Self::Sessions,
        Self::StoredBytes,
        Self::IdempotencyKeys,
        Self::AuditEvents,
        Self::Files,
        Self::Snapshots,
    ];

    /// The names of all quotas in the contract.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// The quota with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|quota| quota.as_str() == name)
    }

    /// The quota's name in the contract.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The limits of every tenant that has none of its own ([`OwnLimits`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// The limit of [`Quota::Sessions`].
    pub sessions: u64,
    /// The limit of [`Quota::StoredBytes`].
    pub stored_bytes: u64,
    /// The limit of [`Quota::IdempotencyKeys`].
    pub idempotency_keys: u64,
    /// The limit of [`Quota::AuditEvents`].
    pub audit_events: u64,
    /// The limit of [`Quota::Files`].
    pub files: u64,
    /// The limit of [`Quota::Snapshots`].
    pub snapshots: u64,
    /// Writes per second that one process accepts from a tenant, on average ([`rate`]).
    pub writes_per_second: u32,
    /// Logins and password changes per day that one process accepts from a user, on average ([`rate`]).
    pub logins_per_day: u32,
}

/// The limits of bytes and files are far above the margins in which writes are counted exactly ([`store`]). A tenant
/// within the margin writes one request after the other, so no ordinary tenant may be there.
impl Default for Quotas {
    fn default() -> Self {
        Self {
            sessions: 10_000,
            stored_bytes: 10_000_000_000,
            idempotency_keys: 10_000,
            audit_events: 50_000,
            files: 1_000_000,
            snapshots: 1000,
            writes_per_second: 50,
            logins_per_day: 1000,
        }
    }
}

impl Quotas {
    /// The largest limit, so that sums of limits and counters fit into 64 bits.
    pub const MAX: u64 = 1 << 53;

    /// The limit of a quota.
    pub fn limit(&self, quota: Quota) -> u64 {
        match quota {
            Quota::Sessions => self.sessions,
            Quota::StoredBytes => self.stored_bytes,
            Quota::IdempotencyKeys => self.idempotency_keys,
            Quota::AuditEvents => self.audit_events,
            Quota::Files => self.files,
            Quota::Snapshots => self.snapshots,
        }
    }
}

/// How much of a quota a tenant uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The quota.
    pub quota: Quota,
    /// The amount in use.
    pub used: u64,
    /// The limit; `None` if quotas are off.
    pub limit: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quota_has_a_name() {
        let names = Quota::ALL.map(Quota::as_str);
        assert_eq!(
            names,
            [
                "sessions",
                "storedBytes",
                "idempotencyKeys",
                "auditEvents",
                "files",
                "snapshots"
            ]
        );
        assert_eq!(Quota::NAMES, names);
        assert_eq!(names.map(Quota::parse), Quota::ALL.map(Some));
        assert_eq!(Quota::parse("Sessions"), None);
    }
}
