//! Usage and quotas: no quota is ever exceeded, and only requests that would exceed one are rejected.

use domain::TenantId;
use domain::audit::Action;
use domain::usage::{Quota, Quotas};

use super::problems::Problems;
use super::run::Run;
use crate::history::{Call, Event, Reply};

pub(super) fn check(run: Run<'_>, problems: &mut Problems) {
    if let Some(quotas) = &run.history.limits.quotas {
        counters(run, quotas, problems);
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

/// After the run, no counter exceeds its quota; the counters equal what is stored.
fn counters(run: Run<'_>, quotas: &Quotas, problems: &mut Problems) {
    for ((tenant, name), used) in &run.records.counters {
        let quota = Quota::ALL.into_iter().find(|quota| quota.as_str() == name);
        let limit = quota.map_or(0, |quota| quotas.limit(quota));
        problems.unless(*used <= i64::try_from(limit).unwrap_or(i64::MAX), || {
            format!("tenant {tenant} uses {used} of its quota `{name}` of {limit}")
        });
    }
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
        if let (Call::Refresh { .. } | Call::ChangeProfile { .. }, Quota::AuditEvents) = (&event.call, usage.quota) {
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
