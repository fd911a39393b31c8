//! Reading a tenant's audit log.

use futures_util::try_join;

use crate::audit::{Event, Position, store};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::page::{Cursor, Limit};
use crate::scope::{Caller, Permission};
use crate::tenants;

/// What a cursor of this list is sealed as.
const LIST: &str = "audit";

/// A part of a log.
#[derive(Clone, Debug)]
pub struct Page {
    /// In the order in which they were committed.
    pub events: Vec<(Position, Event)>,
    /// Where to go on, now or later; `None` as long as nothing has happened.
    pub next: Option<Cursor>,
}

/// A page of the caller's tenant's log, later than `after`. Where the log ends the page is short or empty, and its `next` is where what happens
/// later will be found.
pub async fn list(env: &Env, caller: &Caller, after: Option<&Cursor>, limit: Limit) -> Result<Page> {
    let place = match after {
        Some(cursor) => Some(Position::from_slice(cursor.position()).ok_or(Error::BadCursor)?),
        None => None,
    };
    env.db
        .run(|txn| async move {
            let txn = &txn;
            let read = |scope| async move {
                // The cursor is judged by what is read beside the page, which is dropped if the cursor is none.
                let (seal, events) = try_join!(
                    tenants::store::cursor_key(txn, scope),
                    store::list(txn, scope, place, limit.get())
                )?;
                if let Some(cursor) = after {
                    cursor.verify(&seal, LIST, "")?;
                }
                let last = events.last().map(|(place, _)| *place).or(place);
                let next = last.map(|place| Cursor::new(&seal, LIST, "", place.as_bytes()));
                Ok(Page { events, next })
            };
            caller.enter(txn, Permission::ReadAudit, read).await
        })
        .await
}
