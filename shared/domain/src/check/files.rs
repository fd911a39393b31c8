//! The rules for files: the tree is complete in both directions, and so is the history.

use kv::{Key, Order, Query, Range};

use super::entry::{Check, scope};
use super::file_place::FilePlace;
use super::place::Place as SchemaPlace;
use crate::contents::{self, Header};
use crate::error::Result;
use crate::files::changeset::MadeDirectory;
use crate::files::preparations::{Pending, Preparation};
use crate::files::records::{Head, Job, Location, Place, Removal, StoredItem, Task};
use crate::files::snapshots::{Snapshot, TakenSnapshot};
use crate::files::{Entry, Node, keys};
use crate::id::{DirectoryId, Id as _, SessionId, SnapshotId, TenantId};
use crate::idempotency;
use crate::record::{self, Record};
use crate::sessions::{self, Session};
use crate::uploads::Upload;

impl Check<'_> {
    /// Files, their contents, and uploads.
    pub(super) async fn part_of_files(&mut self, place: SchemaPlace) -> Result<()> {
        match place {
            SchemaPlace::Upload(_)
            | SchemaPlace::CommittedUpload
            | SchemaPlace::UploadPart(..)
            | SchemaPlace::UploadChunk(..) => self.upload_entry(place).await,
            SchemaPlace::UploadCreation => self.creation::<Upload>().await,
            SchemaPlace::SnapshotCreation => self.creation::<TakenSnapshot>().await,
            SchemaPlace::DirectoryCreation => self.creation::<MadeDirectory>().await,
            SchemaPlace::File(session, place) => self.file_entry(session, &place).await,
            SchemaPlace::FileJob(millis, id) => {
                self.file_job(millis, id);
                Ok(())
            }
            SchemaPlace::ListedFeed(millis, tenant, session) => self.listed_feed(millis, tenant, session).await,
            place => self.content_entry(place).await,
        }
    }

    /// The outcome of a creation with an idempotency key.
    async fn creation<T: Record + Clone>(&mut self) -> Result<()> {
        match self.ok(idempotency::stored_expiry::<T>(&self.entry.value)) {
            Some(expires_at) => self.counted_key(expires_at).await,
            None => Ok(()),
        }
    }

    async fn file_entry(&mut self, session: SessionId, place: &FilePlace) -> Result<()> {
        let Some(tenant) = self.owner(session).await? else {
            self.problem("its session does not exist, and nothing is to remove it");
            return Ok(());
        };
        self.checked.share.owner = Some(tenant);
        let scope = scope(tenant);
        let head = self.find::<Head>(&keys::head(scope, session)).await?;
        let head = head.unwrap_or_else(|| Ok(Head::first(session)));
        // A head that cannot be decoded has a finding of its own.
        let Ok(head) = head else { return Ok(()) };
        if !self.exists(&sessions::keys::session(scope, session)).await? {
            // A part of its files may be gone already.
            self.count(place);
            return Ok(());
        }
        match place {
            FilePlace::Head => self.head(tenant, session).await?,
            FilePlace::Shape => self.expect(self.entry.value.len() == 16, "a shape has 16 bytes"),
            FilePlace::Entry(directory, name) => self.entry(tenant, session, &head, *directory, name).await?,
            FilePlace::Directory(id) => self.directory(tenant, session, &head, *id).await?,
            FilePlace::Earlier(directory, name, last) => {
                if let Some(entry) = self.decode::<Entry>() {
                    let is_earlier = entry.birth <= *last && *last < head.epoch;
                    self.expect(is_earlier, "it was there in no epoch that has ended");
                    self.content_of(tenant, &entry.node).await?;
                }
                let index = keys::earlier_index(scope, session, *last, *directory, name);
                let is_listed = self.exists(&index).await?;
                self.expect(is_listed, "the index of earlier entries does not list it");
            }
            FilePlace::EarlierIndex(last, directory, name) => {
                let key = keys::earlier(scope, session, *directory, name, *last);
                let is_present = self.exists(&key).await?;
                self.expect(is_present, "its earlier entry does not exist");
            }
            FilePlace::TrashItem(generation, item) => {
                self.expect(*generation <= head.trash, "no trash has had this generation");
                if let Some(stored) = self.decode::<StoredItem>() {
                    self.content_of(tenant, &stored.node).await?;
                    if let Some(id) = stored.node.directory() {
                        let (generation, item) = (*generation, *item);
                        let expected = Place::Trash { generation, item };
                        self.located(tenant, session, id, &expected).await?;
                    }
                }
            }
            FilePlace::Removal(id) => {
                self.decode::<Removal>();
                self.located(tenant, session, *id, &Place::Removal {}).await?;
            }
            FilePlace::Preparation(id) => {
                self.decode::<Preparation>();
                self.located(tenant, session, *id, &Place::Preparation {}).await?;
            }
            FilePlace::Pending(preparation, directory) => {
                self.decode::<Pending>();
                let is_prepared = self.exists(&keys::preparation(scope, session, *preparation)).await?;
                self.expect(is_prepared, "its preparation does not exist");
                let is_there = self.exists(&keys::directory(scope, session, *directory)).await?;
                self.expect(is_there, "its directory does not exist");
            }
            FilePlace::Snapshot(id) => {
                if let Some(snapshot) = self.decode::<Snapshot>() {
                    let is_counted = snapshot.epoch < head.epoch && snapshot.epoch <= head.last_snapshot;
                    self.expect(is_counted, "its epoch has not ended, or is after the latest snapshot's");
                    let index = self
                        .txn
                        .get(&keys::snapshot_epoch(scope, session, snapshot.epoch))
                        .await?;
                    let is_listed = index.is_some_and(|value| *value == *id.as_bytes());
                    self.expect(is_listed, "the index of snapshots by epoch does not list it");
                }
            }
            FilePlace::SnapshotEpoch(epoch) => {
                let snapshot = match SnapshotId::from_slice(&self.entry.value) {
                    Some(id) => self.find::<Snapshot>(&keys::snapshot(scope, session, id)).await?,
                    None => None,
                };
                // A snapshot that cannot be decoded has a finding of its own.
                let is_right = snapshot.is_some_and(|snapshot| snapshot.map_or(true, |found| found.epoch == *epoch));
                self.expect(is_right, "its snapshot does not exist, or has another epoch");
            }
            FilePlace::Change => self.change(scope, session).await?,
            FilePlace::Feed => self.feed(scope, session).await?,
        }
        self.count(place);
        Ok(())
    }

    /// What the entry adds to the usage of its tenant.
    fn count(&mut self, place: &FilePlace) {
        let share = &mut self.checked.share;
        let node = match place {
            FilePlace::Entry(..) | FilePlace::Earlier(..) => {
                share.files = 1;
                record::decode::<Entry>(&self.entry.value).map(|entry| entry.node).ok()
            }
            FilePlace::TrashItem(..) => {
                share.files = 1;
                record::decode::<StoredItem>(&self.entry.value)
                    .map(|item| item.node)
                    .ok()
            }
            FilePlace::Preparation(_) => {
                share.files = 1;
                None
            }
            FilePlace::Snapshot(_) => {
                share.snapshots = 1;
                None
            }
            _ => None,
        };
        share.content = node.and_then(|node| node.digest().copied());
    }

    /// The tenant of the session, or of the work that removes it; `None` without either.
    async fn owner(&self, session: SessionId) -> Result<Option<TenantId>> {
        // The key of a session does not depend on the tenant.
        let key = sessions::keys::session(scope(TenantId::from_uuid(uuid::Uuid::nil())), session);
        match self.find::<Session>(&key).await? {
            Some(Ok(session)) => return Ok(Some(session.tenant)),
            // It has a finding of its own.
            Some(Err(_)) => return Ok(None),
            None => {}
        }
        for shard in 0..keys::JOB_SHARDS {
            let query = super::ascending(Range::below(&keys::job_shard(shard)));
            let mut next = Some(Query { ..query });
            while let Some(query) = &next {
                let page = self.txn.range(query).await?;
                for entry in &page.entries {
                    let job = record::decode::<Job>(&entry.value);
                    if let Ok(job) = job
                        && job.session == session
                        && job.task == (Task::Session {})
                    {
                        return Ok(Some(job.tenant));
                    }
                }
                next = page.next;
            }
        }
        Ok(None)
    }

    async fn head(&mut self, tenant: TenantId, session: SessionId) -> Result<()> {
        let Some(head) = self.decode::<Head>() else {
            return Ok(());
        };
        self.expect(
            head.last_snapshot < head.epoch,
            "the epoch of its latest snapshot has not ended",
        );
        let query = Query {
            order: Order::Descending,
            limit: 1,
            ..super::ascending(Range::below(&keys::snapshot_epochs(scope(tenant), session)))
        };
        let latest = self.txn.range(&query).await?.entries;
        let latest = latest.first().map(|entry| entry.key.last::<u64>()).transpose()?;
        let is_latest = latest.unwrap_or_default() == head.last_snapshot;
        self.expect(is_latest, "it names another epoch than that of the latest snapshot");
        Ok(())
    }

    async fn entry(
        &mut self,
        tenant: TenantId,
        session: SessionId,
        head: &Head,
        directory: DirectoryId,
        name: &str,
    ) -> Result<()> {
        let Some(entry) = self.decode::<Entry>() else {
            return Ok(());
        };
        self.expect(entry.birth <= head.epoch, "it is born in an epoch that has not begun");
        let is_in_tree =
            directory == head.root || self.exists(&keys::directory(scope(tenant), session, directory)).await?;
        self.expect(is_in_tree, "its directory does not exist");
        if let Some(id) = entry.node.directory() {
            let (parent, name) = (directory, name.to_owned());
            let expected = Place::Entry { parent, name };
            return self.located(tenant, session, id, &expected).await;
        }
        self.content_of(tenant, &entry.node).await
    }

    async fn directory(&mut self, tenant: TenantId, session: SessionId, head: &Head, id: DirectoryId) -> Result<()> {
        let Some(location) = self.decode::<Location>() else {
            return Ok(());
        };
        self.expect(id != head.root, "the root directory is nowhere");
        let scope = scope(tenant);
        let holder: Key = match &location.place {
            Place::Entry { parent, name } => keys::entry(scope, session, *parent, name),
            Place::Trash { generation, item } => keys::trash_item(scope, session, *generation, *item),
            Place::Removal {} => keys::removal(scope, session, id),
            Place::Preparation {} => keys::preparation(scope, session, id),
        };
        let value = self.txn.get(&holder).await?;
        let is_there = value.is_some_and(|value| {
            let node: Option<Node> = match &location.place {
                Place::Entry { .. } => record::decode::<Entry>(&value).map(|entry| entry.node).ok(),
                Place::Trash { .. } => record::decode::<StoredItem>(&value).map(|item| item.node).ok(),
                Place::Removal {} | Place::Preparation {} => return true,
            };
            // An entry that cannot be decoded has a finding of its own.
            node.is_none_or(|node| node.directory() == Some(id))
        });
        self.expect(is_there, "the place that it names has another entry, or none");
        Ok(())
    }

    /// The directory is in this place.
    async fn located(&mut self, tenant: TenantId, session: SessionId, id: DirectoryId, expected: &Place) -> Result<()> {
        let location = self
            .find::<Location>(&keys::directory(scope(tenant), session, id))
            .await?;
        let is_right = location.is_some_and(|location| location.map_or(true, |location| location.place == *expected));
        self.expect(is_right, "its directory does not exist, or is in another place");
        Ok(())
    }

    /// The content of a file exists, with its size.
    async fn content_of(&mut self, tenant: TenantId, node: &Node) -> Result<()> {
        let Some(digest) = node.digest() else { return Ok(()) };
        let header = self
            .find::<Header>(&contents::keys::header(scope(tenant), digest))
            .await?;
        let is_right = header.is_some_and(|header| header.map_or(true, |header| header.size == node.size()));
        self.expect(is_right, "its content does not exist, or has another size");
        Ok(())
    }

    /// Work of the janitor on files.
    pub(super) fn file_job(&mut self, millis: i64, id: crate::id::FileJobId) {
        self.decode::<Job>();
        let is_at_its_place = keys::job(millis, id) == self.entry.key;
        self.expect(is_at_its_place, "it is in another shard than its id's");
    }
}
