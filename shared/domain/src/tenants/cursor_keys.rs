//! New keys for the cursors of tenants whose audit logs have moved.
//!
//! A cursor contains a position in the audit log. After a restore, new events get positions that a reader may have seen
//! before the restore, and an import assigns other positions to all events. With an old cursor, a reader could skip
//! events without noticing. With new keys, old cursors are rejected, and the reader starts again.

use kv::{Db, Element, Key, Order, Query, Range, Txn};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::record;
use crate::rng::{Rng, random_bytes};
use crate::tenants::Tenant;

/// The number of tenants that a transaction changes.
const BATCH: usize = 200;

/// Renews the keys of all tenants of a store that nothing else uses. Calls `progress` with their number after each
/// transaction, and returns it.
pub async fn renew_all(db: &Db, rng: &dyn Rng, mut progress: impl FnMut(u64)) -> Result<u64> {
    let id = Uuid::from_bytes(random_bytes(rng));
    let (mut renewed, mut next) = (0, Some(Range::below(&prefix())));
    while let Some(range) = next.take() {
        let range = &range;
        let (count, rest) = db
            .run(|txn| async move { renew_batch(&txn, id, range.clone()).await })
            .await?;
        (renewed, next) = (renewed + count, rest);
        progress(renewed);
    }
    Ok(renewed)
}

/// Renews the keys of the first tenants in `range`. Returns their number, and the range of the others.
async fn renew_batch(txn: &Txn, id: Uuid, mut range: Range) -> Result<(u64, Option<Range>)> {
    // A restore needs hardly more space than the backup, and must not fail for want of the reserve.
    txn.use_reserve();
    let mut count = 0;
    for _ in 0..BATCH {
        let query = Query {
            range: range.clone(),
            order: Order::Ascending,
            limit: 1,
        };
        let Some(entry) = txn.range(&query).await?.entries.pop() else {
            return Ok((count, None));
        };
        let mut elements: Vec<Element<'_>> = entry.key.unpack()?;
        elements.truncate(2);
        let tenant = Key::of(&elements);
        if entry.key == tenant
            && let Some(value) = renewed(&entry.value, id)?
        {
            txn.set(&entry.key, value)?;
            count += 1;
        }
        // Everything else that the tenant owns, which may be much. No element of a key starts with this byte.
        range = range.after(&Key::from_bytes([tenant.as_bytes(), &[0xff]].concat()));
    }
    Ok((count, Some(range)))
}

/// The tenant's record with another cursor key, which `id` and the old one determine. `None` for a record that does not
/// decode, which stays as it is: `check` reports it.
pub(crate) fn renewed(tenant: &[u8], id: Uuid) -> Result<Option<Vec<u8>>> {
    match record::decode::<Tenant>(tenant) {
        Ok(tenant) => {
            let cursor_key = tenant.cursor_key.renewed(id);
            record::encode(&Tenant { cursor_key, ..tenant }).map(Some)
        }
        Err(Error::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether this is the key of a tenant's record.
pub(crate) fn is_tenant(key: &Key) -> bool {
    let elements: Vec<Element<'_>> = key.unpack_after(&prefix()).unwrap_or_default();
    matches!(&elements[..], [Element::Uuid(_)])
}

fn prefix() -> Key {
    Key::of(&("tenants",))
}
