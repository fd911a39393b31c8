//! Uploads on a given transaction.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::{join, try_join};
use kv::{Order, Query, Range, Txn};

use crate::contents::{self, Content, chunks};
use crate::error::{Error, Result};
use crate::expiry::{self, ExpiryChange};
use crate::files::FileEntry;
use crate::id::{SessionId, UploadId};
use crate::objects;
use crate::record::{self, Unreadable};
use crate::scope::TenantScope;
use crate::sessions;
use crate::tenants;
use crate::time::Timestamp;
use crate::uploads::assembled::{Assembled, Body};
use crate::uploads::{Committed, Destination, MAX_PARTS, MAX_UPLOADS, Part, Upload, UploadError, keys};
use crate::usage::{self, Quota};

/// The upload of this session, if both exist and it has not ended. Conflicts with the deletion of the session.
pub(crate) async fn find(
    txn: &Txn,
    scope: TenantScope,
    session: SessionId,
    id: UploadId,
    now: Timestamp,
) -> Result<Option<Upload>> {
    let key = keys::upload(scope, id);
    let value = async { Ok(txn.get(&key).await?) };
    let (value, found) = try_join!(value, sessions::store::find(txn, scope, session))?;
    let upload: Option<Upload> = value.as_deref().map(record::decode).transpose()?;
    let upload = upload.filter(|upload| upload.session == session && upload.is_alive(now));
    Ok(upload.filter(|_| found.is_some()))
}

/// The outcome of the commit of this session's upload, if it is kept.
pub(super) async fn committed(
    txn: &Txn,
    scope: TenantScope,
    session: SessionId,
    id: UploadId,
    now: Timestamp,
) -> Result<Option<Committed>> {
    let key = keys::committed(scope, id);
    let value = async { Ok(txn.get(&key).await?) };
    let (value, found) = try_join!(value, sessions::store::find(txn, scope, session))?;
    let committed: Option<Committed> = value.as_deref().map(record::decode).transpose()?;
    let committed = committed.filter(|committed| committed.session == session && now < committed.expires_at);
    Ok(committed.filter(|_| found.is_some()))
}

/// Keeps the outcome of a commit.
pub(super) fn keep(txn: &Txn, scope: TenantScope, upload: &Upload, entry: &FileEntry) -> Result<()> {
    let committed = Committed {
        session: upload.session,
        path: entry.path.clone(),
        node: entry.node.clone(),
        modified_at: entry.modified_at,
        expires_at: upload.expires_at,
    };
    let key = keys::committed(scope, upload.id);
    let (from, to) = (None, committed.expires_at);
    expiry::update(txn, &key, ExpiryChange { from, to })?;
    Ok(txn.set(&key, record::encode(&committed)?)?)
}

/// The tenant's uploads of any session, newest first, from the one before `before` on.
pub(super) async fn before(txn: &Txn, scope: TenantScope, before: Option<UploadId>) -> Result<Vec<Upload>> {
    let mut range = Range::below(&keys::uploads(scope));
    if let Some(before) = before {
        range = range.before(&keys::upload(scope, before));
    }
    let query = Query {
        range,
        order: Order::Descending,
        limit: MAX_UPLOADS,
    };
    let entries = txn.range(&query).await?.entries;
    entries.iter().map(|entry| record::decode(&entry.value)).collect()
}

/// The numbers of the parts that the store has.
pub(super) async fn stored_parts(txn: &Txn, scope: TenantScope, upload: UploadId) -> Result<BTreeSet<u16>> {
    let query = ascending(Range::below(&keys::parts(scope, upload)), usize::from(MAX_PARTS));
    let entries = txn.range(&query).await?.entries;
    let numbers = entries.iter().map(|entry| entry.key.last::<i64>().ok());
    Ok(numbers
        .flatten()
        .filter_map(|number| u16::try_from(number).ok())
        .collect())
}

/// Whether the tenant has an upload, of any session.
pub(crate) async fn has_any(txn: &Txn, scope: TenantScope) -> Result<bool> {
    let range = ascending(Range::below(&keys::uploads(scope)), 1);
    Ok(!txn.range(&range).await?.entries.is_empty())
}

/// Removes the uploads of a session that is gone. Returns the bytes that they have reserved.
pub(crate) async fn remove_of_session(
    txn: &Txn,
    scope: TenantScope,
    session: SessionId,
    now: Timestamp,
    unreadable: &Unreadable,
) -> Result<i64> {
    let all = ascending(Range::below(&keys::uploads(scope)), MAX_UPLOADS);
    let mut bytes = 0;
    for entry in txn.range(&all).await?.entries {
        // One that cannot be decoded expires.
        let upload: Option<Upload> = unreadable.skip(record::decode(&entry.value));
        if let Some(upload) = upload.filter(|upload| upload.session == session) {
            remove(txn, scope, &upload, now)?;
            bytes += upload.size.cast_signed();
        }
    }
    Ok(bytes)
}

/// Fails with [`UploadError::TooMany`] if the tenant has as many uploads as it may have. Concurrent creations conflict.
pub(super) async fn require_room(txn: &Txn, scope: TenantScope) -> Result<()> {
    let used = txn
        .range(&ascending(Range::below(&keys::uploads(scope)), MAX_UPLOADS))
        .await?
        .entries
        .len();
    if used < MAX_UPLOADS {
        return Ok(());
    }
    let limit = MAX_UPLOADS;
    Err(UploadError::TooMany { used, limit }.into())
}

/// Adds an upload. The caller counts its bytes.
pub(super) fn insert(txn: &Txn, scope: TenantScope, upload: &Upload) -> Result<()> {
    let key = keys::upload(scope, upload.id);
    let (from, to) = (None, upload.expires_at);
    expiry::update(txn, &key, ExpiryChange { from, to })?;
    put(txn, scope, upload)
}

/// Writes an upload over its stored version. Its expiry stays.
pub(super) fn put(txn: &Txn, scope: TenantScope, upload: &Upload) -> Result<()> {
    Ok(txn.set(&keys::upload(scope, upload.id), record::encode(upload)?)?)
}

/// Writes a part in the store, or replaces it. The same part again writes nothing.
pub(super) async fn put_part(
    txn: &Txn,
    scope: TenantScope,
    upload: UploadId,
    number: u16,
    content: &Content,
) -> Result<()> {
    let key = keys::part(scope, upload, number);
    let part = Part {
        digest: content.digest(),
    };
    let stored = txn.get(&key).await?;
    let stored: Option<Part> = stored.as_deref().map(record::decode).transpose()?;
    if stored == Some(part) {
        return Ok(());
    }
    txn.set(&key, record::encode(&part)?)?;
    // A part of the same number always has the same length, so every chunk is replaced.
    chunks::write(txn, &keys::chunks(scope, upload, number), content.bytes())
}

/// All parts in the store, in order. Fails with [`UploadError::MissingParts`] unless they are complete.
pub(super) async fn parts(txn: &Txn, scope: TenantScope, upload: &Upload) -> Result<Vec<Part>> {
    let count = upload.parts();
    let found = try_join_all((1..=count).map(|number| async move {
        let value = txn.get(&keys::part(scope, upload.id, number)).await?;
        let part: Option<Part> = value.as_deref().map(record::decode).transpose()?;
        Ok::<_, Error>((number, part))
    }));
    let found = found.await?;
    let missing: Vec<u16> = found
        .iter()
        .filter(|(_, part)| part.is_none())
        .map(|(number, _)| *number)
        .collect();
    if missing.is_empty() {
        return Ok(found.into_iter().filter_map(|(_, part)| part).collect());
    }
    Err(UploadError::MissingParts { numbers: missing }.into())
}

/// The bytes of all parts in the store, one after the other.
pub(super) async fn bytes(txn: &Txn, scope: TenantScope, upload: &Upload) -> Result<Bytes> {
    let parts = try_join_all((1..=upload.parts()).map(|number| async move {
        let len = usize::try_from(upload.part_len(number)?).unwrap_or(usize::MAX);
        chunks::read(txn, &keys::chunks(scope, upload.id, number), 0..len).await
    }));
    let mut parts = parts.await?;
    // A single part, which most uploads to the store have, is not copied.
    Ok(if parts.len() == 1 {
        parts.swap_remove(0).into()
    } else {
        parts.concat().into()
    })
}

/// Ends the upload, and makes its content, which has no reference yet: the caller adds one in the same transaction.
/// Returns by how much the caller changes `storedBytes`: the bytes that are stored in addition, without those that the
/// upload has reserved.
///
/// Fails with [`Error::NotFound`] if the upload has ended, and with [`UploadError::Changed`] if a part was replaced.
pub(crate) async fn consume(txn: &Txn, scope: TenantScope, assembled: &Assembled, now: Timestamp) -> Result<i64> {
    let Assembled { upload, body } = assembled;
    let found = async {
        find(txn, scope, upload.session, upload.id, now)
            .await?
            .ok_or(Error::NotFound)
    };
    let added = match body {
        Body::Stored { content, parts } => {
            // Without the upload, its parts are missing, too.
            let (upload, found) = join!(found, self::parts(txn, scope, upload));
            upload?;
            if found? != *parts {
                return Err(UploadError::Changed.into());
            }
            contents::store::put(txn, scope, content, 0).await?
        }
        Body::Object { digest, object } => {
            found.await?;
            contents::store::put_object(txn, scope, digest, upload.size, object, now).await?
        }
    };
    clear(txn, scope, upload)?;
    Ok(added - upload.size.cast_signed())
}

/// Removes an upload with what it has stored so far, and queues its object for deletion. The caller subtracts its
/// bytes.
pub(super) fn remove(txn: &Txn, scope: TenantScope, upload: &Upload, now: Timestamp) -> Result<()> {
    if let Destination::Objects { object, upload } = &upload.destination {
        objects::store::enqueue(txn, object, upload.as_deref(), now)?;
    }
    clear(txn, scope, upload)
}

fn clear(txn: &Txn, scope: TenantScope, upload: &Upload) -> Result<()> {
    let key = keys::upload(scope, upload.id);
    txn.clear(&key)?;
    expiry::remove(txn, &key, upload.expires_at)?;
    for prefix in [keys::parts(scope, upload.id), keys::bytes(scope, upload.id)] {
        txn.clear_range(&Range::below(&prefix))?;
    }
    Ok(())
}

/// Removes an upload that has expired, and no longer counts its bytes.
pub(crate) async fn expire(txn: &Txn, scope: TenantScope, id: UploadId, now: Timestamp) -> Result<()> {
    let (key, tenant) = (keys::upload(scope, id), tenants::keys::tenant(scope));
    let (value, tenant) = try_join!(txn.get(&key), txn.get(&tenant))?;
    let upload: Option<Upload> = value.as_deref().map(record::decode).transpose()?;
    let Some(upload) = upload else { return Ok(()) };
    remove(txn, scope, &upload, now)?;
    // The counters of a tenant that is gone are gone, too.
    if tenant.is_some() {
        txn.add(
            &usage::keys::counter(scope, Quota::StoredBytes),
            -upload.size.cast_signed(),
        )?;
    }
    Ok(())
}

/// Removes some uploads of a tenant that is gone, and outcomes of commits. Returns whether there were any.
pub(crate) async fn remove_some(
    txn: &Txn,
    scope: TenantScope,
    now: Timestamp,
    unreadable: &Unreadable,
) -> Result<bool> {
    // Each has up to 4 MiB in the store.
    let entries = txn
        .range(&ascending(Range::below(&keys::uploads(scope)), 4))
        .await?
        .entries;
    for entry in &entries {
        match unreadable.skip(record::decode::<Upload>(&entry.value)) {
            Some(upload) => remove(txn, scope, &upload, now)?,
            // The last step of the removal clears its parts.
            None => txn.clear(&entry.key)?,
        }
    }
    let committed = ascending(Range::below(&keys::all_committed(scope)), 100);
    let committed = txn.range(&committed).await?.entries;
    for entry in &committed {
        txn.clear(&entry.key)?;
        if let Some(outcome) = unreadable.skip(record::decode::<Committed>(&entry.value)) {
            expiry::remove(txn, &entry.key, outcome.expires_at)?;
        }
    }
    Ok(!entries.is_empty() || !committed.is_empty())
}

fn ascending(range: Range, limit: usize) -> Query {
    let order = Order::Ascending;
    Query { range, order, limit }
}
