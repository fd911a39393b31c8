//! Storage of exports on a given transaction.

use futures_util::future::try_join_all;
use kv::{Range, Txn};

use crate::error::{Error, Result};
use crate::expiry::{self, ExpiryChange};
use crate::exports::{CHUNK_BYTES, Export, Part, keys};
use crate::id::UserId;
use crate::record;
use crate::time::Timestamp;

/// The user's export. It may have expired.
pub async fn find(txn: &Txn, user: UserId) -> Result<Option<Export>> {
    let value = txn.get(&keys::export(user)).await?;
    value.as_deref().map(record::decode).transpose()
}

/// Writes the user's export over the stored one, which expires at `from`.
pub(super) fn put(txn: &Txn, user: UserId, export: &Export, from: Option<Timestamp>) -> Result<()> {
    let (key, to) = (keys::export(user), export.expires_at);
    txn.set(&key, record::encode(export)?)?;
    expiry::update(txn, &key, ExpiryChange { from, to })
}

/// Writes the zip file of the part with this number.
pub(super) fn put_part(txn: &Txn, user: UserId, to: Timestamp, part: usize, bytes: &[u8]) -> Result<()> {
    for (number, chunk) in bytes.chunks(CHUNK_BYTES).enumerate() {
        let key = keys::chunk(user, to, part, number);
        txn.set(&key, chunk)?;
        expiry::update(txn, &key, ExpiryChange { from: None, to })?;
    }
    Ok(())
}

/// The zip file of the part with this number.
pub(super) async fn find_part(
    txn: &Txn,
    user: UserId,
    expires_at: Timestamp,
    number: usize,
    part: &Part,
) -> Result<Vec<u8>> {
    let keys = chunks_of(user, expires_at, number, part);
    let chunks = try_join_all(keys.map(|key| async move { txn.get(&key).await })).await?;
    let mut bytes = Vec::with_capacity(part.bytes);
    for chunk in chunks {
        // The sweep removes the chunks of an expired export one by one.
        bytes.extend(chunk.ok_or(Error::NotFound)?);
    }
    Ok(bytes)
}

/// The keys of a part's chunks.
fn chunks_of(user: UserId, expires_at: Timestamp, number: usize, part: &Part) -> impl Iterator<Item = kv::Key> {
    let count = part.bytes.div_ceil(CHUNK_BYTES);
    (0..count).map(move |chunk| keys::chunk(user, expires_at, number, chunk))
}

/// Removes what the export's step has written, and the step.
pub(super) fn remove_step(txn: &Txn, user: UserId, export: &mut Export) -> Result<()> {
    let written = export.step.take().map(|step| step.parts).unwrap_or_default();
    for (number, part) in (export.parts.len() + 1..).zip(&written) {
        for key in chunks_of(user, export.expires_at, number, part) {
            txn.clear(&key)?;
            expiry::remove(txn, &key, export.expires_at)?;
        }
    }
    Ok(())
}

/// Removes an export. It has at most 16,000 chunks, and their entries in the expiry index fit into one transaction.
pub(super) fn remove(txn: &Txn, user: UserId, export: &Export) -> Result<()> {
    for (number, part) in (1..).map_while(|number| Some((number, export.part(number)?))) {
        for key in chunks_of(user, export.expires_at, number, part) {
            expiry::remove(txn, &key, export.expires_at)?;
        }
    }
    txn.clear_range(&Range::below(&keys::parts(user)))?;
    let key = keys::export(user);
    txn.clear(&key)?;
    expiry::remove(txn, &key, export.expires_at)
}

/// Removes the user's export, if there is one.
pub async fn remove_all(txn: &Txn, user: UserId) -> Result<()> {
    match find(txn, user).await? {
        Some(export) => remove(txn, user, &export),
        None => Ok(()),
    }
}
