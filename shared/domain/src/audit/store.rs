//! Storage of the audit log on a given transaction.

use kv::{Order, Query, Range, Txn, Versionstamp};

use crate::audit::{Event, Position, keys};
use crate::error::Result;
use crate::id::UserId;
use crate::record;
use crate::scope::TenantScope;

/// Appends an event to the tenant's log.
pub fn add(txn: &Txn, scope: TenantScope, event: &Event) -> Result<()> {
    Ok(txn.append(&keys::log(scope), record::encode(event)?)?)
}

/// Does the work of [`add`] for an email without an account, whose `absent` user has no log: otherwise the time of a
/// failed login would reveal accounts. Each event replaces another one.
pub fn add_for_no_account(txn: &Txn, absent: UserId, event: &Event) -> Result<()> {
    Ok(txn.set(&keys::no_account(absent), &record::encode(event)?)?)
}

/// Up to `limit` events of the tenant in commit order, after the position `after`.
pub async fn list(
    txn: &Txn,
    scope: TenantScope,
    after: Option<Position>,
    limit: usize,
) -> Result<Vec<(Position, Event)>> {
    let mut range = Range::below(&keys::log(scope));
    if let Some(position) = after {
        range = range.after(&keys::event(scope, position));
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
