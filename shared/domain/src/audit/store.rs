//! The audit log on a caller's transaction.

use kv::{Order, Query, Range, Txn, Versionstamp};

use crate::audit::{Event, Position, keys};
use crate::error::Result;
use crate::record;
use crate::scope::TenantScope;

/// Adds an event to the end of the tenant's log.
pub fn add(txn: &Txn, scope: TenantScope, event: &Event) -> Result<()> {
    Ok(txn.append(&keys::log(scope), record::encode(event)?)?)
}

/// Up to `limit` of the tenant's events, in the order of their commits, later than `after`.
pub async fn list(
    txn: &Txn,
    scope: TenantScope,
    after: Option<Position>,
    limit: usize,
) -> Result<Vec<(Position, Event)>> {
    let mut range = Range::below(&keys::log(scope));
    if let Some(place) = after {
        range = range.after(&keys::event(scope, place));
    }
    let page = txn
        .range(&Query {
            range,
            order: Order::Ascending,
            limit,
        })
        .await?;
    page.entries
        .iter()
        .map(|entry| {
            let stamp: Versionstamp = entry.key.last()?;
            Ok((Position::new(&stamp), record::decode(&entry.value)?))
        })
        .collect()
}
