//! Operations on snapshots.

use futures_util::try_join;
use kv::{Order, Query, Range};

use crate::audit::{self, Action, Event};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::files::changeset::author::Author;
use crate::files::keys;
use crate::files::snapshots::{Snapshot, TakenSnapshot, store};
use crate::files::store::Files;
use crate::id::{SessionId, SnapshotId};
use crate::idempotency::{self, IdempotencyKey, Outcome, Slot};
use crate::page::{Cursor, Limit};
use crate::record::{self, NewerMembers};
use crate::role::Permission;
use crate::scope::caller::Caller;
use crate::tenants;
use crate::text::Name;
use crate::usage::store::{Change, Counters};

/// The name of this list in its cursors.
const LIST: &str = "files.snapshots";

/// The name of `create` in the keys of its idempotency records.
const CREATE: &str = "files.snapshots.create";

/// A page of a session's snapshots.
#[derive(Clone, Debug)]
pub struct Page {
    /// Snapshots, newest first.
    pub snapshots: Vec<Snapshot>,
    /// The cursor of the next page; `None` on the last.
    pub next: Option<Cursor>,
}

/// Takes a snapshot, with constant work. It ends the current epoch: writers in flight have read the epoch, so they
/// repeat their transactions in the next one. So the snapshot captures one instant, and blocks nobody.
///
/// With a `key` that an earlier request used, returns that request's snapshot. Fails with
/// [`Error::IdempotencyMismatch`] if that request had another name or session, and with [`Error::NotFound`] if its
/// snapshot was deleted since.
pub async fn create(
    env: &Env,
    caller: &Caller,
    session: SessionId,
    name: Option<Name>,
    key: Option<&IdempotencyKey>,
) -> Result<Outcome<Snapshot>> {
    let (id, name) = (env.ids.next(), &name);
    let event = &Event::by(caller, Action::SnapshotCreated { session, snapshot: id });
    let now = env.clock.now();
    let creating = env.in_tenant(caller, Permission::WriteFiles, |txn, scope| async move {
        let files = Files {
            txn: &txn,
            scope,
            session,
        };
        let slot_key = key.map(|key| idempotency::keys::request(scope, caller.user(), CREATE, key));
        let (state, slot, counters) = try_join!(
            files.state(),
            Slot::<TakenSnapshot>::read(&txn, slot_key, now),
            Counters::peek_all(&txn, scope, event.at, env.limits.quotas.as_ref())
        )?;
        if let Some(Slot {
            outcome: Some(taken), ..
        }) = &slot
        {
            if (taken.session, &taken.snapshot.name) != (session, name) {
                return Err(Error::IdempotencyMismatch);
            }
            return Ok(Outcome::Replayed(store::get(&files, taken.snapshot.id).await?));
        }
        let head = state.head;
        let snapshot = Snapshot {
            id,
            name: name.clone(),
            created_at: now,
            created_by: caller.user(),
            epoch: head.epoch,
            root: head.root,
            is_hidden: false,
            restore: None,
            newer: NewerMembers::default(),
        };
        store::add(&files, head, &snapshot)?;
        let mut change = Change::default();
        if let Some(slot) = slot {
            let snapshot = snapshot.clone();
            let taken = TakenSnapshot { session, snapshot };
            change = slot.store_counted(&txn, scope, &taken, now).await?;
        }
        change.snapshots = 1;
        counters.charge(&txn, &change).await?;
        audit::store::add(&txn, scope, event)?;
        Ok(Outcome::Fresh(snapshot))
    });
    env.limit_writes(caller.tenant(), creating).await
}

/// The snapshot with this id.
pub async fn get(env: &Env, caller: &Caller, session: SessionId, id: SnapshotId) -> Result<Snapshot> {
    env.in_tenant(caller, Permission::ReadFiles, |txn, scope| async move {
        let files = Files {
            txn: &txn,
            scope,
            session,
        };
        let (_, snapshot) = try_join!(files.state(), store::get(&files, id))?;
        Ok(snapshot)
    })
    .await
}

/// A page of the session's snapshots, newest first.
pub async fn list(
    env: &Env,
    caller: &Caller,
    session: SessionId,
    limit: Limit,
    after: Option<&Cursor>,
) -> Result<Page> {
    let before = match after {
        Some(cursor) => Some(SnapshotId::from_slice(cursor.position()).ok_or(Error::BadCursor)?),
        None => None,
    };
    let filter = &session.to_string();
    env.in_tenant(caller, Permission::ReadFiles, |txn, scope| async move {
        let files = Files {
            txn: &txn,
            scope,
            session,
        };
        let mut range = Range::below(&keys::snapshots(scope, session));
        if let Some(before) = before {
            range = range.before(&keys::snapshot(scope, session, before));
        }
        let query = Query {
            range,
            order: Order::Descending,
            limit: limit.get() + 1,
        };
        let (_, key, found) = try_join!(files.state(), tenants::store::cursor_key(&txn, scope), async {
            Ok(txn.range(&query).await?.entries)
        })?;
        if let Some(cursor) = after {
            cursor.verify(&key, LIST, filter)?;
        }
        let has_more = found.len() > limit.get();
        let found = found.iter().take(limit.get());
        let mut snapshots = found
            .map(|entry| record::decode(&entry.value))
            .collect::<Result<Vec<Snapshot>>>()?;
        let last = snapshots.last().filter(|_| has_more);
        let next = last.map(|snapshot| Cursor::new(&key, LIST, filter, snapshot.id.as_bytes()));
        // A page may be short without being the last.
        snapshots.retain(|snapshot| !snapshot.is_hidden);
        Ok(Page { snapshots, next })
    })
    .await
}

/// Deletes a snapshot. The janitor removes what only it contained. A restore of it that is not complete ends, and
/// changes nothing.
pub async fn delete(env: &Env, caller: &Caller, session: SessionId, id: SnapshotId) -> Result<()> {
    let author = &Author::of(env, caller, 0);
    let event = &Event::by(caller, Action::SnapshotDeleted { session, snapshot: id });
    let deleting = env.in_tenant(caller, Permission::WriteFiles, |txn, scope| async move {
        txn.use_reserve();
        let files = Files {
            txn: &txn,
            scope,
            session,
        };
        let (state, snapshot, counters) = try_join!(
            files.state(),
            store::get(&files, id),
            Counters::peek_files(&txn, scope, event.at, None)
        )?;
        store::remove(&files, state.head, &snapshot, author.at, author.job(0)).await?;
        let change = Change {
            snapshots: -1,
            ..Change::default()
        };
        counters.release(&txn, &change)?;
        audit::store::add(&txn, scope, event)
    });
    env.limit_writes(caller.tenant(), deleting).await
}
