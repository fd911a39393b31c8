//! The janitor's work on files, in bounded transactions that any sweep can continue.
//!
//! A transaction reads its job, does a part of it, and writes what is left. So concurrent sweeps conflict, and none
//! repeats a part. Each part finds what it has to do at the start of a range, because it removes what was there.
//!
//! If the tenant is gone, its contents and counters are, too: only the keys of the files are removed.

use futures_util::future::try_join_all;
use futures_util::try_join;
use kv::{Element, Entry as StoredEntry, Key, Range, Txn};

use crate::env::Env;
use crate::error::{Error, Result};
use crate::files::changes::retention;
use crate::files::preparations::step::{Draft, Step, abandon, step};
use crate::files::preparations::{self, Purpose};
use crate::files::records::{Head, Job, Place, Removal, StoredItem, Task};
use crate::files::snapshots;
use crate::files::store::{Files, ascending};
use crate::files::{Entry, Node, keys};
use crate::id::{DirectoryId, FileJobId, Id as _, SessionId};
use crate::record::{self, Unreadable};
use crate::scope::TenantScope;
use crate::tenants;
use crate::time::Timestamp;
use crate::uploads;
use crate::usage::{self, Quota};

/// The maximum number of entries that one transaction removes.
const BATCH: usize = 200;

/// Up to `limit` jobs of a shard that are due, after the job `after`.
pub(crate) async fn due(txn: &Txn, shard: u8, now: Timestamp, after: Option<&Key>, limit: usize) -> Result<Vec<Key>> {
    let prefix = keys::job_shard(shard);
    let mut range = Range::below(&prefix).before(&prefix.child(&(now.as_millis().saturating_add(1),)));
    if let Some(after) = after {
        range = range.after(after);
    }
    let page = txn.range(&ascending(range, limit)).await?;
    Ok(page.entries.into_iter().map(|entry| entry.key).collect())
}

/// Whether the session has any files, or other data about them, or may have uploads.
pub(crate) async fn has_files(txn: &Txn, scope: TenantScope, session: SessionId) -> Result<bool> {
    let query = ascending(Range::below(&keys::all(scope, session)), 1);
    let files = async { Ok(!txn.range(&query).await?.entries.is_empty()) };
    let (has_files, has_uploads) = try_join!(files, uploads::store::has_any(txn, scope))?;
    Ok(has_files || has_uploads)
}

/// Queues the files of a session that the transaction removes. Nothing writes to them any more, because every write
/// reads the session.
pub(crate) fn remove_session(
    txn: &Txn,
    scope: TenantScope,
    session: SessionId,
    now: Timestamp,
    id: FileJobId,
) -> Result<()> {
    Files { txn, scope, session }.put_job(now, id, Task::Session {})
}

/// Removes up to `limit` keys of the files of a session whose tenant is gone. Returns whether there were any.
pub(crate) async fn remove_some(
    txn: &Txn,
    scope: TenantScope,
    session: SessionId,
    limit: usize,
    unreadable: &Unreadable,
) -> Result<bool> {
    let range = Range::below(&keys::all(scope, session));
    let found = txn.range(&ascending(range, limit)).await?.entries;
    let (files, feed) = (Files { txn, scope, session }, keys::feed(scope, session));
    retention::forget_new(&files)?;
    for entry in &found {
        if entry.key == feed {
            unreadable.skip(retention::forget(&files, &entry.value));
        }
        txn.clear(&entry.key)?;
    }
    Ok(!found.is_empty())
}

/// The result of one transaction of a job.
pub(crate) struct Continued {
    /// Whether nothing is left.
    pub(crate) is_done: bool,
    /// The error of the first record that could not be decoded. It was removed all the same.
    pub(crate) unreadable: Option<Error>,
}

/// Executes one transaction of the job at this key.
pub(crate) async fn continue_job(env: &Env, key: &Key) -> Result<Continued> {
    let draft = &Draft::of(env);
    let now = env.clock.now();
    let continued = env.db.run(|txn| async move {
        let unreadable = Unreadable::default();
        let Some(value) = txn.get(key).await? else {
            let continued = Continued {
                is_done: true,
                unreadable: None,
            };
            return Ok::<_, Error>((continued, None));
        };
        let job: Job = record::decode(&value)?;
        if !matches!(job.task, Task::Preparation { .. }) {
            txn.use_reserve();
        }
        let scope = TenantScope::of_expired_key(job.tenant);
        let has_tenant = txn.get(&tenants::keys::tenant(scope)).await?.is_some();
        let files = Files {
            txn: &txn,
            scope,
            session: job.session,
        };
        let mut part = Part {
            files,
            has_tenant,
            unreadable: &unreadable,
            draft,
            entries: 0,
            snapshots: 0,
            bytes: 0,
            now,
        };
        let left = part.execute(&job.task).await?;
        part.count()?;
        let is_done = left.is_none();
        // Only a restore that is complete changes what requests see.
        let changed = matches!(job.task, Task::Preparation { .. }).then_some(job.session);
        match left {
            None => txn.clear(key)?,
            Some(task) if task == job.task => {}
            Some(task) => txn.set(key, record::encode(&Job { task, ..job })?)?,
        }
        let unreadable = unreadable.into_error();
        Ok((Continued { is_done, unreadable }, changed))
    });
    let (continued, changed) = continued.await?;
    if let Some(session) = changed {
        env.file_changes.notify(session);
    }
    Ok(continued)
}

/// One transaction of a job.
struct Part<'a> {
    files: Files<'a>,
    has_tenant: bool,
    unreadable: &'a Unreadable,
    draft: &'a Draft,
    /// The number of removed entries that the quota of files counts.
    entries: i64,
    /// The number of removed snapshots.
    snapshots: i64,
    /// The number of bytes that removed uploads have reserved.
    bytes: i64,
    now: Timestamp,
}

impl Part<'_> {
    /// Does a part of the task. Returns what is left.
    async fn execute(&mut self, task: &Task) -> Result<Option<Task>> {
        match task {
            Task::Session {} => self.session().await,
            Task::ExpiredTrash { generation, until } => {
                let Files { scope, session, .. } = self.files;
                let range = keys::trash_until(scope, session, *generation, *until);
                Ok(self.trash(range).await?.then(|| task.clone()))
            }
            Task::Trash { generation } => {
                let Files { scope, session, .. } = self.files;
                let range = Range::below(&keys::trash(scope, session, *generation));
                Ok(self.trash(range).await?.then(|| task.clone()))
            }
            Task::Removals {} => self.removals().await,
            Task::Preparation { directory } => {
                if self.has_tenant {
                    self.preparation(*directory, task).await
                } else {
                    Ok(None)
                }
            }
            Task::Snapshot {
                first,
                last,
                after,
                done,
            } => {
                let done = self.earlier_entries(*first, *last, *after, done.as_ref()).await?;
                Ok(done.map(|done| Task::Snapshot {
                    first: *first,
                    last: *last,
                    after: *after,
                    done: Some(done),
                }))
            }
        }
    }

    /// Subtracts what was removed from the usage of the tenant.
    fn count(&self) -> Result<()> {
        let Files { txn, scope, .. } = self.files;
        if !self.has_tenant {
            return Ok(());
        }
        for (quota, count) in [
            (Quota::Files, self.entries),
            (Quota::Snapshots, self.snapshots),
            (Quota::StoredBytes, self.bytes),
        ] {
            if count != 0 {
                txn.add(&usage::keys::counter(scope, quota), -count)?;
            }
        }
        Ok(())
    }

    /// Gives up a reference to the content of a file.
    fn release(&self, node: &Node) -> Result<()> {
        if self.has_tenant {
            self.files.release(node)
        } else {
            Ok(())
        }
    }

    /// Removes a part of the files of a session that is gone.
    async fn session(&mut self) -> Result<Option<Task>> {
        let Files { txn, scope, session } = self.files;
        let prefix = keys::all(scope, session);
        retention::forget_new(&self.files)?;
        let found = txn.range(&ascending(Range::below(&prefix), BATCH)).await?.entries;
        for StoredEntry { key, value } in &found {
            let elements = self.unreadable.skip(key.unpack_after::<Vec<Element<'_>>>(&prefix));
            let kind = elements.as_ref().and_then(|elements| match elements.first() {
                Some(Element::String(kind)) => Some(&**kind),
                _ => None,
            });
            match kind {
                Some("e" | "h") => {
                    self.entries += 1;
                    let entry: Option<Entry> = self.unreadable.skip(record::decode(value));
                    if let Some(entry) = entry {
                        self.release(&entry.node)?;
                    }
                }
                Some("t") => {
                    self.entries += 1;
                    let item: Option<StoredItem> = self.unreadable.skip(record::decode(value));
                    if let Some(item) = item {
                        self.release(&item.node)?;
                    }
                }
                // The place that its directory will have was counted.
                Some("p") => self.entries += 1,
                Some("s") => self.snapshots += 1,
                Some("feed") => drop(self.unreadable.skip(retention::forget(&self.files, value))),
                _ => {}
            }
            txn.clear(key)?;
        }
        if found.len() == BATCH {
            return Ok(Some(Task::Session {}));
        }
        if self.has_tenant {
            self.bytes += uploads::store::remove_of_session(txn, scope, session, self.now, self.unreadable).await?;
        }
        Ok(None)
    }

    /// Removes items of the trash. Returns whether there may be more.
    async fn trash(&mut self, range: Range) -> Result<bool> {
        let items = self.files.txn.range(&ascending(range, BATCH)).await?.entries;
        let mut has_directory = false;
        for item in &items {
            has_directory |= self.trash_item(item)?;
        }
        if has_directory {
            self.files.put_removals_job()?;
        }
        Ok(items.len() == BATCH)
    }

    /// Removes an item of the trash. Returns whether it has content of its own to remove.
    fn trash_item(&mut self, stored: &StoredEntry) -> Result<bool> {
        self.files.txn.clear(&stored.key)?;
        self.entries += 1;
        let item: Option<StoredItem> = self.unreadable.skip(record::decode(&stored.value));
        let Some(item) = item else { return Ok(false) };
        if let Some(id) = item.node.directory() {
            self.remove_directory(id, item.epoch)?;
            return Ok(true);
        }
        self.release(&item.node)?;
        Ok(false)
    }

    /// Queues the content of a directory for its removal.
    fn remove_directory(&self, id: DirectoryId, epoch: u64) -> Result<()> {
        let Files { txn, scope, session } = self.files;
        let key = keys::removal(scope, session, id);
        txn.set(&key, record::encode(&Removal { epoch })?)?;
        self.files.put_location(id, Place::Removal {})
    }

    /// Removes entries of the first directory that is being removed.
    async fn removals(&mut self) -> Result<Option<Task>> {
        let Files { txn, scope, session } = self.files;
        let prefix = keys::removals(scope, session);
        let found = txn.range(&ascending(Range::below(&prefix), 1)).await?.entries;
        let Some(StoredEntry { key, value }) = found.first() else {
            return Ok(None);
        };
        let Some(directory) = self.unreadable.skip(key.last()).map(DirectoryId::from_uuid) else {
            txn.clear(key)?;
            return Ok(Some(Task::Removals {}));
        };
        let removal: Option<Removal> = self.unreadable.skip(record::decode(value));
        let epoch = match removal {
            Some(removal) => removal.epoch,
            // Any snapshot may contain its entries.
            None => self.files.head().await?.epoch,
        };
        // The entries were there until the directory was deleted, so only snapshots from before can contain them.
        let head = Head {
            epoch,
            last_snapshot: snapshots::store::epoch_before(&self.files, epoch).await?,
            ..Head::first(session)
        };
        let range = Range::below(&keys::entries(scope, session, directory));
        let entries = txn.range(&ascending(range, BATCH)).await?.entries;
        for StoredEntry { key, value } in &entries {
            self.entries += 1;
            txn.clear(key)?;
            let name: Option<String> = self.unreadable.skip(key.last());
            let entry: Option<Entry> = self.unreadable.skip(record::decode(value));
            let (Some(name), Some(entry)) = (name, entry) else {
                continue;
            };
            if let Some(id) = entry.node.directory() {
                self.remove_directory(id, epoch)?;
            }
            if self.has_tenant {
                self.entries -= self.files.retire(&head, directory, &name, &entry, false)?;
            }
        }
        if entries.len() < BATCH {
            txn.clear(key)?;
            self.files.clear_location(directory)?;
        }
        Ok(Some(Task::Removals {}))
    }

    /// Continues a restore that its process has left, or removes a copy, for which nobody waits any more. Returns what
    /// is left.
    async fn preparation(&self, directory: DirectoryId, task: &Task) -> Result<Option<Task>> {
        let continued = async {
            let (state, preparation) =
                try_join!(self.files.state(), preparations::store::find(&self.files, directory))?;
            match preparation {
                Some(preparation) if preparation.purpose == Purpose::Copy => {
                    abandon(self.files, &state, directory, &preparation, self.draft.now).await?;
                    Ok(Some(Task::Removals {}))
                }
                _ => Ok(match step(self.files, directory, self.draft).await? {
                    Step::Copied => Some(task.clone()),
                    Step::Failed(_) => Some(Task::Removals {}),
                    Step::Ready | Step::Switched | Step::Gone => None,
                }),
            }
        };
        match continued.await {
            // The session is gone, and other work removes its files.
            Err(Error::NotFound) => Ok(None),
            result => result,
        }
    }

    /// Removes earlier entries that no snapshot contains any more. Returns the last one that was examined if there may
    /// be more.
    async fn earlier_entries(
        &mut self,
        first: u64,
        last: u64,
        after: u64,
        done: Option<&(u64, DirectoryId, String)>,
    ) -> Result<Option<(u64, DirectoryId, String)>> {
        let Files { txn, scope, session } = self.files;
        let mut range = keys::epochs(scope, session, first, last);
        if let Some((epoch, directory, name)) = done {
            range = range.after(&keys::earlier_index(scope, session, *epoch, *directory, name));
        }
        let prefix = keys::index(scope, session);
        let found = txn.range(&ascending(range, BATCH)).await?.entries;
        let part = &*self;
        let examined = found.iter().map(async |entry| {
            let place = part
                .unreadable
                .skip(entry.key.unpack_after::<(u64, uuid::Uuid, String)>(&prefix));
            let Some((epoch, directory, name)) = place else {
                txn.clear(&entry.key)?;
                return Ok((None, 0));
            };
            let directory = DirectoryId::from_uuid(directory);
            let key = keys::earlier(scope, session, directory, &name, epoch);
            let value = txn.get(&key).await?;
            let earlier: Option<Entry> = match &value {
                Some(value) => part.unreadable.skip(record::decode(value)),
                None => None,
            };
            let mut removed = 0;
            if earlier.as_ref().is_none_or(|earlier| earlier.birth > after) {
                txn.clear(&entry.key)?;
                txn.clear(&key)?;
                removed = i64::from(value.is_some());
                if let Some(earlier) = earlier {
                    part.release(&earlier.node)?;
                }
            }
            Ok::<_, Error>((Some((epoch, directory, name)), removed))
        });
        let examined = try_join_all(examined).await?;
        self.entries += examined.iter().map(|(_, removed)| removed).sum::<i64>();
        if examined.len() < BATCH {
            return Ok(None);
        }
        // Keys that cannot be decoded are removed, so the work goes on where it was.
        let last = examined.into_iter().rev().find_map(|(place, _)| place);
        Ok(last
            .or_else(|| done.cloned())
            .or_else(|| Some((first, DirectoryId::from_uuid(uuid::Uuid::nil()), String::new()))))
    }
}
