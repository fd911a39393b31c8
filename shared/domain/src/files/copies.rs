//! Copies of directories: of one instant, and complete or not at all.
//!
//! The contract asks for constant work. Entries belong to one directory, whose history tells what snapshots contain; if
//! two directories shared entries, each read and write would have to merge them, at every level that was copied. So a
//! copy writes an entry for each one that it has, up to [`MAX_COPIED`], and shares the contents only.
//!
//! A hidden snapshot fixes the instant. A preparation copies what it contains, and one transaction makes the copy an
//! entry. Until then, nothing shows it; if the process dies, the janitor removes it with the snapshot.

use futures_util::try_join;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::files::changeset::author::Author;
use crate::files::changeset::engine::Engine;
use crate::files::changeset::{Operation, Outcome, Transfer, ops};
pub use crate::files::preparations::step::MAX_COPIED;
use crate::files::preparations::step::{self, Draft, Step};
use crate::files::preparations::{self, Preparation, Purpose};
use crate::files::snapshots::{self, Snapshot};
use crate::files::store::Files;
use crate::id::{DirectoryId, SessionId, SnapshotId};
use crate::record::NewerMembers;
use crate::role::Permission;
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::usage::store::{Change, Counters};

/// Copies a file or a directory. Fails with [`Error::DirectoryTooLarge`] beyond [`MAX_COPIED`] entries, and with
/// [`Error::SessionBusy`] while the session has many copies in preparation; then nothing has changed.
pub async fn copy(env: &Env, caller: &Caller, session: SessionId, transfer: Transfer) -> Result<Outcome> {
    match ops::copy(env, caller, session, transfer.clone()).await {
        // The source is a directory; or the target is, which the copy of a directory reports again.
        Err(Error::IsADirectory) => Box::pin(directory(env, caller, session, &transfer)).await,
        result => result,
    }
}

/// Copies a directory. Fails with [`Error::IsADirectory`] if the source is a file.
pub(crate) async fn directory(env: &Env, caller: &Caller, session: SessionId, transfer: &Transfer) -> Result<Outcome> {
    let author = &Author::of(env, caller, 1);
    let (scope, id) = begin(env, caller, session, transfer, author).await?;
    loop {
        match step::run(env, scope, session, id).await {
            Ok(Step::Copied) => {}
            Ok(Step::Ready) => break,
            Ok(Step::Failed(error)) => return Err(error),
            // The janitor has removed it, because the request has taken too long.
            Ok(Step::Switched | Step::Gone) => return Err(Error::SessionBusy),
            Err(error) => {
                give_up(env, scope, session, id).await;
                return Err(error);
            }
        }
    }
    let placed = place(env, caller, session, transfer, author, id).await;
    if placed.is_err() {
        give_up(env, scope, session, id).await;
    }
    placed
}

/// Takes the hidden snapshot and begins the preparation. Returns the scope and the new directory.
async fn begin(
    env: &Env,
    caller: &Caller,
    session: SessionId,
    transfer: &Transfer,
    author: &Author,
) -> Result<(TenantScope, DirectoryId)> {
    let (snapshot, id): (SnapshotId, DirectoryId) = (env.ids.next(), env.ids.next());
    let operations = &[Operation::Copy(transfer.clone())];
    env.in_tenant(caller, Permission::WriteFiles, |txn, scope| async move {
        let files = Files {
            txn: &txn,
            scope,
            session,
        };
        let (mut engine, counters, ()) = try_join!(
            Engine::open(files, &env.directories, author, operations),
            Counters::peek_files(&txn, scope, author.at, env.limits.quotas.as_ref()),
            preparations::store::check_free(&files, Purpose::Copy)
        )?;
        let source = engine.copied_directory(transfer).await?;
        let head = engine.tree.head;
        let hidden = Snapshot {
            id: snapshot,
            name: None,
            created_at: author.at,
            created_by: author.user,
            epoch: head.epoch,
            root: head.root,
            is_hidden: true,
            restore: None,
            newer: NewerMembers::default(),
        };
        snapshots::store::add(&files, head, &hidden)?;
        let preparation = Preparation {
            snapshot,
            purpose: Purpose::Copy,
            user: author.user,
            access_token: author.access_token,
            entries: 0,
            newer: NewerMembers::default(),
        };
        preparations::store::begin(&files, id, &preparation, source, author.at)?;
        let change = Change {
            files: 1,
            snapshots: 1,
            is_unlogged: true,
            ..Change::default()
        };
        counters.charge(&txn, &change).await?;
        Ok((scope, id))
    })
    .await
}

/// Gives the complete copy its place, and ends the preparation.
async fn place(
    env: &Env,
    caller: &Caller,
    session: SessionId,
    transfer: &Transfer,
    author: &Author,
    id: DirectoryId,
) -> Result<Outcome> {
    let operations = &[Operation::Copy(transfer.clone())];
    let placing = env.in_tenant(caller, Permission::WriteFiles, |txn, scope| async move {
        let files = Files {
            txn: &txn,
            scope,
            session,
        };
        let (state, mut engine, counters, preparation) = try_join!(
            files.state(),
            Engine::open(files, &env.directories, author, operations),
            Counters::peek_files(&txn, scope, author.at, env.limits.quotas.as_ref()),
            preparations::store::find(&files, id)
        )?;
        let preparation = preparation.ok_or(Error::SessionBusy)?;
        let outcome = engine.place_copy(transfer, id).await?;
        let (made, _) = engine.finish().await?.total();
        preparations::store::clear(&files, id)?;
        if let Some(hidden) = snapshots::store::find(&files, preparation.snapshot).await? {
            step::drop_hidden(files, &state, id, &hidden, author.at).await?;
        }
        let change = Change {
            files: made,
            is_unlogged: true,
            ..Change::default()
        };
        counters.charge(&txn, &change).await?;
        Ok(outcome)
    });
    let placed = placing.await?;
    env.file_changes.notify(session);
    Ok(placed)
}

/// Gives up the preparation at once; if that fails, the janitor does it later.
async fn give_up(env: &Env, scope: TenantScope, session: SessionId, id: DirectoryId) {
    let now = Draft::of(env).now;
    let given_up = env.db.run(|txn| async move {
        txn.use_reserve();
        let files = Files {
            txn: &txn,
            scope,
            session,
        };
        let (state, preparation) = try_join!(files.state(), preparations::store::find(&files, id))?;
        match preparation {
            Some(preparation) => step::abandon(files, &state, id, &preparation, now).await,
            None => Ok(()),
        }
    });
    // The request has its own error already.
    let _: Result<()> = given_up.await;
}
