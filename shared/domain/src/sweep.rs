//! The sweep: removes expired keys, deleted files, old changes of files, contents without references, objects that
//! nothing needs, old audit events, deleted accounts with their data, and commit markers of processes that are gone.

mod feeds;

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::try_join_all;
use kv::Key;
use tokio::time::timeout;

use crate::audit;
use crate::contents::{self, garbage};
use crate::deletion::execution::{self, Executed};
use crate::deletion::removal;
use crate::dump::progress;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::expiry::{self, DueEntry};
use crate::files;
use crate::id::UserId;
use crate::objects::{self, ObjectError};
use crate::scope::TenantScope;
use crate::time::Timestamp;
use crate::uploads;
use crate::usage::store::Counted;

/// The maximum number of keys that one transaction removes.
const BATCH: usize = 100;

/// The minimum time since expiry. Clocks differ: a process must not remove a key that another still treats as alive.
const MARGIN: Duration = Duration::from_secs(60);

/// The age from which a commit marker counts as one of a process that has ended.
const MARKER_MAX_AGE: Duration = Duration::from_hours(24);

/// The age from which an upload to the object store that no record names counts as one of a process that has ended. No
/// upload lives longer than a day.
const OBJECT_UPLOAD_MAX_AGE: Duration = Duration::from_hours(48);

/// The number of transactions of one removal before it is the turn of the next one.
const TURN: usize = 10;

/// The shares of a sweep's time. A phase that needs more than one of them continues when the others had theirs.
const SHARES: u32 = 16;

/// The shortest share, in which a phase makes progress.
const MIN_SHARE: Duration = Duration::from_millis(500);

/// The result of a sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// The number of entries in the expiry index that were processed. Their keys had expired, or were removed before.
    pub expired: usize,
    /// The number of removed audit events.
    pub audit_events: usize,
    /// The number of deleted accounts.
    pub deleted_accounts: usize,
    /// The number of deletions of accounts that were postponed, because an organisation would lose its last owner, or
    /// because a change of the account's email can still be undone.
    pub postponed_deletions: usize,
    /// The number of completed pieces of work on deleted files.
    pub file_jobs: usize,
    /// The number of changes that were removed from the feeds of files.
    pub file_changes: usize,
    /// The number of removed contents, which had no reference.
    pub contents: usize,
    /// The number of objects that were deleted from the object store.
    pub objects: usize,
    /// The number of removed commit markers.
    pub markers: usize,
    /// Whether the time ran out. The next sweep continues. The transaction that was cut off is not counted, even if it
    /// committed.
    pub cut_short: bool,
}

/// Removes all expired keys, and the audit events that are older than their retention, one batch per transaction.
/// Deletes the accounts whose deletion is due, and removes the data of deleted accounts. Stops after `time_budget`.
///
/// Any number of processes may sweep concurrently, at any time. Batches conflict with each other and with a request
/// that renews a lifetime, so a key is either renewed or removed.
///
/// After a failure the sweep still removes the rest; the result is then the first error. An entry that cannot be
/// decoded fails every sweep until an operator handles it. It stays, because it may be the only way to find its key,
/// and another version of this program may decode it.
pub async fn sweep(env: &Env, time_budget: Duration) -> Result<Swept> {
    let now = env.clock.now().minus(MARGIN);
    // An import compares the store with its dump.
    env.db
        .run(|txn| async move { progress::require_none(&txn).await })
        .await?;
    let mut sweep = Sweep {
        env,
        now,
        swept: Swept::default(),
        error: None,
    };
    sweep.swept.cut_short = timeout(time_budget, sweep.all(time_budget)).await.is_err();
    match sweep.error {
        None => Ok(sweep.swept),
        Some(error) => Err(error),
    }
}

/// A sweep in progress. It counts as it goes, so that the counts are known when the time runs out.
struct Sweep<'a> {
    env: &'a Env,
    /// Keys that expired before this time are removed.
    now: Timestamp,
    swept: Swept,
    /// The first error.
    error: Option<Error>,
}

/// A part of a sweep.
#[derive(Clone, Copy)]
enum Phase {
    Expired,
    Deletions,
    FileJobs,
    Feeds,
    Garbage,
    Objects,
    AuditEvents,
    Markers,
    /// Last, because a large account takes long.
    Removals,
}

impl Phase {
    const ALL: [Self; 9] = [
        Self::Expired,
        Self::Deletions,
        Self::FileJobs,
        Self::Feeds,
        Self::Garbage,
        Self::Objects,
        Self::AuditEvents,
        Self::Markers,
        Self::Removals,
    ];
}

impl Sweep<'_> {
    /// Executes all phases, in turns: each gets a share of the time again and again. So one that has much work, which
    /// may be that of a single tenant, does not keep the others waiting until the next sweep, and the ones after that.
    async fn all(&mut self, time_budget: Duration) {
        let share = (time_budget / SHARES).max(MIN_SHARE);
        let mut phases = Phase::ALL.to_vec();
        while !phases.is_empty() {
            let mut left = Vec::new();
            for phase in phases {
                match timeout(share, self.phase(phase)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => self.fail(error),
                    Err(_) => left.push(phase),
                }
            }
            phases = left;
        }
    }

    async fn phase(&mut self, phase: Phase) -> Result<()> {
        match phase {
            Phase::Expired => {
                for shard in 0..expiry::SHARDS {
                    if let Err(error) = self.shard(shard).await {
                        self.fail(error);
                    }
                }
                Ok(())
            }
            Phase::Deletions => self.deletions().await,
            Phase::FileJobs => self.file_jobs().await,
            Phase::Feeds => self.feeds().await,
            Phase::Garbage => self.garbage().await,
            Phase::Objects => self.objects().await,
            Phase::AuditEvents => {
                let before = self.env.clock.now().minus(self.env.limits.audit_retention).as_days();
                for shard in 0..audit::keys::DAY_SHARDS {
                    if let Err(error) = self.audit_days(shard, before).await {
                        self.fail(error);
                    }
                }
                Ok(())
            }
            Phase::Markers => {
                self.swept.markers = self.env.db.sweep_markers(MARKER_MAX_AGE).await?;
                Ok(())
            }
            Phase::Removals => self.removals().await,
        }
    }

    async fn shard(&mut self, shard: u8) -> Result<()> {
        let mut next = Some(None);
        while let Some(after) = next {
            let batch = self.batch(shard, after.as_ref()).await?;
            self.swept.expired += batch.removed;
            if let Some(error) = batch.unreadable {
                self.fail(error);
            }
            next = batch.last.map(Some);
        }
        Ok(())
    }

    /// Removes the keys of the oldest due entries of a shard, after the entry `after`, in one transaction.
    async fn batch(&self, shard: u8, after: Option<&Key>) -> Result<Batch> {
        self.env
            .db
            .run(|txn| async move {
                txn.use_reserve();
                let due = expiry::due(&txn, shard, self.now, after, BATCH).await?;
                let mut batch = Batch::default();
                if due.len() == BATCH {
                    batch.last = due.last().map(|due| due.entry.clone());
                }
                let mut counted_keys = Vec::new();
                for DueEntry { entry, key, note } in due {
                    if let Ok(key) = &key
                        && let Some((tenant, id)) = uploads::keys::upload_at(key)
                    {
                        let scope = TenantScope::of_expired_key(tenant);
                        match uploads::store::expire(&txn, scope, id, self.now).await {
                            Ok(()) => {
                                txn.clear(&entry)?;
                                batch.removed += 1;
                            }
                            Err(error @ Error::Corrupt { .. }) => {
                                batch.unreadable = batch.unreadable.or(Some(error));
                            }
                            Err(error) => return Err(error),
                        }
                        continue;
                    }
                    match key.and_then(|key| Ok((key, Counted::from_bytes(&note)?))) {
                        Ok((key, counted)) => {
                            txn.clear(&key)?;
                            txn.clear(&entry)?;
                            counted_keys.extend(counted);
                            batch.removed += 1;
                        }
                        Err(error) => batch.unreadable = batch.unreadable.or(Some(error)),
                    }
                }
                let subtracting = counted_keys.iter().map(|counted| counted.subtract_if_any(&txn));
                try_join_all(subtracting).await?;
                Ok(batch)
            })
            .await
    }

    /// Deletes the accounts whose deletion is due.
    async fn deletions(&mut self) -> Result<()> {
        let (env, now) = (self.env, self.now);
        let mut last = None;
        loop {
            let after = last.as_ref();
            let due = env
                .db
                .run(|txn| async move { execution::due(&txn, now, after, BATCH).await })
                .await?;
            for entry in &due {
                match execution::execute(env, entry).await {
                    Ok(Executed::Deleted) => self.swept.deleted_accounts += 1,
                    Ok(Executed::Postponed) => self.swept.postponed_deletions += 1,
                    Ok(Executed::Obsolete) => {}
                    Err(error) => self.fail(error),
                }
            }
            if due.len() < BATCH {
                return Ok(());
            }
            last = due.into_iter().next_back();
        }
    }

    /// Does the work on deleted files: some transactions of each piece, again and again, so that a large one does not
    /// keep the others waiting.
    async fn file_jobs(&mut self) -> Result<()> {
        let mut failed = BTreeSet::new();
        loop {
            let mut is_done = true;
            for shard in 0..files::keys::JOB_SHARDS {
                is_done &= self.file_jobs_of(shard, &mut failed).await?;
            }
            if is_done {
                return Ok(());
            }
        }
    }

    /// Executes a turn of each piece of work in a shard. Returns whether there was none; one may have queued another.
    async fn file_jobs_of(&mut self, shard: u8, failed: &mut BTreeSet<Key>) -> Result<bool> {
        let env = self.env;
        let (now, mut is_done, mut last) = (env.clock.now(), true, None);
        loop {
            let after = last.as_ref();
            let jobs = env
                .db
                .run(|txn| async move { files::jobs::due(&txn, shard, now, after, BATCH).await })
                .await?;
            for job in &jobs {
                if failed.contains(job) {
                    continue;
                }
                is_done = false;
                if let Err(error) = self.file_job(job).await {
                    failed.insert(job.clone());
                    self.fail(error);
                }
            }
            if jobs.len() < BATCH {
                return Ok(is_done);
            }
            last = jobs.into_iter().next_back();
        }
    }

    /// Executes a turn of a piece of work.
    async fn file_job(&mut self, job: &Key) -> Result<()> {
        for _ in 0..TURN {
            let continued = files::jobs::continue_job(self.env, job).await?;
            if let Some(error) = continued.unreadable {
                self.fail(error);
            }
            if continued.is_done {
                self.swept.file_jobs += 1;
                break;
            }
        }
        Ok(())
    }

    /// Removes contents without references: some of each shard, again and again, so that a tenant with many does not
    /// keep the others waiting.
    async fn garbage(&mut self) -> Result<()> {
        let env = self.env;
        let mut shards: Vec<(u8, Option<Key>)> =
            (0..contents::keys::GARBAGE_SHARDS).map(|shard| (shard, None)).collect();
        while !shards.is_empty() {
            let mut rest = Vec::new();
            for (shard, after) in shards {
                let collected = garbage::collect(&env.db, env.clock.now(), shard, after.as_ref(), BATCH).await?;
                self.swept.contents += collected.contents;
                for error in collected.errors {
                    self.fail(error);
                }
                if collected.last.is_some() {
                    rest.push((shard, collected.last));
                }
            }
            shards = rest;
        }
        Ok(())
    }

    /// Deletes the objects whose deletion is due.
    async fn objects(&mut self) -> Result<()> {
        let env = self.env;
        let Some(store) = env.objects.as_deref() else {
            let due = objects::store::due(&env.db, self.now, None, 1).await?;
            return if due.is_empty() {
                Ok(())
            } else {
                Err(ObjectError::Absent.into())
            };
        };
        let mut last = None;
        loop {
            let due = objects::store::due(&env.db, self.now, last.as_ref(), BATCH).await?;
            for entry in &due {
                match objects::store::delete(&env.db, store, entry).await {
                    Ok(()) => self.swept.objects += 1,
                    Err(error) => self.fail(error),
                }
            }
            if due.len() < BATCH {
                break;
            }
            last = due.into_iter().next_back().map(|entry| entry.key);
        }
        // Of a process that ended before it could record the upload.
        store.abort_older_than(OBJECT_UPLOAD_MAX_AGE).await?;
        Ok(())
    }

    /// Removes the data of deleted accounts: some transactions of each, again and again, so that a large account does
    /// not keep the others waiting.
    async fn removals(&mut self) -> Result<()> {
        let env = self.env;
        let mut failed = BTreeSet::new();
        loop {
            let mut is_done = true;
            let mut last = None;
            loop {
                let after = last;
                let users = env
                    .db
                    .run(|txn| async move { removal::in_progress(&txn, after, BATCH).await })
                    .await?;
                for user in &users {
                    if failed.contains(user) {
                        continue;
                    }
                    match self.removal(*user).await {
                        Ok(is_removed) => is_done &= is_removed,
                        Err(error) => {
                            failed.insert(*user);
                            self.fail(error);
                        }
                    }
                }
                if users.len() < BATCH {
                    break;
                }
                last = users.last().copied();
            }
            if is_done {
                return Ok(());
            }
        }
    }

    /// Executes a turn of a removal. Returns whether nothing is left.
    async fn removal(&mut self, user: UserId) -> Result<bool> {
        for _ in 0..TURN {
            let continued = removal::continue_removal(self.env, user).await?;
            if let Some(error) = continued.unreadable {
                self.fail(error);
            }
            if continued.is_done {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes the events of the days before `before` from the logs of a shard's tenants.
    async fn audit_days(&mut self, shard: u8, before: i64) -> Result<()> {
        let db = &self.env.db;
        let mut last = None;
        loop {
            let after = last.as_ref();
            let days = db
                .run(|txn| async move { audit::store::days(&txn, shard, before, after, BATCH).await })
                .await?;
            let is_last = days.len() < BATCH;
            for day in days {
                let removed = match day.of {
                    Ok((number, tenant)) => {
                        let scope = TenantScope::of_expired_key(tenant);
                        self.audit_day(scope, number, &day.entry).await
                    }
                    Err(error) => Err(error),
                };
                if let Err(error) = removed {
                    self.fail(error);
                }
                last = Some(day.entry);
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Removes a tenant's events until the end of this day, one batch per transaction.
    async fn audit_day(&mut self, scope: TenantScope, day: i64, entry: &Key) -> Result<()> {
        loop {
            let (removed, is_done) = self
                .env
                .db
                .run(|txn| async move {
                    txn.use_reserve();
                    audit::store::remove_day(&txn, scope, day, entry, BATCH).await
                })
                .await?;
            self.swept.audit_events += removed;
            if is_done {
                return Ok(());
            }
        }
    }

    fn fail(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }
}

/// The result of one transaction.
#[derive(Default)]
struct Batch {
    removed: usize,
    /// The error of the first entry that could not be decoded.
    unreadable: Option<Error>,
    /// The last entry, if there may be more.
    last: Option<Key>,
}
