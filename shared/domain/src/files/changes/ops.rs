//! Reading the feed of changes.

use std::pin::pin;
use std::time::Duration;

use futures_util::try_join;
use kv::Watch;
use tokio::select;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::env::Env;
use crate::error::{Error, Result};
use crate::files::changes::Change;
use crate::files::changes::store::{self, Position};
use crate::files::keys;
use crate::files::store::Files;
use crate::id::SessionId;
use crate::page::{Cursor, Limit};
use crate::role::Permission;
use crate::scope::caller::Caller;
use crate::tenants;

/// The longest time that a request waits for a change.
pub const MAX_WAIT: Duration = Duration::from_secs(20);

/// The time after which a waiting request looks for changes of other processes, if the store does not report them.
const INTERVAL: Duration = Duration::from_secs(1);

/// The time after which it looks although the store reports changes: the longest time for which it does not notice that
/// the caller's rights have ended, or that a report was lost.
const WATCHED_INTERVAL: Duration = Duration::from_secs(10);

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
/// A change of this process is noticed at once. One of another process is noticed at once if the store has watches, and
/// within [`INTERVAL`] if it has none, or if the watch fails.
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
        let watches = Instant::now() < deadline;
        let (page, watch) = page(env, caller, session, limit, after, watches).await?;
        let now = Instant::now();
        if !page.changes.is_empty() || now >= deadline {
            return Ok(page);
        }
        // In each case, the next read decides.
        select! {
            biased;
            () = changed => {}
            () = due(watch, now, deadline) => {}
        }
    }
}

/// Completes when a request that has read the feed at `now` has to look again for changes of other processes.
async fn due(watch: Option<Watch>, now: Instant, deadline: Instant) {
    if let Some(watch) = watch {
        let watched = timeout_at(deadline.min(now + WATCHED_INTERVAL), watch.changed());
        if !matches!(watched.await, Ok(Err(_))) {
            return;
        }
        // The watch has failed, perhaps at once.
    }
    sleep_until(deadline.min(now + INTERVAL)).await;
}

/// A page, and with `watches`, what reports the first change after it.
///
/// The watch is set by the transaction that reads the page, and compares with the value in its snapshot. So a change is
/// in the page, or it completes the watch, also if it is committed before the watch is active.
async fn page(
    env: &Env,
    caller: &Caller,
    session: SessionId,
    limit: Limit,
    after: Option<&Cursor>,
    watches: bool,
) -> Result<(Page, Option<Watch>)> {
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
        // Every change adds to this counter. The watch also completes when the janitor or the end of the session
        // removes it. If the janitor removes it and as many changes follow within milliseconds, it may not complete:
        // then the next look finds them.
        let watch = if watches {
            txn.watch(&keys::grown_feed(scope, session))?
        } else {
            None
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
        let page = Page {
            changes: slice.changes,
            next: Cursor::new(&key, LIST, filter, &last),
        };
        Ok((page, watch))
    })
    .await
}
