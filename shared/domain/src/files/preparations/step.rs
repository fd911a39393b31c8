//! One bounded transaction of a preparation, in the request that began it or in the janitor.
//!
//! A step reads the preparation and writes it, so steps of one preparation never commit concurrently, and none repeats
//! a part. It reads the snapshot with a conflict: while the snapshot exists, so do the contents of what it contains.
//! Writers do not wait for a step and never conflict with it; a step that a writer has overtaken is repeated.

use futures_util::future::try_join_all;
use futures_util::try_join;
use kv::Txn;
use uuid::Uuid;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::files::changes::{self, Change, ChangeKind};
use crate::files::preparations::{Pending, Preparation, Purpose, store};
use crate::files::records::{Place, Removal, StoredItem};
use crate::files::snapshots::store::View;
use crate::files::snapshots::{self, RestoreState, Snapshot};
use crate::files::store::{Files, State};
use crate::files::{Entry, FilePath, Node, keys};
use crate::id::{DirectoryId, Id as _, SessionId, TrashItemId};
use crate::record::{self, NewerMembers};
use crate::scope::TenantScope;
use crate::time::Timestamp;
use crate::usage::store::{Change as UsageChange, Counters};
use crate::usage::{self, Quota, Quotas};

/// The number of pending directories that a step works on.
const DIRECTORIES: usize = 8;

/// The number of entries of each that it copies.
const ENTRIES: usize = 200;

/// The number of entries that a copied directory may have, with those below it.
pub const MAX_COPIED: u64 = 50_000;

/// What a step draws before its transaction, so that each attempt uses the same.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) now: Timestamp,
    item: TrashItemId,
    quotas: Option<Quotas>,
}

impl Draft {
    pub(crate) fn of(env: &Env) -> Self {
        Self {
            now: env.clock.now(),
            item: env.ids.next(),
            quotas: env.limits.quotas,
        }
    }
}

/// The result of a step.
#[derive(Debug)]
pub(crate) enum Step {
    /// It has copied entries.
    Copied,
    /// All entries are copied, and the caller may give the copy its place.
    Ready,
    /// The copy is the root directory now.
    Switched,
    /// The preparation has failed, and the janitor removes what was copied.
    Failed(Error),
    /// There is no such preparation any more.
    Gone,
}

/// Executes a step in a transaction of its own.
pub(crate) async fn run(env: &Env, scope: TenantScope, session: SessionId, id: DirectoryId) -> Result<Step> {
    let draft = &Draft::of(env);
    let done = env.db.run(|txn: Txn| async move {
        let files = Files {
            txn: &txn,
            scope,
            session,
        };
        step(files, id, draft).await
    });
    let done = done.await?;
    if matches!(done, Step::Switched) {
        env.file_changes.notify(session);
    }
    Ok(done)
}

/// Executes a step. Fails with [`Error::NotFound`] if the session is gone.
pub(crate) async fn step(files: Files<'_>, id: DirectoryId, draft: &Draft) -> Result<Step> {
    let (state, preparation, pending) = try_join!(
        files.state(),
        store::find(&files, id),
        store::pending(&files, id, DIRECTORIES)
    )?;
    let Some(preparation) = preparation else {
        return Ok(Step::Gone);
    };
    let Some(snapshot) = snapshots::store::find(&files, preparation.snapshot).await? else {
        abandon(files, &state, id, &preparation, draft.now).await?;
        return Ok(Step::Failed(Error::NotFound));
    };
    if !pending.is_empty() {
        return copy(files, &state, id, preparation, &snapshot, &pending, draft).await;
    }
    match preparation.purpose {
        Purpose::Copy => Ok(Step::Ready),
        Purpose::Restore => switch(files, state, id, &preparation, snapshot, draft).await,
    }
}

/// Copies entries of pending directories.
async fn copy(
    files: Files<'_>,
    state: &State,
    id: DirectoryId,
    preparation: Preparation,
    snapshot: &Snapshot,
    pending: &[(DirectoryId, Pending)],
    draft: &Draft,
) -> Result<Step> {
    let view = View::of(files, snapshot);
    let pages = pending
        .iter()
        .map(|(_, pending)| view.entries(pending.source, pending.after.as_deref(), ENTRIES));
    let counters = Counters::peek_files(files.txn, files.scope, draft.now, draft.quotas.as_ref());
    let (pages, counters) = try_join!(try_join_all(pages), counters)?;
    let count = pages.iter().map(|(entries, _)| entries.len() as u64).sum::<u64>();
    let entries = preparation.entries + count;
    if preparation.purpose == Purpose::Copy && entries > MAX_COPIED {
        abandon(files, state, id, &preparation, draft.now).await?;
        return Ok(Step::Failed(Error::DirectoryTooLarge));
    }
    let change = UsageChange {
        files: count.cast_signed(),
        is_unlogged: true,
        ..UsageChange::default()
    };
    match counters.charge(files.txn, &change).await {
        Err(error @ Error::QuotaExceeded(_)) => {
            abandon(files, state, id, &preparation, draft.now).await?;
            return Ok(Step::Failed(error));
        }
        charged => charged?,
    }
    for ((directory, pending), (entries, next)) in pending.iter().zip(pages) {
        for (name, entry) in entries {
            copy_entry(&files, id, *directory, &name, entry, state.head.epoch)?;
        }
        match next {
            None => store::clear_pending(&files, id, *directory)?,
            after => {
                let source = pending.source;
                store::put_pending(&files, id, *directory, &Pending { source, after })?;
            }
        }
    }
    store::put(&files, id, &Preparation { entries, ..preparation })?;
    Ok(Step::Copied)
}

/// Writes the copy of an entry.
fn copy_entry(
    files: &Files<'_>,
    id: DirectoryId,
    directory: DirectoryId,
    name: &str,
    entry: Entry,
    epoch: u64,
) -> Result<()> {
    let node = match entry.node {
        Node::Directory { id: source } => {
            // A snapshot contains a directory once, so each copy has an id of its own.
            let copy = DirectoryId::from_uuid(Uuid::new_v5(&id.uuid(), source.as_bytes()));
            let place = Place::Entry {
                parent: directory,
                name: name.to_owned(),
            };
            files.put_location(copy, place)?;
            store::put_pending(files, id, copy, &Pending { source, after: None })?;
            Node::Directory { id: copy }
        }
        file @ Node::File { .. } => {
            files.retain(&file)?;
            file
        }
    };
    let copy = Entry {
        node,
        modified_at: entry.modified_at,
        // Snapshots of this epoch do not reach the copy before it has a place, but keep what is taken from it: the
        // same as for a directory in the trash.
        birth: epoch,
        newer: NewerMembers::default(),
    };
    files.put_entry(directory, name, &copy)
}

/// Makes the copy the root directory. The directory that it replaces becomes an item of the trash.
async fn switch(
    files: Files<'_>,
    state: State,
    id: DirectoryId,
    preparation: &Preparation,
    mut snapshot: Snapshot,
    draft: &Draft,
) -> Result<Step> {
    let mut head = state.head;
    let replaced = head.root;
    if files.is_empty(replaced).await? {
        // The item of the trash was counted when the restore began.
        count(&files, -1)?;
    } else {
        let (item, generation) = (draft.item, head.trash);
        let stored = StoredItem {
            node: Node::Directory { id: replaced },
            modified_at: state.session.created_at,
            // It cannot become the root directory again, so it has a path of its own there.
            path: FilePath::root().child(&format!("replaced-{item}")),
            parent: id,
            epoch: head.epoch,
            deleted_at: draft.now,
            deleted_by: preparation.user,
            newer_entry: None,
        };
        let key = keys::trash_item(files.scope, files.session, generation, item);
        files.txn.set(&key, record::encode(&stored)?)?;
        files.put_location(replaced, Place::Trash { generation, item })?;
        files.put_trash_job(generation, item)?;
    }
    head.root = id;
    files.put_head(&head)?;
    files.put_shape(*Uuid::new_v5(&id.uuid(), b"shape").as_bytes())?;
    files.clear_location(id)?;
    store::clear(&files, id)?;
    set_state(&files, &mut snapshot, RestoreState::Completed)?;
    let change = Change {
        kind: ChangeKind::Changed,
        path: FilePath::root(),
        from: None,
        tag: Some(Node::Directory { id }.tag()),
        user: preparation.user,
        access_token: preparation.access_token,
        at: draft.now,
    };
    changes::store::add(&files, &change)?;
    Ok(Step::Switched)
}

/// Gives up a preparation: the janitor removes what was copied.
pub(crate) async fn abandon(
    files: Files<'_>,
    state: &State,
    id: DirectoryId,
    preparation: &Preparation,
    now: Timestamp,
) -> Result<()> {
    store::clear(&files, id)?;
    files.put_location(id, Place::Removal {})?;
    // No snapshot contains an entry of it.
    let removal = record::encode(&Removal { epoch: 0 })?;
    files.txn.set(&keys::removal(files.scope, files.session, id), removal)?;
    files.put_removals_job()?;
    count(&files, -1)?;
    let Some(mut snapshot) = snapshots::store::find(&files, preparation.snapshot).await? else {
        return Ok(());
    };
    match preparation.purpose {
        Purpose::Restore => set_state(&files, &mut snapshot, RestoreState::Failed),
        Purpose::Copy => drop_hidden(files, state, id, &snapshot, now).await,
    }
}

/// Deletes the hidden snapshot of a copy.
pub(crate) async fn drop_hidden(
    files: Files<'_>,
    state: &State,
    id: DirectoryId,
    snapshot: &Snapshot,
    now: Timestamp,
) -> Result<()> {
    let head = state.head.clone();
    snapshots::store::remove(&files, head, snapshot, now, store::job(id, b"snapshot")).await?;
    let counter = usage::keys::counter(files.scope, Quota::Snapshots);
    Ok(files.txn.add(&counter, -1)?)
}

fn set_state(files: &Files<'_>, snapshot: &mut Snapshot, state: RestoreState) -> Result<()> {
    if let Some(restore) = &mut snapshot.restore {
        restore.state = state;
    }
    snapshots::store::put(files, snapshot)
}

/// Changes the number of files of the tenant.
fn count(files: &Files<'_>, amount: i64) -> Result<()> {
    let counter = usage::keys::counter(files.scope, Quota::Files);
    Ok(files.txn.add(&counter, amount)?)
}
