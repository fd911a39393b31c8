//! What a caller can do with the sessions of their tenant.

use futures_util::try_join;
use kv::Txn;

use crate::audit::{self, Action, Event};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::id::SessionId;
use crate::idempotency::{IdempotencyKey, Outcome, Slot};
use crate::page::{Cursor, Limit};
use crate::scope::{Caller, Permission, TenantScope};
use crate::sessions::{Change, Draft, Filter, Session, store};
use crate::tenants;

/// The most sessions that one page of a filtered list looks at before it returns what it has.
pub const SCAN_MAX: usize = 1000;

/// What a cursor of this list is sealed as.
const LIST: &str = "sessions";

/// How many sessions a filtered list reads at a time.
const SCAN_STEP: usize = 200;

/// Which part of a list to return.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// How many sessions at most.
    pub limit: Limit,
    /// Where the last page ended.
    pub after: Option<Cursor>,
    /// What to look for.
    pub filter: Option<Filter>,
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Page {
    /// Newest first. A filtered page may hold fewer than asked for, even none, and still not be the last.
    pub sessions: Vec<Session>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Cursor>,
}

/// Opens a session in the caller's tenant; with a `key` that was used before, answers the session that was opened then.
///
/// Fails with [`Error::IdempotencyMismatch`] if the key was used for another draft.
pub async fn create(
    env: &Env,
    caller: &Caller,
    draft: Draft,
    key: Option<&IdempotencyKey>,
) -> Result<Outcome<Session>> {
    let now = env.clock.now();
    let new = &Session::open(env.ids.next(), caller, draft, now);
    let event = &Event::by(caller, Action::SessionCreated { session: new.id });
    env.db
        .run(|txn| async move {
            let txn = &txn;
            let create = |scope| async move {
                let place = match key {
                    Some(key) => {
                        Some(Slot::read(txn, key.of_caller(scope, caller.user(), "sessions.create"), now).await?)
                    }
                    None => None,
                };
                match place.as_ref().and_then(|place: &Slot<Session>| place.kept.as_ref()) {
                    Some(made) if made.is_made_like(new) => return Ok(Outcome::Replayed(made.clone())),
                    Some(_) => return Err(Error::IdempotencyMismatch),
                    None => {}
                }
                if let Some(place) = place {
                    place.keep(txn, new, now)?;
                }
                store::insert(txn, scope, new)?;
                audit::store::add(txn, scope, event)?;
                Ok(Outcome::Fresh(new.clone()))
            };
            caller.enter(txn, Permission::WriteSessions, create).await
        })
        .await
}

/// The session with this id.
pub async fn get(env: &Env, caller: &Caller, id: SessionId) -> Result<Session> {
    env.db
        .run(|txn| async move {
            let txn = &txn;
            caller
                .enter(txn, Permission::ReadSessions, |scope| store::find(txn, scope, id))
                .await?
                .ok_or(Error::NotFound)
        })
        .await
}

/// A page of the tenant's sessions, newest first.
pub async fn list(env: &Env, caller: &Caller, listing: &Listing) -> Result<Page> {
    let filter = listing.filter.as_ref().map_or("", Filter::as_str);
    let after = listing.after.as_ref();
    let before = match after {
        Some(cursor) => Some(SessionId::from_slice(cursor.position()).ok_or(Error::BadCursor)?),
        None => None,
    };
    env.db
        .run(|txn| async move {
            let txn = &txn;
            let read = |scope| async move {
                // The cursor is judged by what is read beside the page, which is dropped if the cursor is none.
                let (seal, (sessions, end)) = try_join!(
                    tenants::store::cursor_key(txn, scope),
                    page(txn, scope, listing, before)
                )?;
                if let Some(cursor) = after {
                    cursor.verify(&seal, LIST, filter)?;
                }
                let next = end.map(|id| Cursor::new(&seal, LIST, filter, id.as_bytes()));
                Ok(Page { sessions, next })
            };
            caller.enter(txn, Permission::ReadSessions, read).await
        })
        .await
}

/// A page's sessions, older than `before`, and the last one that was looked at if there are more.
async fn page(
    txn: &Txn,
    scope: TenantScope,
    listing: &Listing,
    mut before: Option<SessionId>,
) -> Result<(Vec<Session>, Option<SessionId>)> {
    let limit = listing.limit.get();
    let mut sessions = Vec::new();
    let mut scanned = 0;
    loop {
        // One more than is wanted tells whether there is a next page.
        let step = if listing.filter.is_some() { SCAN_STEP } else { limit + 1 };
        let found = store::list(txn, scope, before, step).await?;
        let is_last = found.len() < step;
        scanned += found.len();
        for session in found {
            if sessions.len() == limit {
                return Ok((sessions, before));
            }
            before = Some(session.id);
            if listing.filter.as_ref().is_none_or(|filter| filter.accepts(&session)) {
                sessions.push(session);
            }
        }
        if is_last {
            return Ok((sessions, None));
        }
        if scanned >= SCAN_MAX {
            return Ok((sessions, before));
        }
    }
}

/// Changes the session with this id, if its version is one that the caller `expects`.
pub async fn change(
    env: &Env,
    caller: &Caller,
    id: SessionId,
    change: &Change,
    expects: impl Fn(u64) -> bool + Sync,
) -> Result<Session> {
    let expects = &expects;
    let now = env.clock.now();
    let event = &Event::by(caller, Action::SessionChanged { session: id });
    env.db
        .run(|txn| async move {
            let txn = &txn;
            caller
                .enter(txn, Permission::WriteSessions, |scope| async move {
                    let session = expected(txn, scope, id, expects).await?;
                    let changed = session.changed(change, now);
                    if changed != session {
                        store::put(txn, scope, &changed)?;
                        audit::store::add(txn, scope, event)?;
                    }
                    Ok(changed)
                })
                .await
        })
        .await
}

/// Deletes the session with this id, if its version is one that the caller `expects`.
pub async fn delete(env: &Env, caller: &Caller, id: SessionId, expects: impl Fn(u64) -> bool + Sync) -> Result<()> {
    let expects = &expects;
    let event = &Event::by(caller, Action::SessionDeleted { session: id });
    env.db
        .run(|txn| async move {
            let txn = &txn;
            caller
                .enter(txn, Permission::WriteSessions, |scope| async move {
                    let session = expected(txn, scope, id, expects).await?;
                    store::remove(txn, scope, &session)?;
                    audit::store::add(txn, scope, event)
                })
                .await
        })
        .await
}

/// The session with this id in a version that the caller expects.
async fn expected(txn: &Txn, scope: TenantScope, id: SessionId, expects: impl Fn(u64) -> bool) -> Result<Session> {
    let session = store::find(txn, scope, id).await?.ok_or(Error::NotFound)?;
    if expects(session.version) {
        Ok(session)
    } else {
        Err(Error::PreconditionFailed)
    }
}
