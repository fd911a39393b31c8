//! Usage and quotas: every counter equals what is stored, no quota is ever exceeded, and only requests that would
//! exceed one are rejected.

use std::collections::BTreeMap;

use domain::TenantId;
use domain::audit::Action;
use domain::usage::{Quota, Quotas};
use uuid::Uuid;

use super::problems::Problems;
use super::run::Run;
use crate::history::{Call, Event, Reply};

pub(super) fn check(run: Run<'_>, problems: &mut Problems) {
    counters(run, problems);
    if let Some(quotas) = &run.history.limits.quotas {
        sessions_stay_within_their_quota(run, quotas, problems);
        rejections(run, quotas, problems);
    }
    let is_limited = run.history.limits.quotas.is_some();
    for event in &run.history.events {
        problems.unless(is_limited || !matches!(event.reply, Reply::QuotaExceeded(_)), || {
            format!("#{} was rejected without quotas", event.number)
        });
    }
}

/// The counters equal the records, in the store after the run.
fn counters(run: Run<'_>, problems: &mut Problems) {
    let records = run.records;
    let mut sessions = BTreeMap::<Uuid, i64>::new();
    for (tenant, _) in &records.session_index {
        *sessions.entry(*tenant).or_default() += 1;
    }
    for tenant in records.tenants.keys() {
        for (quota, stored) in [
            (Quota::Sessions, sessions.get(tenant)),
            (Quota::StoredBytes, records.stored_bytes.get(tenant)),
            (Quota::IdempotencyKeys, records.counted_keys.get(tenant)),
        ] {
            let name = quota.as_str();
            let counted = records.counters.get(&(*tenant, name.to_owned()));
            let (counted, stored) = (counted.unwrap_or(&0), stored.unwrap_or(&0));
            problems.unless(counted == stored, || {
                format!("tenant {tenant} has a counter `{name}` of {counted}, and {stored} are stored")
            });
            if let Some(quotas) = &run.history.limits.quotas {
                problems.unless(
                    *stored <= i64::try_from(quotas.limit(quota)).unwrap_or(i64::MAX),
                    || format!("tenant {tenant} stores {stored} beyond its quota `{name}`"),
                );
            }
        }
    }
    let mut events = BTreeMap::<(Uuid, i64), i64>::new();
    for (tenant, log) in &records.audit_logs {
        for event in log {
            *events.entry((*tenant, event.at.as_days())).or_default() += 1;
        }
    }
    problems.unless(events == records.event_counters, || {
        format!(
            "{:?} events are counted, and the logs have {events:?}",
            records.event_counters
        )
    });
    problems.unless(events.keys().copied().eq(records.audit_days.iter().copied()), || {
        format!(
            "the index of days has {:?}, and the logs have {events:?}",
            records.audit_days
        )
    });
}

/// The audit log is in commit order, so it shows how many sessions a tenant had at each moment.
fn sessions_stay_within_their_quota(run: Run<'_>, quotas: &Quotas, problems: &mut Problems) {
    for (tenant, log) in &run.trail.tenants {
        let mut count = 0_u64;
        for (event, entry) in log {
            match entry.action {
                Action::SessionCreated { .. } => count += 1,
                Action::SessionDeleted { .. } => count = count.saturating_sub(1),
                _ => {}
            }
            problems.unless(count <= quotas.sessions, || {
                format!(
                    "#{} made {count} sessions of tenant {tenant}, beyond the quota",
                    event.number
                )
            });
        }
    }
}

/// A rejected request names a quota that was used up.
fn rejections(run: Run<'_>, quotas: &Quotas, problems: &mut Problems) {
    for event in &run.history.events {
        let Reply::QuotaExceeded(usage) = &event.reply else {
            continue;
        };
        let number = event.number;
        let limit = quotas.limit(usage.quota);
        problems.unless(usage.limit == Some(limit), || {
            format!("#{number} names a wrong limit: {usage:?}")
        });
        if let (Call::Refresh { .. }, Quota::AuditEvents) = (&event.call, usage.quota) {
            problems.unless(usage.used >= limit, || {
                format!("#{number} was rejected below the limit: {usage:?}")
            });
            continue;
        }
        let (Call::Create { caller, .. } | Call::Change { caller, .. }) = &event.call else {
            problems.add(format!("#{number} exceeds a quota, although its call adds nothing"));
            continue;
        };
        match usage.quota {
            Quota::Sessions => {
                let possible = possible_sessions(run, caller.tenant(), event);
                problems.unless(usage.used == limit && possible >= limit, || {
                    format!("#{number} was rejected with {usage:?}, but at most {possible} sessions existed")
                });
            }
            Quota::IdempotencyKeys => {
                let used = matches!(event.call, Call::Create { key: Some(_), .. }) && usage.used == limit;
                problems.unless(used, || format!("#{number} was rejected with {usage:?}"));
            }
            Quota::StoredBytes => problems.unless(usage.used <= limit && usage.used + 2000 > limit, || {
                format!("#{number} was rejected well below the limit: {usage:?}")
            }),
            Quota::AuditEvents => problems.unless(usage.used >= limit, || {
                format!("#{number} was rejected below the limit: {usage:?}")
            }),
        }
    }
}

/// The largest number of sessions that the tenant can have had before the reply of `rejected`.
fn possible_sessions(run: Run<'_>, tenant: TenantId, rejected: &Event) -> u64 {
    let log = run.trail.tenants.get(&tenant).into_iter().flatten();
    let mut count = 0_u64;
    for (event, entry) in log {
        match entry.action {
            Action::SessionCreated { .. } if event.called < rejected.replied => count += 1,
            Action::SessionDeleted { .. } if event.executed_by() < rejected.called => count = count.saturating_sub(1),
            _ => {}
        }
    }
    count
}
