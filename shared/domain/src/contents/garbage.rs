//! The collector of garbage: removes contents without a reference. The sweep runs it, in any number of processes.
//!
//! Every release of a reference writes the content's entry in the garbage list, without a read. The collector reads the
//! counter of references in the transaction that removes the entry, so it conflicts with every change of the counter:
//!
//! - A writer that adds a reference commits first: the collector tries again, and finds the reference.
//! - The collector commits first: the writer has read the header, or a reference that is gone. It tries again, finds no
//!   content, and writes it.
//! - A reference is released after the counter was read: the collector tries again. Later releases write a new entry.
//!
//! So there is no grace period: a content that is being written cannot be removed, however long the writer takes.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join_all;
use futures_util::try_join;
use kv::{Db, Entry, Key, Order, Query, Range, Txn};

use crate::contents::{Digest, Header, MAX_BYTES, keys, store};
use crate::error::{Error, Result};
use crate::id::TenantId;
use crate::objects;
use crate::record;
use crate::scope::TenantScope;
use crate::tenants;
use crate::time::Timestamp;
use crate::usage::{self, Quota};

/// The number of transactions in progress at the same time. Each removes one content, so that a content whose counter
/// changes all the time keeps no other one from being collected.
const CONCURRENT: usize = 16;

/// The number of attempts for one content. One that changes that often has references; its entry stays for the next
/// sweep.
const ATTEMPTS: u32 = 8;

/// The maximum number of bytes of the contents that one transaction of a tenant's removal removes.
const MAX_REMOVED_BYTES: u64 = 4 * MAX_BYTES;

/// The result of collecting a part of a shard.
#[derive(Default)]
pub(crate) struct Collected {
    /// The number of removed contents.
    pub(crate) contents: usize,
    /// The errors of entries that stay.
    pub(crate) errors: Vec<Error>,
    /// The last entry, if there may be more.
    pub(crate) last: Option<Key>,
}

/// Collects the contents of up to `limit` entries of a shard, after the entry `after`. Queues their objects for
/// deletion, due now.
pub(crate) async fn collect(
    db: &Db,
    now: Timestamp,
    shard: u8,
    after: Option<&Key>,
    limit: usize,
) -> Result<Collected> {
    let mut range = Range::below(&keys::garbage_shard(shard));
    if let Some(after) = after {
        range = range.after(after);
    }
    let query = &ascending(range, limit);
    let entries = db.run(|txn| async move { Ok::<_, Error>(txn.range(query).await?.entries) });
    let entries = entries.await?;
    let mut collected = Collected::default();
    for group in entries.chunks(CONCURRENT) {
        for outcome in join_all(group.iter().map(|entry| collect_entry(db, now, shard, &entry.key))).await {
            match outcome {
                Ok(is_removed) => collected.contents += usize::from(is_removed),
                Err(error) => collected.errors.push(error),
            }
        }
    }
    if entries.len() == limit {
        collected.last = entries.into_iter().next_back().map(|entry| entry.key);
    }
    Ok(collected)
}

/// Removes the entry, and its content if no reference remains. Returns whether it has removed the content.
async fn collect_entry(db: &Db, now: Timestamp, shard: u8, entry: &Key) -> Result<bool> {
    let (tenant, digest) = keys::garbage_of(entry, shard)?;
    let digest = &digest;
    let attempts = &AtomicU32::new(0);
    db.run(|txn| async move {
        if attempts.fetch_add(1, Ordering::Relaxed) == ATTEMPTS {
            return Ok(false);
        }
        txn.use_reserve();
        txn.clear(entry)?;
        remove_unreferenced(&txn, tenant, digest, now).await
    })
    .await
}

/// Removes the content if it has no reference, or if its tenant is gone. Returns whether it has.
pub(super) async fn remove_unreferenced(txn: &Txn, tenant: TenantId, digest: &Digest, now: Timestamp) -> Result<bool> {
    let scope = TenantScope::of_expired_key(tenant);
    let (header, references, tenant) = (
        keys::header(scope, digest),
        keys::references(scope, digest),
        tenants::keys::tenant(scope),
    );
    let (header, references, tenant) = try_join!(txn.get(&header), txn.get(&references), txn.get(&tenant))?;
    // A reference of a tenant that is gone may be released after the removal of its contents.
    let has_tenant = tenant.is_some();
    if has_tenant && kv::counter(references.as_deref()) > 0 {
        return Ok(false);
    }
    let header: Option<Header> = header.as_deref().map(record::decode).transpose()?;
    store::remove(txn, scope, digest)?;
    if let Some(object) = header.as_ref().and_then(|header| header.object.as_ref()) {
        objects::store::enqueue(txn, object, None, now)?;
    }
    let size = header.as_ref().map_or(0, |header| header.size.cast_signed());
    if has_tenant && size > 0 {
        txn.add(&usage::keys::counter(scope, Quota::StoredBytes), -size)?;
    }
    Ok(header.is_some())
}

/// Removes up to `limit` contents of a tenant that is gone, and their entries in the garbage list. Returns whether
/// there were any.
pub(crate) async fn remove_some(txn: &Txn, scope: TenantScope, limit: usize, now: Timestamp) -> Result<bool> {
    let query = ascending(Range::below(&keys::headers(scope)), limit);
    let headers = txn.range(&query).await?.entries;
    let mut bytes = 0;
    for Entry { key, value } in &headers {
        if bytes >= MAX_REMOVED_BYTES {
            break;
        }
        let digest = key.last::<kv::Bytes<'_>>().ok();
        let Some(digest) = digest.and_then(|digest| Digest::from_slice(&digest)) else {
            // No version writes such a key; the last step of the removal clears the rest.
            txn.clear(key)?;
            continue;
        };
        store::remove(txn, scope, &digest)?;
        txn.clear(&keys::garbage(scope, &digest))?;
        let header: Option<Header> = record::decode(value).ok();
        match header {
            Some(Header {
                object: Some(object), ..
            }) => objects::store::enqueue(txn, &object, None, now)?,
            Some(header) => bytes += header.size,
            None => bytes += MAX_BYTES,
        }
    }
    Ok(!headers.is_empty())
}

fn ascending(range: Range, limit: usize) -> Query {
    let order = Order::Ascending;
    Query { range, order, limit }
}
