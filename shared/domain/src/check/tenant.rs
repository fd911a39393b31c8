//! The rules for all entries of a tenant together: its counters equal what they count.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::try_join;
use kv::{Entry, Key, Order, Query, Range};

use super::entry::{Checked, scope};
use super::file_place::FileSums;
use super::place::tenant_of;
use super::{Check, Summary, ascending, end_of};
use crate::contents::{self, Digest};
use crate::deletion::removal;
use crate::error::Result;
use crate::id::TenantId;
use crate::scope::TenantScope;
use crate::tenants;
use crate::usage::{self, Quota};
use crate::view::View;

/// How often the data of a tenant is read until its counters stay the same meanwhile.
const ATTEMPTS: u32 = 4;

impl<P: FnMut(&Summary)> Check<P> {
    /// Checks the entries of all tenants.
    pub(super) async fn tenants(&mut self, tenants: &Key) -> Result<()> {
        let mut rest = Range::below(tenants);
        loop {
            let first = &Query {
                range: rest.clone(),
                order: Order::Ascending,
                limit: 1,
            };
            let page = self
                .view
                .step(|txn| async move { Ok(txn.range(first).await?.entries) })
                .await?;
            let Some(entry) = page.first() else { return Ok(()) };
            let handled = if let Some(tenant) = tenant_of(&entry.key) {
                self.tenant(tenant).await?;
                end_of(&tenants::keys::tenant(scope(tenant)))
            } else {
                let end = Key::from_bytes([entry.key.as_bytes(), &[0]].concat());
                self.entries(rest.clone().before(&end)).await?;
                entry.key.clone()
            };
            rest = rest.after(&handled);
        }
    }

    async fn tenant(&mut self, tenant: TenantId) -> Result<()> {
        let key = tenants::keys::tenant(scope(tenant));
        let record = &key;
        let stored = self.view.step(|txn| async move { Ok(txn.get(record).await?) }).await?;
        match stored {
            Some(value) => {
                let entry = Entry {
                    key: key.clone(),
                    value,
                };
                let (checked, now) = (&entry, self.clock.now());
                let Checked { problems, .. } = self
                    .view
                    .step(|txn| async move { super::entry::check(&txn, checked, now).await })
                    .await?;
                self.report(&entry, &problems);
            }
            None if self.may_be_without_record(tenant).await? => {
                // Its entries still have rules of their own; its counters no longer count anything.
                self.sums(&key, true).await?;
                return Ok(());
            }
            None => self.add(&key, "it does not exist, and its data does".to_owned()),
        }
        for attempt in 1..=ATTEMPTS {
            let before = self.counters(tenant).await?;
            let sums = self.sums(&key, attempt == 1).await?;
            if self.counters(tenant).await? == before {
                if self.may_be_without_record(tenant).await? {
                    return Ok(());
                }
                // Without one moment for all, files may have changed between their entries and their counters.
                let files = match &self.view {
                    View::Moment(_) => Some(self.files.remove(&tenant).unwrap_or_default()),
                    View::Steps(_) => None,
                };
                for (key, problem) in sums.compare(tenant, self.kept_since, files.as_ref()) {
                    self.add(&key, problem);
                }
                return self.contents(tenant).await;
            }
        }
        self.summary.unsettled += 1;
        self.contents(tenant).await
    }

    /// Whether the tenant belongs to a deleted account, whose data a sweep is removing or has removed.
    async fn may_be_without_record(&self, tenant: TenantId) -> Result<bool> {
        let key = &tenants::keys::tenant(scope(tenant));
        let data = &Query {
            range: Range::below(key),
            order: Order::Ascending,
            limit: 1,
        };
        self.view
            .step(|txn| async move {
                let (record, data, removal) = try_join!(
                    async { Ok(txn.get(key).await?) },
                    async { Ok(txn.range(data).await?) },
                    removal::is_of_tenant(&txn, tenant)
                )?;
                Ok(record.is_none() && (removal || data.entries.is_empty()))
            })
            .await
    }

    /// Checks the tenant's data, and sums it up. Only the first attempt reports findings of single entries.
    async fn sums(&mut self, tenant: &Key, reports: bool) -> Result<Sums> {
        let mut sums = Sums::default();
        let mut next = Some(ascending(Range::below(tenant)));
        while let Some(query) = next.take() {
            let page = self.page(&query).await?;
            for (entry, checked) in &page.entries {
                sums.add(&entry.key, checked);
                if reports {
                    self.report(entry, &checked.problems);
                }
            }
            next = page.next;
            (self.progress)(&self.summary);
        }
        Ok(sums)
    }

    /// All counters of the tenant.
    async fn counters(&self, tenant: TenantId) -> Result<Vec<Entry>> {
        let all = &Query {
            range: Range::below(&usage::keys::all(scope(tenant))),
            order: Order::Ascending,
            limit: usize::MAX,
        };
        self.view
            .step(|txn| async move { Ok(txn.range(all).await?.entries) })
            .await
    }
}

/// What a tenant has stored, and what its counters say.
#[derive(Default)]
struct Sums {
    sessions: i64,
    stored_bytes: i64,
    idempotency_keys: i64,
    events: BTreeMap<i64, i64>,
    counters: BTreeMap<Key, i64>,
    /// The counters of references to contents.
    references: BTreeMap<Digest, i64>,
}

impl Sums {
    fn add(&mut self, key: &Key, checked: &Checked) {
        let share = checked.share;
        self.sessions += share.sessions;
        self.stored_bytes += share.stored_bytes;
        self.idempotency_keys += share.idempotency_keys;
        if let Some(day) = share.event_on {
            *self.events.entry(day).or_default() += 1;
        }
        self.references.extend(share.references);
        if let Some(counter) = share.counter {
            self.counters.insert(key.clone(), counter);
        }
    }

    /// The counters that differ, and how. Events of days before `kept_since` may be in removal.
    fn compare(&self, tenant: TenantId, kept_since: i64, files: Option<&FileSums>) -> Vec<(Key, String)> {
        let scope = scope(tenant);
        let quotas = [
            (Quota::Sessions, self.sessions),
            (Quota::StoredBytes, self.stored_bytes),
            (Quota::IdempotencyKeys, self.idempotency_keys),
        ];
        let mut expected: BTreeMap<Key, i64> = quotas
            .into_iter()
            .map(|(quota, stored)| (usage::keys::counter(scope, quota), stored))
            .collect();
        if let Some(files) = files {
            expected.insert(usage::keys::counter(scope, Quota::Files), files.files);
            expected.insert(usage::keys::counter(scope, Quota::Snapshots), files.snapshots);
        }
        let days: BTreeSet<i64> = self.events.keys().copied().chain(self.counted_days(tenant)).collect();
        for day in days.into_iter().filter(|day| *day >= kept_since) {
            let stored = self.events.get(&day).copied().unwrap_or_default();
            expected.insert(usage::keys::audit_events(scope, day), stored);
        }
        let counter = |key: &Key| self.counters.get(key).copied().unwrap_or_default();
        let differing = expected.into_iter().filter(|(key, stored)| counter(key) != *stored);
        let differing = differing.map(|(key, stored)| {
            let problem = format!("the counter is {}, and {stored} is stored", counter(&key));
            (key, problem)
        });
        let references = files.map(|files| self.differing_references(scope, files));
        let uncounted = files.map_or(0, |files| files.uncounted_changes);
        let uncounted = (uncounted != 0).then(|| {
            let problem = format!("its feeds have {uncounted} changes more than are counted");
            (tenants::keys::tenant(scope), problem)
        });
        let references = references.into_iter().flatten();
        differing.chain(references).chain(uncounted).collect()
    }

    /// The counters of references that differ from the number of files, earlier entries and items of the trash.
    fn differing_references(&self, scope: TenantScope, files: &FileSums) -> Vec<(Key, String)> {
        let digests: BTreeSet<_> = self.references.keys().chain(files.references.keys()).collect();
        let differing = digests.into_iter().filter_map(|digest| {
            let of = |counts: &BTreeMap<Digest, i64>| counts.get(digest).copied().unwrap_or_default();
            let (counted, stored) = (of(&self.references), of(&files.references));
            let problem = format!("{counted} references are counted, and there are {stored}");
            (counted != stored).then(|| (contents::keys::references(scope, digest), problem))
        });
        differing.collect()
    }

    /// The days for which the tenant has a counter of events.
    fn counted_days(&self, tenant: TenantId) -> impl Iterator<Item = i64> {
        let prefix = usage::keys::counter(scope(tenant), Quota::AuditEvents);
        self.counters.keys().filter_map(move |key| {
            let (day,) = key.unpack_after(&prefix).ok()?;
            Some(day)
        })
    }
}
