//! Operations that change files.

use std::slice;
use std::sync::{Mutex, PoisonError};

use futures_util::try_join;
use kv::Txn;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::files::changeset::added::Added;
use crate::files::changeset::author::Author;
use crate::files::changeset::engine::Engine;
use crate::files::changeset::{
    Changeset, Delete, Edit, Effect, MadeDirectory, MakeDirectory, Operation, Outcome, Overwrite, Put, Transfer,
};
use crate::files::store::Files;
use crate::files::tree::Tree;
use crate::id::SessionId;
use crate::idempotency::{self, IdempotencyKey, Outcome as Idempotent, Slot};
use crate::role::Permission;
use crate::scope::TenantScope;
use crate::scope::caller::Caller;
use crate::usage::store::{Change as UsageChange, Counters};
use crate::usage::{Quota, Usage};

/// The name of `make_directory` in the keys of its idempotency records.
const MAKE_DIRECTORY: &str = "files.makeDirectory";

/// Applies all operations, or none. Returns an outcome for each, in order.
///
/// Fails with [`Error::Operation`], which names the first operation that was rejected, also if all together would
/// exceed a quota; and with [`Error::ChangesetTooLarge`] if they do not fit into one transaction.
pub async fn apply(env: &Env, caller: &Caller, session: SessionId, changeset: &Changeset) -> Result<Vec<Outcome>> {
    run(env, caller, session, changeset.operations(), changeset.dry_run).await
}

/// Writes a file.
pub async fn put(env: &Env, caller: &Caller, session: SessionId, put: Put) -> Result<Outcome> {
    one(env, caller, session, Operation::Put(put)).await
}

/// Changes parts of a file.
pub async fn edit(env: &Env, caller: &Caller, session: SessionId, edit: Edit) -> Result<Outcome> {
    one(env, caller, session, Operation::Edit(edit)).await
}

/// Makes a directory. With a `key` that an earlier request used, returns that request's directory.
///
/// Fails with [`Error::IdempotencyMismatch`] if that request was another one, and with [`Error::FileNotFound`] if its
/// directory is no longer there.
pub async fn make_directory(
    env: &Env,
    caller: &Caller,
    session: SessionId,
    make: MakeDirectory,
    key: Option<&IdempotencyKey>,
) -> Result<Idempotent<Outcome>> {
    let Some(key) = key else {
        let outcome = one(env, caller, session, Operation::MakeDirectory(make)).await?;
        return Ok(Idempotent::Fresh(outcome));
    };
    let (author, make) = (&Author::of(env, caller, 0), &make);
    let making = env.in_tenant(caller, Permission::WriteFiles, |txn, scope| async move {
        let slot_key = idempotency::keys::request(scope, caller.user(), MAKE_DIRECTORY, key);
        let (slot, counters) = try_join!(
            Slot::<MadeDirectory>::read(&txn, Some(slot_key), author.at),
            Counters::peek(&txn, scope, author.at, env.limits.quotas.as_ref())
        )?;
        if let Some(Slot {
            outcome: Some(earlier), ..
        }) = &slot
        {
            if (earlier.session, &earlier.path, earlier.parents) != (session, &make.path, make.parents) {
                return Err(Error::IdempotencyMismatch);
            }
            let txn = &txn;
            let files = Files { txn, scope, session };
            let mut tree = Tree::open(files, &env.directories, &[&make.path]).await?;
            let entry = tree.stat(&make.path).await?;
            if entry.node.directory() != Some(earlier.directory) {
                return Err(Error::FileNotFound);
            }
            let (effect, entry) = (Effect::Unchanged, Some(entry));
            return Ok(Idempotent::Replayed(Outcome { effect, entry }));
        }
        let operations = &[Operation::MakeDirectory(make.clone())];
        let outcomes = apply_in(env, &txn, scope, session, author, operations).await?;
        let outcome = outcomes.into_iter().next().ok_or(Error::FileNotFound)?;
        if let Some(slot) = slot
            && let Some(directory) = outcome.entry.as_ref().and_then(|entry| entry.node.directory())
        {
            let record = MadeDirectory {
                session,
                path: make.path.clone(),
                parents: make.parents,
                directory,
            };
            let change = slot.store_counted(&txn, scope, &record, author.at).await?;
            let is_unlogged = true;
            counters.charge(&txn, &UsageChange { is_unlogged, ..change }).await?;
        }
        Ok(Idempotent::Fresh(outcome))
    });
    let outcome = env.limit_writes(caller.tenant(), making).await.map_err(alone)?;
    env.file_changes.notify(session);
    Ok(outcome)
}

/// Moves a file or a directory, with constant work.
pub async fn move_(env: &Env, caller: &Caller, session: SessionId, transfer: Transfer) -> Result<Outcome> {
    one(env, caller, session, Operation::Move(transfer)).await
}

/// Copies a file. Fails with [`Error::IsADirectory`] for a directory, which [`copies`](crate::files::copies) copies.
pub async fn copy(env: &Env, caller: &Caller, session: SessionId, transfer: Transfer) -> Result<Outcome> {
    one(env, caller, session, Operation::Copy(transfer)).await
}

/// Moves a file or a directory to the trash, with constant work.
pub async fn delete(env: &Env, caller: &Caller, session: SessionId, delete: Delete) -> Result<Outcome> {
    one(env, caller, session, Operation::Delete(delete)).await
}

async fn one(env: &Env, caller: &Caller, session: SessionId, operation: Operation) -> Result<Outcome> {
    let outcomes = run(env, caller, session, slice::from_ref(&operation), false).await;
    // Each operation has an outcome.
    outcomes.map_err(alone)?.into_iter().next().ok_or(Error::FileNotFound)
}

/// The error of an operation that is the only one.
fn alone(error: Error) -> Error {
    match error {
        Error::Operation { error, .. } => *error,
        error => error,
    }
}

/// Applies the operations. A rehearsal returns what they would do, and ends its transaction with an error.
async fn run(
    env: &Env,
    caller: &Caller,
    session: SessionId,
    operations: &[Operation],
    is_rehearsal: bool,
) -> Result<Vec<Outcome>> {
    let items = operations.iter().filter(|operation| operation.may_trash()).count();
    let author = &Author::of(env, caller, items);
    let rehearsed = &Mutex::new(None);
    let reads = operations.iter().any(Operation::reads).then_some(Permission::ReadFiles);
    let writing = env.in_tenant_with(caller, Permission::WriteFiles, reads, |txn, scope| async move {
        let outcomes = apply_in(env, &txn, scope, session, author, operations).await?;
        if is_rehearsal {
            *rehearsed.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcomes);
            return Err(Error::Rehearsed);
        }
        Ok(outcomes)
    });
    let written = env.limit_writes(caller.tenant(), writing).await;
    if written.is_ok() {
        env.file_changes.notify(session);
    }
    match written {
        Err(Error::Rehearsed) => {
            let outcomes = rehearsed.lock().unwrap_or_else(PoisonError::into_inner).take();
            Ok(outcomes.unwrap_or_default())
        }
        Err(Error::Store(kv::Error::TransactionTooLarge { .. })) => Err(Error::ChangesetTooLarge),
        result => result,
    }
}

/// Applies the operations in a transaction, and counts what they add.
pub(crate) async fn apply_in(
    env: &Env,
    txn: &Txn,
    scope: TenantScope,
    session: SessionId,
    author: &Author,
    operations: &[Operation],
) -> Result<Vec<Outcome>> {
    let only_deletes = operations
        .iter()
        .all(|operation| matches!(operation, Operation::Delete(_)));
    if only_deletes {
        txn.use_reserve();
    }
    let quotas = env.limits.quotas.as_ref().filter(|_| !only_deletes);
    let files = Files { txn, scope, session };
    let (mut engine, counters) = try_join!(
        Engine::open(files, &env.directories, author, operations),
        Counters::peek_files(txn, scope, author.at, quotas)
    )?;
    let mut outcomes = Vec::with_capacity(operations.len());
    for (index, operation) in operations.iter().enumerate() {
        let outcome = engine.apply(operation).await;
        outcomes.push(outcome.map_err(|error| at(index, error))?);
    }
    let added = engine.finish().await?;
    let (entries, bytes) = added.total();
    let change = UsageChange {
        files: entries,
        stored_bytes: bytes,
        is_unlogged: true,
        ..UsageChange::default()
    };
    counters.charge(txn, &change).await.map_err(|error| match error {
        Error::QuotaExceeded(usage) => at(responsible(&added, usage), error),
        error => error,
    })?;
    Ok(outcomes)
}

/// The operation with which all up to it exceed the quota.
fn responsible(added: &Added, usage: Usage) -> usize {
    let free = usage.limit.unwrap_or_default().cast_signed() - usage.used.cast_signed();
    match usage.quota {
        Quota::Files => added.first_beyond(free, |(files, _)| *files),
        _ => added.first_beyond(free, |(_, bytes)| *bytes),
    }
}

/// The failure of the operation with this index. A failure of the store is none of the operation.
fn at(index: usize, error: Error) -> Error {
    match error {
        error @ (Error::Store(_) | Error::Corrupt { .. } | Error::NotFound | Error::ForeignId) => error,
        error => Error::Operation {
            index,
            error: Box::new(error),
        },
    }
}

impl Operation {
    /// Whether its outcome tells what files contain, which the caller has not sent.
    fn reads(&self) -> bool {
        match self {
            Self::Edit(_) | Self::Move(_) | Self::Copy(_) => true,
            Self::Put(_) | Self::Delete(_) | Self::MakeDirectory(_) => false,
        }
    }

    /// Whether it may move an entry to the trash.
    fn may_trash(&self) -> bool {
        match self {
            Self::Delete(_) => true,
            Self::Move(transfer) | Self::Copy(transfer) => transfer.overwrite != Overwrite::Never,
            Self::Put(_) | Self::Edit(_) | Self::MakeDirectory(_) => false,
        }
    }
}
