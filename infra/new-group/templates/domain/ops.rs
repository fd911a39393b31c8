//! Operations on the things of the caller's tenant.
//!
//! An operation that writes also appends its event to the audit log: see `sessions/ops.rs`.

use futures_util::try_join;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::ThingId;
use crate::page::{Cursor, Limit};
use crate::role::Permission;
use crate::scope::caller::Caller;
use crate::tenants;
use crate::things::{Thing, store};

/// The name of this list in its cursors.
const LIST: &str = "things";

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page {
    /// Things, newest first.
    pub things: Vec<Thing>,
    /// The cursor of the next page; `None` on the last.
    pub next: Option<Cursor>,
}

/// A page of the tenant's things, newest first.
pub async fn list(env: &Env, caller: &Caller, after: Option<&Cursor>, limit: Limit) -> Result<Page> {
    let limit = limit.get();
    let before = match after {
        Some(cursor) => Some(ThingId::from_slice(cursor.position()).ok_or(Error::BadCursor)?),
        None => None,
    };
    env.in_tenant(caller, Permission::ReadThings, |txn, scope| async move {
        // The cursor's key and the page are read concurrently; a page read from a forged cursor is dropped. One thing
        // more than the limit shows whether there is a next page.
        let (key, mut things) = try_join!(
            tenants::store::cursor_key(&txn, scope),
            store::list(&txn, scope, before, limit + 1)
        )?;
        if let Some(cursor) = after {
            cursor.verify(&key, LIST, "")?;
        }
        let has_next = things.len() > limit;
        things.truncate(limit);
        let last = things.last().filter(|_| has_next);
        let next = last.map(|thing| Cursor::new(&key, LIST, "", thing.id.as_bytes()));
        Ok(Page { things, next })
    })
    .await
}
