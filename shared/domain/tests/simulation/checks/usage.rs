//! Usage and quotas: no quota is ever exceeded, and only requests that would exceed one are rejected. An operator's
//! limit of a tenant holds from its commit on.

use domain::audit::Action;
use domain::id::Id as _;
use domain::usage::{Quota, Quotas};
use domain::{Caller, TenantId};

use super::problems::Problems;
use super::run::Run;
use crate::history::{Call, END, Event, Reply, Tick};

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

/// A limit, and when it may have been in force.
struct InForce {
    limit: u64,
    from: Tick,
    until: Tick,
}

/// The limits of a tenant's quota, in the order of their commits.
fn limits(run: Run<'_>, quotas: &Quotas, tenant: TenantId, quota: Quota) -> Vec<InForce> {
    let every = quotas.limit(quota);
    let mut limits = vec![InForce {
        limit: every,
        from: 0,
        until: END,
    }];
    for (event, entry) in run.trail.tenants.get(&tenant).into_iter().flatten() {
        let Action::LimitChanged { quota: of, limit, .. } = &entry.action else {
            continue;
        };
        if *of != quota {
            continue;
        }
        if let Some(last) = limits.last_mut() {
            last.until = event.executed_by();
        }
        limits.push(InForce {
            limit: limit.unwrap_or(every),
            from: event.called,
            until: END,
        });
    }
    limits
}

/// After the run, no counter exceeds its quota; the counters equal what is stored. A lowered limit may be below what
/// the tenant used before.
fn counters(run: Run<'_>, quotas: &Quotas, problems: &mut Problems) {
    for ((tenant, name), used) in &run.records.counters {
        let quota = Quota::ALL.into_iter().find(|quota| quota.as_str() == name);
        let limit = quota.map_or(0, |quota| {
            let limits = limits(run, quotas, TenantId::from_uuid(*tenant), quota);
            limits.iter().map(|limit| limit.limit).max().unwrap_or_default()
        });
        problems.unless(*used <= i64::try_from(limit).unwrap_or(i64::MAX), || {
            format!("tenant {tenant} uses {used} of its quota `{name}` of {limit}")
        });
    }
}

/// The audit log is in commit order, so it shows how many sessions a tenant had at each moment, and which limit was in
/// force.
fn sessions_stay_within_their_quota(run: Run<'_>, quotas: &Quotas, problems: &mut Problems) {
    for (tenant, log) in &run.trail.tenants {
        let (mut count, mut limit) = (0_u64, quotas.sessions);
        for (event, entry) in log {
            match &entry.action {
                Action::SessionCreated { .. } => {
                    count += 1;
                    problems.unless(count <= limit, || {
                        format!(
                            "#{} made {count} sessions of tenant {tenant}, beyond the quota of {limit}",
                            event.number
                        )
                    });
                }
                Action::SessionDeleted { .. } => count = count.saturating_sub(1),
                Action::LimitChanged {
                    quota: Quota::Sessions,
                    limit: changed,
                    ..
                } => limit = changed.unwrap_or(quotas.sessions),
                _ => {}
            }
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
        let tenant = match &event.call {
            Call::Refresh { token, .. } => Some(token.tenant()),
            call => call.authority().map(Caller::tenant),
        };
        let Some(tenant) = tenant else {
            problems.add(format!("#{number} exceeds a quota, and is of no tenant"));
            continue;
        };
        let limits = limits(run, quotas, tenant, usage.quota);
        let mut in_force = limits.iter();
        let is_right =
            |of: &InForce| Some(of.limit) == usage.limit && of.from < event.replied && event.called < of.until;
        problems.unless(in_force.any(is_right), || {
            format!("#{number} names a wrong limit: {usage:?}")
        });
        let limit = usage.limit.unwrap_or_default();
        // Of a lowered limit, more may be used than it allows.
        let is_used_up = if limits.len() > 1 {
            usage.used >= limit
        } else {
            usage.used == limit
        };
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
                problems.unless(is_used_up && possible >= usage.used, || {
                    format!("#{number} was rejected with {usage:?}, but at most {possible} sessions existed")
                });
            }
            Quota::IdempotencyKeys => {
                let used = matches!(event.call, Call::Create { key: Some(_), .. }) && is_used_up;
                problems.unless(used, || format!("#{number} was rejected with {usage:?}"));
            }
            Quota::StoredBytes => problems.unless(usage.used <= limit && usage.used + 2000 > limit, || {
                format!("#{number} was rejected well below the limit: {usage:?}")
            }),
            Quota::AuditEvents => problems.unless(usage.used >= limit, || {
                format!("#{number} was rejected below the limit: {usage:?}")
            }),
            Quota::Files | Quota::Snapshots => {
                problems.add(format!("#{number} exceeds the quota of files or snapshots: {usage:?}"));
            }
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
