//! Checks the invariants of a whole store: every record decodes, every index agrees with its records in both
//! directions, and every counter equals what it counts. `gateway check` runs it, and so does the simulation.
//!
//! Writers may be active: entries that depend on each other are read at the same moment. On LMDB, the whole check reads
//! one snapshot. On FoundationDB, a transaction reads a page of entries with what they depend on. Counters depend on
//! all data of a tenant, which can be too much for one transaction. So the check reads a tenant's counters before and
//! after its data, and starts over if they differ: every change of the data changes a counter, and each creation one of
//! audit events, which never decreases.

mod access_tokens;
mod contents;
mod entry;
mod exports;
mod feeds;
mod file_place;
mod files;
mod place;
mod share;
mod tenant;
mod uploads;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use kv::{Entry, Key, Order, Query, Range};

use self::file_place::FileSums;
pub(crate) use self::place::space;
use crate::clock::Clock;
use crate::env::Env;
use crate::error::Result;
use crate::id::TenantId;
use crate::view::View;

/// The number of entries that a transaction checks.
const PAGE: usize = 200;

/// A violated invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The key of the entry.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
}

/// The result of a check.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// The number of entries by the first element of their key.
    pub entries: BTreeMap<String, u64>,
    /// The number of all findings.
    pub count: u64,
    /// The first findings.
    pub findings: Vec<Finding>,
    /// The number of tenants whose counters could not be compared, because they changed during each attempt.
    pub unsettled: u64,
}

impl Summary {
    /// The number of entries.
    pub fn total(&self) -> u64 {
        self.entries.values().sum()
    }
}

/// Checks everything in the store. The summary contains at most `limit` findings, and the number of all. `progress` is
/// called after each page with the summary so far.
///
/// An error means that the check could not continue; whatever is wrong with the data is a finding.
pub async fn check(env: &Env, limit: usize, progress: impl FnMut(&Summary)) -> Result<Summary> {
    let mut check = Check {
        view: View::open(&env.db)?,
        clock: env.clock.clone(),
        limit,
        progress,
        summary: Summary::default(),
        // Another process's clock may be ahead, and its sweep have begun to remove the events of a further day.
        files: BTreeMap::new(),
        kept_since: env.clock.now().minus(env.limits.audit_retention).as_days() + 2,
    };
    let (everything, tenants) = (Range::below(&Key::of(&())), Key::of(&("tenants",)));
    check.entries(everything.clone().before(&tenants)).await?;
    check.tenants(&tenants).await?;
    check.entries(everything.after(&end_of(&tenants))).await?;
    Ok(check.summary)
}

/// A bound after all keys that extend `prefix`.
fn end_of(prefix: &Key) -> Key {
    // No element of a key starts with this byte.
    Key::from_bytes([prefix.as_bytes(), &[0xff]].concat())
}

/// A check in progress.
struct Check<P> {
    view: View,
    clock: Arc<dyn Clock>,
    limit: usize,
    progress: P,
    summary: Summary,
    /// The first day whose audit events no sweep removes.
    kept_since: i64,
    /// What the files of each tenant add up to. Their keys come before those of tenants.
    files: BTreeMap<TenantId, FileSums>,
}

impl<P: FnMut(&Summary)> Check<P> {
    /// Checks the entries of a range, each on its own.
    async fn entries(&mut self, range: Range) -> Result<()> {
        let mut next = Some(ascending(range));
        while let Some(query) = next.take() {
            let page = self.page(&query).await?;
            for (entry, checked) in &page.entries {
                self.report(entry, &checked.problems);
                if let Some(tenant) = checked.share.owner {
                    self.files.entry(tenant).or_default().add(&checked.share);
                }
            }
            next = page.next;
            (self.progress)(&self.summary);
        }
        Ok(())
    }

    /// Reads and checks a page of entries at one moment.
    async fn page(&self, query: &Query) -> Result<Page> {
        let clock = &self.clock;
        self.view
            .step(|txn| async move {
                let now = clock.now();
                let page = txn.range(query).await?;
                let checked = try_join_all(page.entries.iter().map(|entry| entry::check(&txn, entry, now))).await?;
                Ok(Page {
                    entries: page.entries.into_iter().zip(checked).collect(),
                    next: page.next,
                })
            })
            .await
    }

    /// Counts an entry, and its findings.
    fn report(&mut self, entry: &Entry, problems: &[String]) {
        *self.summary.entries.entry(space(&entry.key)).or_default() += 1;
        for problem in problems {
            self.add(&entry.key, problem.clone());
        }
    }

    fn add(&mut self, key: &Key, problem: String) {
        self.summary.count += 1;
        if self.summary.findings.len() < self.limit {
            let key = format!("{key:?}");
            self.summary.findings.push(Finding { key, problem });
        }
    }
}

/// A page of entries with the results of their checks.
struct Page {
    entries: Vec<(Entry, entry::Checked)>,
    next: Option<Query>,
}

fn ascending(range: Range) -> Query {
    Query {
        range,
        order: Order::Ascending,
        limit: PAGE,
    }
}
