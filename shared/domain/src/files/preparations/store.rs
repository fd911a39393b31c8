//! Storage of preparations on a given transaction.

use std::time::Duration;

use kv::Range;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::files::keys;
use crate::files::preparations::{Pending, Preparation, Purpose};
use crate::files::records::{Place, Task};
use crate::files::store::{Files, ascending};
use crate::id::{DirectoryId, FileJobId, Id as _};
use crate::record;
use crate::time::Timestamp;

/// The number of preparations that a session may have at once.
const MAX_PREPARATIONS: usize = 8;

/// The time after which the janitor takes over a preparation; longer than a request takes.
pub(crate) const GRACE: Duration = Duration::from_secs(120);

/// The preparation of this directory.
pub(crate) async fn find(files: &Files<'_>, id: DirectoryId) -> Result<Option<Preparation>> {
    let value = files
        .txn
        .get(&keys::preparation(files.scope, files.session, id))
        .await?;
    value.as_deref().map(record::decode).transpose()
}

/// Fails with [`Error::SessionBusy`] if the session may have no further preparation for this purpose: one restore at a
/// time, and eight preparations in all. Conflicts with other ones that begin.
pub(crate) async fn check_free(files: &Files<'_>, purpose: Purpose) -> Result<()> {
    let range = Range::below(&keys::preparations(files.scope, files.session));
    let found = files.txn.range(&ascending(range, MAX_PREPARATIONS)).await?.entries;
    let mut is_busy = found.len() == MAX_PREPARATIONS;
    for entry in &found {
        let other: Preparation = record::decode(&entry.value)?;
        is_busy |= purpose == Purpose::Restore && other.purpose == purpose;
    }
    if is_busy { Err(Error::SessionBusy) } else { Ok(()) }
}

/// Begins the preparation of `id`, a new directory and a copy of `source`.
pub(crate) fn begin(
    files: &Files<'_>,
    id: DirectoryId,
    preparation: &Preparation,
    source: DirectoryId,
    now: Timestamp,
) -> Result<()> {
    put(files, id, preparation)?;
    files.put_location(id, Place::Preparation {})?;
    put_pending(files, id, id, &Pending { source, after: None })?;
    let task = Task::Preparation { directory: id };
    files.put_job(now.plus(GRACE), job(id, b"preparation"), task)
}

pub(crate) fn put(files: &Files<'_>, id: DirectoryId, preparation: &Preparation) -> Result<()> {
    let key = keys::preparation(files.scope, files.session, id);
    Ok(files.txn.set(&key, record::encode(preparation)?)?)
}

/// Removes the record of a preparation and those of its pending directories. The directory stays.
pub(crate) fn clear(files: &Files<'_>, id: DirectoryId) -> Result<()> {
    files.txn.clear(&keys::preparation(files.scope, files.session, id))?;
    let pending = Range::below(&keys::all_pending(files.scope, files.session, id));
    Ok(files.txn.clear_range(&pending)?)
}

/// Up to `limit` pending directories of a preparation.
pub(crate) async fn pending(files: &Files<'_>, id: DirectoryId, limit: usize) -> Result<Vec<(DirectoryId, Pending)>> {
    let range = Range::below(&keys::all_pending(files.scope, files.session, id));
    let found = files.txn.range(&ascending(range, limit)).await?.entries;
    let pending = found.into_iter().map(|entry| {
        let directory = DirectoryId::from_uuid(entry.key.last()?);
        Ok((directory, record::decode(&entry.value)?))
    });
    pending.collect()
}

pub(crate) fn put_pending(files: &Files<'_>, id: DirectoryId, directory: DirectoryId, pending: &Pending) -> Result<()> {
    let key = keys::pending(files.scope, files.session, id, directory);
    Ok(files.txn.set(&key, record::encode(pending)?)?)
}

pub(crate) fn clear_pending(files: &Files<'_>, id: DirectoryId, directory: DirectoryId) -> Result<()> {
    let key = keys::pending(files.scope, files.session, id, directory);
    Ok(files.txn.clear(&key)?)
}

/// The janitor's work of this kind for a preparation.
pub(crate) fn job(id: DirectoryId, kind: &[u8]) -> FileJobId {
    FileJobId::from_uuid(Uuid::new_v5(&id.uuid(), kind))
}
