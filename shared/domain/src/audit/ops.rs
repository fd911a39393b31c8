//! Reading a tenant's audit log.

use crate::audit::{Event, Place, store};
use crate::env::Env;
use crate::error::Result;
use crate::page::Limit;
use crate::scope::{Caller, Permission};

/// A part of a log.
#[derive(Clone, Debug)]
pub struct Page {
    /// In the order in which they were committed.
    pub events: Vec<(Place, Event)>,
    /// Where to go on, now or later; `None` as long as nothing has happened.
    pub next: Option<Place>,
}

/// A page of the caller's tenant's log, later than `after`. Where the log ends the page is short or empty, and its `next` is where what happens
/// later will be found.
pub async fn list(env: &Env, caller: &Caller, after: Option<Place>, limit: Limit) -> Result<Page> {
    let events = env
        .db
        .run(|txn| async move {
            let txn = &txn;
            caller
                .enter(txn, Permission::ReadAudit, |scope| {
                    store::list(txn, scope, after, limit.get())
                })
                .await
        })
        .await?;
    let next = events.last().map(|(place, _)| *place).or(after);
    Ok(Page { events, next })
}
