//! The limits that an operator has set for one tenant.

use serde::{Deserialize, Serialize};

use crate::record::{NewerMembers, Record, keeps_newer_members};
use crate::usage::{Quota, Quotas};

/// A tenant's own limits. A quota without one has the limit of every tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnLimits {
    sessions: Option<u64>,
    stored_bytes: Option<u64>,
    idempotency_keys: Option<u64>,
    audit_events: Option<u64>,
    files: Option<u64>,
    snapshots: Option<u64>,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    newer: NewerMembers,
}

impl Record for OwnLimits {
    const KIND: &'static str = "limits";
    const VERSION: u32 = 2;

    fn from_version(version: u32, data: &str) -> Option<serde_json::Result<Self>> {
        (version == 1).then(|| serde_json::from_str::<OwnLimitsV1>(data).map(Self::from))
    }

    keeps_newer_members!();
}

/// The record before the quotas of files.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OwnLimitsV1 {
    sessions: Option<u64>,
    stored_bytes: Option<u64>,
    idempotency_keys: Option<u64>,
    audit_events: Option<u64>,
}

impl From<OwnLimitsV1> for OwnLimits {
    fn from(limits: OwnLimitsV1) -> Self {
        Self {
            sessions: limits.sessions,
            stored_bytes: limits.stored_bytes,
            idempotency_keys: limits.idempotency_keys,
            audit_events: limits.audit_events,
            ..Self::default()
        }
    }
}

impl OwnLimits {
    /// The limits with another one for this quota; `None` if the limit of every tenant applies.
    #[must_use]
    pub fn with(mut self, quota: Quota, limit: Option<u64>) -> Self {
        let own = match quota {
            Quota::Sessions => &mut self.sessions,
            Quota::StoredBytes => &mut self.stored_bytes,
            Quota::IdempotencyKeys => &mut self.idempotency_keys,
            Quota::AuditEvents => &mut self.audit_events,
            Quota::Files => &mut self.files,
            Quota::Snapshots => &mut self.snapshots,
        };
        *own = limit;
        self
    }

    /// The limits in force, given those of every tenant.
    pub(crate) fn over(self, every: &Quotas) -> Quotas {
        Quotas {
            sessions: self.sessions.unwrap_or(every.sessions),
            stored_bytes: self.stored_bytes.unwrap_or(every.stored_bytes),
            idempotency_keys: self.idempotency_keys.unwrap_or(every.idempotency_keys),
            audit_events: self.audit_events.unwrap_or(every.audit_events),
            files: self.files.unwrap_or(every.files),
            snapshots: self.snapshots.unwrap_or(every.snapshots),
            writes_per_second: every.writes_per_second,
            logins_per_day: every.logins_per_day,
        }
    }
}
