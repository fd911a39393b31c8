//! Storage of the audit log on a given transaction.

use kv::{Key, Order, Query, Range, Txn, Versionstamp};

use crate::audit::{Direction, Event, EventTime, Position, keys};
use crate::error::{Error, Result};
use crate::id::{TenantId, UserId};
use crate::record::{self, Unreadable};
use crate::scope::TenantScope;
use crate::usage;

/// Appends an event to the tenant's log, and counts it for its day. Reads nothing, so it never conflicts.
pub fn add(txn: &Txn, scope: TenantScope, event: &Event) -> Result<()> {
    let day = event.at.as_days();
    txn.add(&usage::keys::audit_events(scope, day), 1)?;
    txn.set(&keys::day_entry(scope, day), [])?;
    Ok(txn.append(&keys::log(scope), record::encode(event)?)?)
}

/// Does the work of [`add`] for an email without an account, whose `absent` user has no log: otherwise the time of a
/// failed login would reveal accounts. Each event replaces another one.
pub fn add_for_no_account(txn: &Txn, absent: UserId, event: &Event) -> Result<()> {
    txn.add(&keys::no_account_events(absent), 1)?;
    txn.set(&keys::no_account_day(absent), [])?;
    Ok(txn.set(&keys::no_account(absent), &record::encode(event)?)?)
}

/// Removes the last event of [`add_for_no_account`] for this absent user, unless another one has replaced it.
pub(crate) async fn remove_for_no_account(txn: &Txn, absent: UserId, unreadable: &Unreadable) -> Result<()> {
    let key = keys::no_account(absent);
    if let Some(value) = txn.get(&key).await? {
        let event: Option<Event> = unreadable.skip(record::decode(&value));
        if event.is_some_and(|event| event.user == Some(absent)) {
            txn.clear(&key)?;
        }
    }
    Ok(())
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

/// A day on which a tenant had events.
pub(crate) struct Day {
    /// The key of its entry in the index.
    pub(crate) entry: Key,
    /// The day and the tenant, or why the entry cannot be decoded.
    pub(crate) of: Result<(i64, TenantId)>,
}

/// Up to `limit` days before `before` in a shard of the index, oldest first, after the entry `after`.
pub(crate) async fn days(txn: &Txn, shard: u8, before: i64, after: Option<&Key>, limit: usize) -> Result<Vec<Day>> {
    let mut range = keys::days_before(shard, before);
    if let Some(after) = after {
        range = range.after(after);
    }
    let page = txn
        .range(&Query {
            range,
            order: Order::Ascending,
            limit,
        })
        .await?;
    let days = page.entries.into_iter().map(|entry| Day {
        of: keys::day_of_entry(&entry.key, shard).map_err(|error| Error::Corrupt {
            kind: "audit day",
            why: format!("{:?}: {error}", entry.key),
        }),
        entry: entry.key,
    });
    Ok(days.collect())
}

/// Removes up to `limit` events from the start of the tenant's log, until the first one after `day`. If it reaches
/// that, or the end of the log, it also removes the day's counter and its `entry` in the index. Returns the number of
/// removed events, and whether the day is done.
///
/// The log is in commit order, and clocks differ. So an event can follow one of a later day; it goes with that day.
pub(crate) async fn remove_day(
    txn: &Txn,
    scope: TenantScope,
    day: i64,
    entry: &Key,
    limit: usize,
) -> Result<(usize, bool)> {
    let page = txn
        .range(&Query {
            range: Range::below(&keys::log(scope)),
            order: Order::Ascending,
            limit,
        })
        .await?;
    let mut removed = 0;
    for event in page.entries {
        let EventTime { at } = record::decode_projection(&event.value)?;
        if at.as_days() > day {
            break;
        }
        txn.clear(&event.key)?;
        removed += 1;
    }
    let is_done = removed < limit;
    if is_done {
        txn.clear(&usage::keys::audit_events(scope, day))?;
        txn.clear(entry)?;
    }
    Ok((removed, is_done))
}
