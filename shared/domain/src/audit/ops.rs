//! Reading a tenant's audit log.

use futures_util::try_join;
use kv::Txn;

use crate::audit::{Direction, Event, Listing, Position, store};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::page::Cursor;
use crate::role::Permission;
use crate::scan::{SCAN_STEP, ScanBudget};
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::tenants;

/// The name of this list in its cursors.
const LIST: &str = "audit";

/// A page of the log.
#[derive(Clone, Debug)]
pub struct Page {
    /// Events in the order of the listing. A page with one action only may be short or even empty without being the
    /// last.
    pub events: Vec<(Position, Event)>,
    /// The cursor after the last event examined. In commit order `None` if the log is empty; newest first `None` on the
    /// last page.
    pub next: Option<Cursor>,
}

/// A page of the tenant's log.
///
/// At the end of the log, a page in commit order is short or empty, and its `next` leads to later events. Without new
/// events it is the cursor of the listing.
pub async fn list(env: &Env, caller: &Caller, listing: &Listing) -> Result<Page> {
    let filter = &listing.filter();
    let after = listing.after.as_ref();
    let start = match after {
        Some(cursor) => Some(Position::from_slice(cursor.position()).ok_or(Error::BadCursor)?),
        None => None,
    };
    env.in_tenant(caller, Permission::ReadAudit, |txn, scope| async move {
        // The cursor's key and the page are read concurrently; a page read from a forged cursor is dropped.
        let (key, (events, end)) = try_join!(
            tenants::store::cursor_key(&txn, scope),
            page(env, &txn, scope, listing, start)
        )?;
        if let Some(cursor) = after {
            cursor.verify(&key, LIST, filter)?;
        }
        let next = end.map(|position| Cursor::new(&key, LIST, filter, position.as_bytes()));
        Ok(Page { events, next })
    })
    .await
}

/// A page's events beyond the position `end`, and where the next page starts.
async fn page(
    env: &Env,
    txn: &Txn,
    scope: TenantScope,
    listing: &Listing,
    mut end: Option<Position>,
) -> Result<(Vec<(Position, Event)>, Option<Position>)> {
    let limit = listing.limit.get();
    let mut budget = listing.action.map(|_| ScanBudget::new(&*env.clock));
    let step = match (listing.action, listing.direction) {
        (Some(_), _) => SCAN_STEP,
        (None, Direction::Ascending) => limit,
        // One event more than the limit shows whether there is a next page.
        (None, Direction::Descending) => limit + 1,
    };
    let mut events = Vec::new();
    loop {
        let found = store::list(txn, scope, listing.direction, end, step).await?;
        let is_last = found.len() < step;
        if let Some(budget) = &mut budget {
            budget.resume();
        }
        let mut found = found.into_iter().peekable();
        while let Some(stored) = found.next() {
            if events.len() == limit {
                return Ok((events, end));
            }
            let event = stored.decode()?;
            end = Some(stored.position);
            if listing
                .action
                .is_none_or(|action| action.as_str() == event.action.name())
            {
                events.push((stored.position, event));
            }
            if let Some(budget) = &mut budget {
                budget.count(stored.record.len());
                if budget.is_exhausted().await && !(is_last && found.peek().is_none()) {
                    return Ok((events, end));
                }
            }
        }
        if is_last {
            return Ok((events, end.filter(|_| listing.direction == Direction::Ascending)));
        }
        if events.len() == limit {
            return Ok((events, end));
        }
    }
}
