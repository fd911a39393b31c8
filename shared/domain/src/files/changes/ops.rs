//! Reading the feed of changes.

use std::pin::pin;
use std::time::Duration;

use futures_util::try_join;
use tokio::time::{Instant, timeout_at};

use crate::env::Env;
use crate::error::{Error, Result};
use crate::files::changes::Change;
use crate::files::changes::store::{self, Position};
use crate::files::store::Files;
use crate::id::SessionId;
use crate::page::{Cursor, Limit};
use crate::role::Permission;
use crate::scope::caller::Caller;
use crate::tenants;

/// The longest time that a request waits for a change.
pub const MAX_WAIT: Duration = Duration::from_secs(20);

/// The time after which a waiting request looks for changes of other processes.
const INTERVAL: Duration = Duration::from_secs(1);

/// The name of this list in its cursors.
const LIST: &str = "files.changes";

/// A page of the feed.
#[derive(Clone, Debug)]
pub struct Page {
    /// Changes, in the order of their commits.
    pub changes: Vec<Change>,
    /// The cursor after the last change, for the next request. It is valid until a later change is removed.
    pub next: Cursor,
}

/// The changes after a cursor, from the first one that is kept without a cursor. If there are none, waits up to `wait`
/// for one, at most [`MAX_WAIT`]. Each look is a transaction that checks the caller again. Fails with
/// [`Error::ChangesRemoved`] if the feed does not keep all changes after the cursor any more, so it never skips one.
///
/// A change of this process is noticed at once, and one of another process within [`INTERVAL`].
pub async fn list(
    env: &Env,
    caller: &Caller,
    session: SessionId,
    limit: Limit,
    after: Option<&Cursor>,
    wait: Duration,
) -> Result<Page> {
    let deadline = Instant::now() + wait.min(MAX_WAIT);
    loop {
        let mut changed = pin!(env.file_changes.changed(session));
        // Before the read, so that no change is between the two.
        changed.as_mut().enable();
        let page = page(env, caller, session, limit, after).await?;
        let now = Instant::now();
        if !page.changes.is_empty() || now >= deadline {
            return Ok(page);
        }
        let next = deadline.min(now + INTERVAL);
        // Either way, the next read decides.
        let _ = timeout_at(next, changed).await;
    }
}

async fn page(env: &Env, caller: &Caller, session: SessionId, limit: Limit, after: Option<&Cursor>) -> Result<Page> {
    let position: Option<Position> = match after {
        Some(cursor) => Some(cursor.position().try_into().map_err(|_| Error::BadCursor)?),
        None => None,
    };
    let filter = &session.to_string();
    env.in_tenant(caller, Permission::ReadFiles, |txn, scope| async move {
        let files = Files {
            txn: &txn,
            scope,
            session,
        };
        let (_, key, slice) = try_join!(
            files.state(),
            tenants::store::cursor_key(&txn, scope),
            store::list(&files, position, limit.get())
        )?;
        if let Some(cursor) = after {
            cursor.verify(&key, LIST, filter)?;
            if slice.has_gap {
                return Err(Error::ChangesRemoved);
            }
        }
        let last = slice.end.or(position).unwrap_or_default();
        Ok(Page {
            changes: slice.changes,
            next: Cursor::new(&key, LIST, filter, &last),
        })
    })
    .await
}
