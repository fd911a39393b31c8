//! Storage of the audit log on a given transaction.

use kv::{Order, Query, Range, Txn, Versionstamp};

use crate::audit::{Direction, Event, Position, keys};
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

/// An event as it is stored. Decoding takes time, so a long list does it in steps.
pub struct Stored {
    /// The event's position.
    pub position: Position,
    /// The event, encoded.
    pub record: Vec<u8>,
}

impl Stored {
    /// The event.
    pub fn decode(&self) -> Result<Event> {
        record::decode(&self.record)
    }
}

/// Up to `limit` events of the tenant in this direction, beyond the position `after`.
pub async fn list(
    txn: &Txn,
    scope: TenantScope,
    direction: Direction,
    after: Option<Position>,
    limit: usize,
) -> Result<Vec<Stored>> {
    let log = Range::below(&keys::log(scope));
    let beyond = after.map(|position| keys::event(scope, position));
    let (order, range) = match (direction, beyond) {
        (Direction::Ascending, None) => (Order::Ascending, log),
        (Direction::Ascending, Some(key)) => (Order::Ascending, log.after(&key)),
        (Direction::Descending, None) => (Order::Descending, log),
        (Direction::Descending, Some(key)) => (Order::Descending, log.before(&key)),
    };
    let page = txn.range(&Query { range, order, limit }).await?;
    page.entries
        .into_iter()
        .map(|entry| {
            let stamp: Versionstamp = entry.key.last()?;
            Ok(Stored {
                position: Position::new(&stamp),
                record: entry.value,
            })
        })
        .collect()
}
