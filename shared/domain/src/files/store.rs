//! Storage of a session's tree on a given transaction.

use futures_util::try_join;
use kv::{Key, Order, Query, Range, Txn};

use crate::contents;
use crate::error::{Error, Result};
use crate::files::cache::Shape;
use crate::files::records::{Head, Job, Location, Place, Task};
use crate::files::{Entry, Node, keys, trash};
use crate::id::{DirectoryId, FileJobId, SessionId, TrashItemId};
use crate::record::{self, Record};
use crate::scope::TenantScope;
use crate::sessions::{self, Session};
use crate::time::Timestamp;

/// A session whose files a transaction uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Files<'a> {
    pub(crate) txn: &'a Txn,
    pub(crate) scope: TenantScope,
    pub(crate) session: SessionId,
}

/// The state of the tree in a transaction's snapshot.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) session: Session,
    pub(crate) head: Head,
    pub(crate) shape: Shape,
}

pub(crate) fn ascending(range: Range, limit: usize) -> Query {
    let order = Order::Ascending;
    Query { range, order, limit }
}

fn decode<T: Record>(value: Option<&[u8]>) -> Result<Option<T>> {
    value.map(record::decode).transpose()
}

impl Files<'_> {
    /// The session with the state of its files. Conflicts with its deletion. Fails with [`Error::NotFound`] or
    /// [`Error::ForeignId`] if the tenant has no such session.
    pub(crate) async fn state(&self) -> Result<State> {
        let session = async {
            let session = sessions::store::find(self.txn, self.scope, self.session).await?;
            session.ok_or(Error::NotFound)
        };
        let shape_key = keys::shape(self.scope, self.session);
        let shape = async { Ok(self.txn.get(&shape_key).await?) };
        let (session, head, shape) = try_join!(session, self.head(), shape)?;
        let shape = shape.map(|bytes| {
            bytes.try_into().map_err(|_| Error::Corrupt {
                kind: "shape of files",
                why: "it has not 16 bytes".to_owned(),
            })
        });
        Ok(State {
            session,
            head,
            shape: shape.transpose()?,
        })
    }

    /// The state of the session's files, without the session.
    pub(crate) async fn head(&self) -> Result<Head> {
        let value = self.txn.get(&keys::head(self.scope, self.session)).await?;
        let head = decode(value.as_deref())?;
        Ok(head.unwrap_or_else(|| Head::first(self.session)))
    }

    pub(crate) fn put_head(&self, head: &Head) -> Result<()> {
        self.set(&keys::head(self.scope, self.session), head)
    }

    /// Gives the tree a new shape, because a path may lead to another directory than before.
    pub(crate) fn put_shape(&self, shape: [u8; 16]) -> Result<()> {
        Ok(self.txn.set(&keys::shape(self.scope, self.session), shape)?)
    }

    fn set(&self, key: &Key, record: &impl Record) -> Result<()> {
        Ok(self.txn.set(key, record::encode(record)?)?)
    }

    pub(crate) async fn entry(&self, directory: DirectoryId, name: &str) -> Result<Option<Entry>> {
        let key = keys::entry(self.scope, self.session, directory, name);
        decode(self.txn.get(&key).await?.as_deref())
    }

    pub(crate) fn put_entry(&self, directory: DirectoryId, name: &str, entry: &Entry) -> Result<()> {
        self.set(&keys::entry(self.scope, self.session, directory, name), entry)
    }

    pub(crate) fn clear_entry(&self, directory: DirectoryId, name: &str) -> Result<()> {
        Ok(self
            .txn
            .clear(&keys::entry(self.scope, self.session, directory, name))?)
    }

    /// Up to `limit` entries of a directory in the order of their names, after the name `after`.
    pub(crate) async fn entries(
        &self,
        directory: DirectoryId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Entry)>> {
        let mut range = Range::below(&keys::entries(self.scope, self.session, directory));
        if let Some(after) = after {
            range = range.after(&keys::entry(self.scope, self.session, directory, after));
        }
        let page = self.txn.range(&ascending(range, limit)).await?;
        let entries = page.entries.into_iter().map(|entry| {
            let name: String = entry.key.last()?;
            Ok((name, record::decode(&entry.value)?))
        });
        entries.collect()
    }

    /// Whether the directory has no entry. Conflicts with the first one.
    pub(crate) async fn is_empty(&self, directory: DirectoryId) -> Result<bool> {
        let range = Range::below(&keys::entries(self.scope, self.session, directory));
        Ok(self.txn.range(&ascending(range, 1)).await?.entries.is_empty())
    }

    /// Writes where a directory is.
    pub(crate) fn put_location(&self, directory: DirectoryId, place: Place) -> Result<()> {
        let key = keys::directory(self.scope, self.session, directory);
        self.set(&key, &Location::at(place))
    }

    pub(crate) fn clear_location(&self, directory: DirectoryId) -> Result<()> {
        Ok(self.txn.clear(&keys::directory(self.scope, self.session, directory))?)
    }

    /// Keeps an entry that leaves its place in this epoch for the snapshots that contain it: until the end of the epoch
    /// before.
    pub(crate) fn put_earlier(&self, directory: DirectoryId, name: &str, entry: &Entry, epoch: u64) -> Result<()> {
        let last = epoch.saturating_sub(1);
        let index = keys::earlier_index(self.scope, self.session, last, directory, name);
        self.txn.set(&index, [])?;
        self.set(&keys::earlier(self.scope, self.session, directory, name, last), entry)
    }

    /// Handles an entry that leaves its place in the epoch of `head`. The history keeps it if a snapshot contains it.
    /// `moves` says whether the entry lives on in another place, and so keeps its reference to its content. Returns the
    /// number of entries that the history has in addition, which count like files.
    pub(crate) fn retire(
        &self,
        head: &Head,
        directory: DirectoryId,
        name: &str,
        entry: &Entry,
        moves: bool,
    ) -> Result<i64> {
        let is_kept = head.is_in_snapshot(entry.birth);
        if is_kept {
            self.put_earlier(directory, name, entry, head.epoch)?;
        }
        match (is_kept, moves) {
            (true, true) => self.retain(&entry.node)?,
            (false, false) => self.release(&entry.node)?,
            (true, false) | (false, true) => {}
        }
        Ok(i64::from(is_kept))
    }

    /// Adds a reference to the content of a file of which the transaction has read another reference.
    pub(crate) fn retain(&self, node: &Node) -> Result<()> {
        match node.digest() {
            Some(digest) => contents::store::retain(self.txn, self.scope, digest, 1),
            None => Ok(()),
        }
    }

    /// Gives up a reference to the content of a file.
    pub(crate) fn release(&self, node: &Node) -> Result<()> {
        match node.digest() {
            Some(digest) => contents::store::release(self.txn, self.scope, digest, 1),
            None => Ok(()),
        }
    }

    /// Writes work of the janitor, due at this time.
    pub(crate) fn put_job(&self, at: Timestamp, id: FileJobId, task: Task) -> Result<()> {
        self.put_job_at(&keys::job(at.as_millis(), id), task)
    }

    /// Writes the work that removes an item of the trash, and all others of its day.
    pub(crate) fn put_trash_job(&self, generation: u64, item: TrashItemId) -> Result<()> {
        let due = trash::removed_at(self.session, item);
        let until = due.minus(trash::RETENTION).as_millis();
        let task = Task::ExpiredTrash { generation, until };
        self.put_job_at(&keys::trash_job(self.session, due.as_millis()), task)
    }

    /// Writes the work that removes the content of directories, due now.
    pub(crate) fn put_removals_job(&self) -> Result<()> {
        self.put_job_at(&keys::removals_job(self.session), Task::Removals {})
    }

    fn put_job_at(&self, key: &Key, task: Task) -> Result<()> {
        let job = Job {
            tenant: self.scope.tenant(),
            session: self.session,
            task,
            newer: record::NewerMembers::default(),
        };
        self.set(key, &job)
    }
}
