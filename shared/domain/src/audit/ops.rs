//! Reading a tenant's audit log.

use futures_util::try_join;

use crate::audit::{Event, Position, store};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::page::{Cursor, Limit};
use crate::role::Permission;
use crate::scope::caller::Caller;
use crate::tenants;

/// The name of this list in its cursors.
const LIST: &str = "audit";

/// A page of the log.
#[derive(Clone, Debug)]
pub struct Page {
    /// Events in commit order.
    pub events: Vec<(Position, Event)>,
    /// The cursor after the last event, for now or later; `None` if the log is empty.
    pub next: Option<Cursor>,
}

/// A page of the tenant's log after the cursor `after`.
///
/// At the end of the log the page is short or empty, and its `next` leads to later events.
pub async fn list(env: &Env, caller: &Caller, after: Option<&Cursor>, limit: Limit) -> Result<Page> {
    let start = match after {
        Some(cursor) => Some(Position::from_slice(cursor.position()).ok_or(Error::BadCursor)?),
        None => None,
    };
    env.in_tenant(caller, Permission::ReadAudit, |txn, scope| async move {
        // The cursor's key and the page are read concurrently; a page read from a forged cursor is dropped.
        let (key, events) = try_join!(
            tenants::store::cursor_key(&txn, scope),
            store::list(&txn, scope, start, limit.get())
        )?;
        if let Some(cursor) = after {
            cursor.verify(&key, LIST, "")?;
        }
        let end = events.last().map(|(position, _)| *position).or(start);
        let next = end.map(|position| Cursor::new(&key, LIST, "", position.as_bytes()));
        Ok(Page { events, next })
    })
    .await
}
