//! Restores: the files of a session become those of a snapshot, at one instant.
//!
//! The request copies the snapshot's directories into new ones that no path leads to, in bounded transactions, and then
//! makes the new root directory the session's in one transaction. If that takes too long, the janitor continues.

use std::time::Duration;

use futures_util::try_join;

use crate::audit::{self, Action, Event};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::files::changeset::author::Author;
use crate::files::preparations::step::{self, Step};
use crate::files::preparations::{self, Preparation, Purpose};
use crate::files::snapshots::{Restore, RestoreState, Snapshot, store};
use crate::files::store::Files;
use crate::id::{DirectoryId, SessionId, SnapshotId};
use crate::record::NewerMembers;
use crate::role::Permission;
use crate::scope::caller::Caller;
use crate::usage::store::{Change, Counters};

/// The time that a request spends on a restore; the janitor does the rest.
const BUDGET: Duration = Duration::from_secs(5);

/// The number of transactions that a request spends on it.
const MAX_STEPS: usize = 1000;

/// Restores a snapshot, which stays as it is. What the session has instead becomes one item of the trash. Returns the
/// snapshot with the state of the restore, which may still be in preparation.
///
/// Fails with [`Error::SessionBusy`] while another restore of the session is in preparation, and with
/// [`Error::QuotaExceeded`] if there is no room for the files; then nothing has changed.
pub async fn restore(env: &Env, caller: &Caller, session: SessionId, id: SnapshotId) -> Result<Snapshot> {
    restore_within(env, caller, session, id, MAX_STEPS).await
}

/// Like [`restore`], and leaves the rest to the janitor after `steps` transactions.
pub(crate) async fn restore_within(
    env: &Env,
    caller: &Caller,
    session: SessionId,
    id: SnapshotId,
    steps: usize,
) -> Result<Snapshot> {
    let root: DirectoryId = env.ids.next();
    let author = &Author::of(env, caller, 0);
    let event = &Event::by(caller, Action::RestoreRequested { session, snapshot: id });
    let beginning = env.in_tenant(caller, Permission::WriteFiles, |txn, scope| async move {
        let files = Files {
            txn: &txn,
            scope,
            session,
        };
        let (_, mut snapshot, counters, ()) = try_join!(
            files.state(),
            store::get(&files, id),
            Counters::peek_files(&txn, scope, event.at, env.limits.quotas.as_ref()),
            preparations::store::check_free(&files, Purpose::Restore)
        )?;
        let preparation = Preparation {
            snapshot: id,
            purpose: Purpose::Restore,
            user: author.user,
            access_token: author.access_token,
            entries: 0,
            newer: NewerMembers::default(),
        };
        preparations::store::begin(&files, root, &preparation, snapshot.root, author.at)?;
        snapshot.restore = Some(Restore {
            state: RestoreState::Preparing,
            requested_at: author.at,
            requested_by: author.user,
        });
        store::put(&files, &snapshot)?;
        // The item of the trash that the session's files will be.
        let change = Change {
            files: 1,
            ..Change::default()
        };
        counters.charge(&txn, &change).await?;
        audit::store::add(&txn, scope, event)?;
        Ok((scope, snapshot))
    });
    let (scope, snapshot) = env.limit_writes(caller.tenant(), beginning).await?;
    for _ in 0..steps {
        match step::run(env, scope, session, root).await {
            Ok(Step::Copied) if env.clock.now() <= author.at.plus(BUDGET) => {}
            Ok(Step::Failed(error)) => return Err(error),
            Ok(Step::Copied | Step::Ready | Step::Switched | Step::Gone) => break,
            Err(Error::NotFound) => return Err(Error::NotFound),
            // The restore has begun, so the request has not failed: the janitor continues.
            Err(_) => return Ok(snapshot),
        }
    }
    let found = env
        .db
        .run(|txn| async move {
            let files = Files {
                txn: &txn,
                scope,
                session,
            };
            store::get(&files, id).await
        })
        .await;
    match found {
        Err(Error::Store(_)) => Ok(snapshot),
        found => found,
    }
}
