//! Operations on the sessions of the caller's tenant.

use futures_util::try_join;
use kv::Txn;

use crate::audit::{self, Action, Event};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::files;
use crate::id::SessionId;
use crate::idempotency::{self, IdempotencyKey, Outcome, Slot};
use crate::page::{Cursor, Limit};
use crate::role::Permission;
use crate::scan::SCAN_STEP;
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::sessions::search::Scan;
use crate::sessions::{Change, Draft, Filter, Session, store};
use crate::tenants;
use crate::usage::{self, store::Counters};

/// The name of this list in its cursors.
const LIST: &str = "sessions";

/// The name of `create` in the keys of its idempotency records.
const CREATE: &str = "sessions.create";

/// Which page of a list to return.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The maximum number of sessions.
    pub limit: Limit,
    /// The cursor of the page before.
    pub after: Option<Cursor>,
    /// The search.
    pub filter: Option<Filter>,
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page {
    /// Sessions, newest first. A filtered page may be short or even empty without being the last.
    pub sessions: Vec<Session>,
    /// The cursor of the next page; `None` on the last.
    pub next: Option<Cursor>,
}

/// Creates a session in the caller's tenant. With a `key` that an earlier request used, returns that request's session,
/// as it was created.
///
/// Fails with [`Error::IdempotencyMismatch`] if that request had another draft, with [`Error::NotFound`] if its session
/// was deleted since, and with [`Error::QuotaExceeded`] if the tenant has used up a quota.
pub async fn create(
    env: &Env,
    caller: &Caller,
    draft: Draft,
    key: Option<&IdempotencyKey>,
) -> Result<Outcome<Session>> {
    let now = env.clock.now();
    let new = &Session::open(env.ids.next(), caller, draft, now);
    let event = &Event::by(caller, Action::SessionCreated { session: new.id });
    let creation = env.in_tenant(caller, Permission::WriteSessions, |txn, scope| async move {
        let slot_key = key.map(|key| idempotency::keys::request(scope, caller.user(), CREATE, key));
        let (slot, counters) = try_join!(
            Slot::<Session>::read(&txn, slot_key, now),
            Counters::peek(&txn, scope, event.at, env.limits.quotas.as_ref())
        )?;
        let mut change = match slot {
            Some(Slot {
                outcome: Some(created), ..
            }) if created.has_same_draft(new) => {
                // A client that takes a deleted session for a new one would fail at its next request.
                let exists = store::find(&txn, scope, created.id).await?.is_some();
                return if exists {
                    Ok(Outcome::Replayed(created))
                } else {
                    Err(Error::NotFound)
                };
            }
            Some(Slot { outcome: Some(_), .. }) => return Err(Error::IdempotencyMismatch),
            Some(slot) => slot.store_counted(&txn, scope, new, now).await?,
            None => usage::store::Change::default(),
        };
        change.sessions = 1;
        change.stored_bytes += store::insert(&txn, scope, new)?;
        counters.charge(&txn, &change).await?;
        audit::store::add(&txn, scope, event)?;
        Ok(Outcome::Fresh(new.clone()))
    });
    env.limit_writes(caller.tenant(), creation).await
}

/// The session with this id.
pub async fn get(env: &Env, caller: &Caller, id: SessionId) -> Result<Session> {
    env.in_tenant(caller, Permission::ReadSessions, |txn, scope| async move {
        store::find(&txn, scope, id).await?.ok_or(Error::NotFound)
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
    env.in_tenant(caller, Permission::ReadSessions, |txn, scope| async move {
        // The cursor's key and the page are read concurrently; a page read from a forged cursor is dropped.
        let (key, (sessions, end)) = try_join!(
            tenants::store::cursor_key(&txn, scope),
            page(env, &txn, scope, listing, before)
        )?;
        if let Some(cursor) = after {
            cursor.verify(&key, LIST, filter)?;
        }
        let next = end.map(|id| Cursor::new(&key, LIST, filter, id.as_bytes()));
        Ok(Page { sessions, next })
    })
    .await
}

/// A page's sessions, older than `before`, and the last one examined if there may be more.
async fn page(
    env: &Env,
    txn: &Txn,
    scope: TenantScope,
    listing: &Listing,
    mut before: Option<SessionId>,
) -> Result<(Vec<Session>, Option<SessionId>)> {
    let limit = listing.limit.get();
    let mut scan = listing.filter.as_ref().map(|filter| Scan::new(filter, &*env.clock));
    let mut sessions = Vec::new();
    loop {
        // Without a filter, one session more than the limit shows whether there is a next page.
        let step = if scan.is_some() { SCAN_STEP } else { limit + 1 };
        let found = if scan.is_some() {
            store::list_to_search(txn, scope, before, step).await?
        } else {
            store::list(txn, scope, before, step).await?
        };
        let is_last = found.len() < step;
        if let Some(scan) = &mut scan {
            scan.budget.resume();
        }
        let mut found = found.into_iter().peekable();
        while let Some(stored) = found.next() {
            if sessions.len() == limit {
                return Ok((sessions, before));
            }
            before = Some(stored.id);
            let Some(scan) = &mut scan else {
                sessions.push(store::decode(scope, &stored)?);
                continue;
            };
            let (session, text) = stored.searched(scope)?;
            if scan.accepts(&session, text.as_ref()) {
                sessions.push(store::decode(scope, &stored)?);
            }
            if scan.budget.is_exhausted().await && !(is_last && found.peek().is_none()) {
                return Ok((sessions, before));
            }
        }
        if is_last {
            return Ok((sessions, None));
        }
    }
}

/// Changes the session with this id. Fails with [`Error::PreconditionFailed`] unless its version is `expected`, and
/// with [`Error::QuotaExceeded`] if the tenant has used up a quota.
pub async fn change(
    env: &Env,
    caller: &Caller,
    id: SessionId,
    change: &Change,
    expected: impl Fn(u64) -> bool + Sync,
) -> Result<Session> {
    let expected = &expected;
    let now = env.clock.now();
    let event = &Event::by(caller, Action::SessionChanged { session: id });
    let changing = env.in_tenant(caller, Permission::WriteSessions, |txn, scope| async move {
        let ((session, len), counters) = try_join!(
            find_expected(&txn, scope, id, expected),
            Counters::peek(&txn, scope, event.at, env.limits.quotas.as_ref())
        )?;
        let changed = session.changed(change, now);
        if changed != session {
            let usage = usage::store::Change {
                stored_bytes: store::put(&txn, scope, &changed)? - len,
                ..usage::store::Change::default()
            };
            counters.charge(&txn, &usage).await?;
            audit::store::add(&txn, scope, event)?;
        }
        Ok(changed)
    });
    env.limit_writes(caller.tenant(), changing).await
}

/// Deletes the session with this id. Fails with [`Error::PreconditionFailed`] unless its version is `expected`.
pub async fn delete(env: &Env, caller: &Caller, id: SessionId, expected: impl Fn(u64) -> bool + Sync) -> Result<()> {
    let expected = &expected;
    let event = &Event::by(caller, Action::SessionDeleted { session: id });
    let removal = env.ids.next();
    let deletion = env.in_tenant(caller, Permission::WriteSessions, |txn, scope| async move {
        let ((session, len), counters, has_files) = try_join!(
            find_expected(&txn, scope, id, expected),
            Counters::peek(&txn, scope, event.at, None),
            files::jobs::has_files(&txn, scope, id)
        )?;
        txn.use_reserve();
        store::remove(&txn, scope, &session)?;
        if has_files {
            files::jobs::remove_session(&txn, scope, id, event.at, removal)?;
        }
        let freed = usage::store::Change {
            sessions: -1,
            stored_bytes: -len,
            ..usage::store::Change::default()
        };
        counters.release(&txn, &freed)?;
        audit::store::add(&txn, scope, event)
    });
    env.limit_writes(caller.tenant(), deletion).await
}

/// The session with this id and the bytes of its record, if its version is `expected`.
async fn find_expected(
    txn: &Txn,
    scope: TenantScope,
    id: SessionId,
    expected: impl Fn(u64) -> bool,
) -> Result<(Session, i64)> {
    let (session, len) = store::find_with_len(txn, scope, id).await?.ok_or(Error::NotFound)?;
    if expected(session.version) {
        Ok((session, len))
    } else {
        Err(Error::PreconditionFailed)
    }
}
