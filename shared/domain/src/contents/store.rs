//! Contents on a given transaction.
//!
//! **A content never disappears under a reference.** Whoever adds a reference has read, with a conflict, either the
//! content's header ([`find`], [`put`]) or an existing reference, such as a directory entry ([`retain`]). The collector
//! removes a content only if its counter is zero, and conflicts with every change of the counter (`garbage.rs`).

use std::ops::Range;

use kv::Txn;

use crate::contents::{Content, Digest, Header, MAX_BYTES, chunks, keys};
use crate::error::{Error, Result};
use crate::objects::{self, ObjectKey};
use crate::record::{self, Record as _};
use crate::scope::TenantScope;
use crate::time::Timestamp;

/// The size of the content in bytes; `None` if the tenant does not have it. Conflicts with its creation and its
/// removal.
pub(crate) async fn find(txn: &Txn, scope: TenantScope, digest: &Digest) -> Result<Option<u64>> {
    Ok(header(txn, scope, digest).await?.map(|header| header.size))
}

/// Like [`find`], and says where the bytes are.
pub(crate) async fn header(txn: &Txn, scope: TenantScope, digest: &Digest) -> Result<Option<Header>> {
    let value = txn.get(&keys::header(scope, digest)).await?;
    value.as_deref().map(record::decode).transpose()
}

/// Adds `count` references to the content, and writes it if the tenant does not have it yet. Returns the bytes that are
/// stored in addition, which count as `storedBytes`.
pub(crate) async fn put(txn: &Txn, scope: TenantScope, content: &Content, count: u64) -> Result<i64> {
    let found = find(txn, scope, &content.digest()).await?;
    put_found(txn, scope, content, count, found)
}

/// Like [`put`], with the result of an earlier [`find`] in the same transaction, which has not written the content
/// since. Reads nothing.
pub(crate) fn put_found(
    txn: &Txn,
    scope: TenantScope,
    content: &Content,
    count: u64,
    found: Option<u64>,
) -> Result<i64> {
    let (digest, size) = (content.digest(), content.size());
    if count == 0 {
        // Without a reference, only its entry in the garbage list leads to the content.
        txn.set(&keys::garbage(scope, &digest), [])?;
    }
    retain(txn, scope, &digest, count)?;
    match found {
        Some(stored) if stored == size => Ok(0),
        Some(stored) => Err(corrupt(format!("{digest} has {stored} bytes instead of {size}"))),
        None => write(txn, scope, content),
    }
}

fn write(txn: &Txn, scope: TenantScope, content: &Content) -> Result<i64> {
    let (digest, bytes) = (content.digest(), content.bytes());
    if content.size() > MAX_BYTES {
        return Err(kv::Error::ValueTooLarge { len: bytes.len() }.into());
    }
    let header = Header {
        size: content.size(),
        object: None,
    };
    txn.set(&keys::header(scope, &digest), record::encode(&header)?)?;
    chunks::write(txn, &keys::chunks(scope, &digest), bytes)?;
    Ok(i64::try_from(bytes.len()).unwrap_or(i64::MAX))
}

/// Makes a content whose bytes are in an object, without a reference: the caller adds one in the same transaction. If
/// the tenant has the content already, the new object is queued for deletion, due now. Returns the bytes that are
/// stored in addition.
pub(crate) async fn put_object(
    txn: &Txn,
    scope: TenantScope,
    digest: &Digest,
    size: u64,
    object: &ObjectKey,
    now: Timestamp,
) -> Result<i64> {
    let found = header(txn, scope, digest).await?;
    retain(txn, scope, digest, 0)?;
    // Without a reference, only its entry in the garbage list leads to the content.
    txn.set(&keys::garbage(scope, digest), [])?;
    match found {
        Some(found) if found.size != size => {
            let stored = found.size;
            Err(corrupt(format!("{digest} has {stored} bytes instead of {size}")))
        }
        // A repeated commit of the same upload.
        Some(found) if found.object.as_ref() == Some(object) => Ok(0),
        Some(_) => {
            objects::store::enqueue(txn, object, None, now)?;
            Ok(0)
        }
        None => {
            let header = Header {
                size,
                object: Some(object.clone()),
            };
            txn.set(&keys::header(scope, digest), record::encode(&header)?)?;
            Ok(size.cast_signed())
        }
    }
}

/// Adds `count` references to a content that the tenant has, without a read. The transaction must have read an existing
/// reference, or the header, with a conflict.
pub(crate) fn retain(txn: &Txn, scope: TenantScope, digest: &Digest, count: u64) -> Result<()> {
    Ok(txn.add(&keys::references(scope, digest), count.cast_signed())?)
}

/// Gives up `count` references that the transaction has read with a conflict, such as directory entries. Reads nothing;
/// the janitor removes the content if no reference remains.
pub(crate) fn release(txn: &Txn, scope: TenantScope, digest: &Digest, count: u64) -> Result<()> {
    txn.add(&keys::references(scope, digest), -count.cast_signed())?;
    Ok(txn.set(&keys::garbage(scope, digest), [])?)
}

/// The bytes in `range` of a content, which must be within its size. Reads in parallel, with about as much memory as
/// the range has bytes, plus that of the replies in progress.
pub(crate) async fn read(txn: &Txn, scope: TenantScope, digest: &Digest, range: Range<u64>) -> Result<Vec<u8>> {
    if range.is_empty() {
        return Ok(Vec::new());
    }
    let (Ok(start), Ok(end), true) = (
        usize::try_from(range.start),
        usize::try_from(range.end),
        range.end <= MAX_BYTES,
    ) else {
        return Err(corrupt(format!("{digest} has no bytes {range:?}")));
    };
    chunks::read(txn, &keys::chunks(scope, digest), start..end).await
}

/// Removes a content with the counter of its references. Its bytes stay counted.
pub(super) fn remove(txn: &Txn, scope: TenantScope, digest: &Digest) -> Result<()> {
    txn.clear(&keys::header(scope, digest))?;
    txn.clear(&keys::references(scope, digest))?;
    Ok(txn.clear_range(&kv::Range::below(&keys::chunks(scope, digest)))?)
}

fn corrupt(why: String) -> Error {
    let kind = Header::KIND;
    Error::Corrupt { kind, why }
}
