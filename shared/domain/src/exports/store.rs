//! Storage of exports on a given transaction.

use kv::{Range, Txn};

use crate::error::Result;
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

/// Writes the zip file of a part.
pub(super) fn put_part(txn: &Txn, user: UserId, to: Timestamp, part: &Part, bytes: &[u8]) -> Result<()> {
    for (number, chunk) in (0..).zip(bytes.chunks(CHUNK_BYTES)) {
        let key = keys::chunk(user, to, part.id.uuid(), number);
        txn.set(&key, chunk)?;
        expiry::update(txn, &key, ExpiryChange { from: None, to })?;
    }
    Ok(())
}

/// A chunk of a part; `None` if it was removed.
pub(super) async fn chunk(
    txn: &Txn,
    user: UserId,
    expires_at: Timestamp,
    part: &Part,
    number: u32,
) -> Result<Option<Vec<u8>>> {
    Ok(txn.get(&keys::chunk(user, expires_at, part.id.uuid(), number)).await?)
}

/// Removes the parts of an export: at most some thousand chunks.
pub(super) fn remove_parts(txn: &Txn, user: UserId, export: &Export) -> Result<()> {
    for part in &export.parts {
        for number in (0..).take(part.bytes.div_ceil(CHUNK_BYTES)) {
            let key = keys::chunk(user, export.expires_at, part.id.uuid(), number);
            txn.clear(&key)?;
            expiry::remove(txn, &key, export.expires_at)?;
        }
    }
    Ok(())
}

/// Removes the user's export, and what a request that failed has left behind. The entries of the latter in the expiry
/// index stay, which is harmless because no chunk is stored under the same key again.
pub async fn remove_all(txn: &Txn, user: UserId) -> Result<()> {
    if let Some(export) = find(txn, user).await? {
        remove_parts(txn, user, &export)?;
        let key = keys::export(user);
        txn.clear(&key)?;
        expiry::remove(txn, &key, export.expires_at)?;
    }
    Ok(txn.clear_range(&Range::below(&keys::parts(user)))?)
}
