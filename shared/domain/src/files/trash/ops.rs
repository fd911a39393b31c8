//! Operations on the trash.

use futures_util::try_join;
use kv::{Order, Query, Range};

use crate::env::Env;
use crate::error::{Error, Result};
use crate::files::changeset::author::Author;
use crate::files::changeset::engine::Engine;
use crate::files::records::{StoredItem, Task};
use crate::files::store::Files;
use crate::files::trash::TrashItem;
use crate::files::{FileEntry, keys};
use crate::id::{Id as _, SessionId, TrashItemId};
use crate::page::{Cursor, Limit};
use crate::record;
use crate::role::Permission;
use crate::scope::caller::Caller;
use crate::tenants;
use crate::usage::store::{Change, Counters};

/// The name of this list in its cursors.
const LIST: &str = "files.trash";

/// A page of the trash.
#[derive(Clone, Debug)]
pub struct Page {
    /// Items, the latest first.
    pub items: Vec<TrashItem>,
    /// The cursor of the next page; `None` on the last.
    pub next: Option<Cursor>,
}

/// A page of the trash, the latest items first.
pub async fn list(
    env: &Env,
    caller: &Caller,
    session: SessionId,
    limit: Limit,
    after: Option<&Cursor>,
) -> Result<Page> {
    let before = match after {
        Some(cursor) => Some(TrashItemId::from_slice(cursor.position()).ok_or(Error::BadCursor)?),
        None => None,
    };
    let filter = &session.to_string();
    env.in_tenant(caller, Permission::ReadFiles, |txn, scope| async move {
        let files = Files {
            txn: &txn,
            scope,
            session,
        };
        let (state, key) = try_join!(files.state(), tenants::store::cursor_key(&txn, scope))?;
        if let Some(cursor) = after {
            cursor.verify(&key, LIST, filter)?;
        }
        let generation = state.head.trash;
        let mut range = Range::below(&keys::trash(scope, session, generation));
        if let Some(before) = before {
            range = range.before(&keys::trash_item(scope, session, generation, before));
        }
        let query = Query {
            range,
            order: Order::Descending,
            limit: limit.get() + 1,
        };
        let found = txn.range(&query).await?.entries;
        let has_more = found.len() > limit.get();
        let items = found.into_iter().take(limit.get()).map(|entry| {
            let id = TrashItemId::from_uuid(entry.key.last()?);
            Ok(TrashItem::of(id, record::decode(&entry.value)?))
        });
        let items = items.collect::<Result<Vec<_>>>()?;
        let last = items.last().filter(|_| has_more);
        let next = last.map(|item| Cursor::new(&key, LIST, filter, item.id.as_bytes()));
        Ok(Page { items, next })
    })
    .await
}

/// Moves an item back to its path, and makes missing directories above it. Fails with [`Error::NotFound`] if the trash
/// has no such item, with [`Error::Exists`] if the path is taken, and with [`Error::NotADirectory`] if a part of it is
/// a file.
pub async fn restore(env: &Env, caller: &Caller, session: SessionId, item: TrashItemId) -> Result<FileEntry> {
    let author = &Author::of(env, caller, 0);
    // The entry tells what the file contains.
    let reads = Some(Permission::ReadFiles);
    let restoring = env.in_tenant_with(caller, Permission::WriteFiles, reads, |txn, scope| async move {
        let files = Files {
            txn: &txn,
            scope,
            session,
        };
        let (mut engine, counters) = try_join!(
            Engine::open(files, &env.directories, author, &[]),
            Counters::peek_files(&txn, scope, author.at, env.limits.quotas.as_ref())
        )?;
        let key = keys::trash_item(scope, session, engine.tree.head.trash, item);
        let stored = txn.get(&key).await?.ok_or(Error::NotFound)?;
        let stored: StoredItem = record::decode(&stored)?;
        txn.clear(&key)?;
        let entry = engine.restore(stored).await?;
        let (made, _) = engine.finish().await?.total();
        // The item counts as a file, in the trash and outside.
        let change = Change {
            files: made,
            is_unlogged: true,
            ..Change::default()
        };
        counters.charge(&txn, &change).await?;
        Ok(entry)
    });
    let restored = env.limit_writes(caller.tenant(), restoring).await?;
    env.file_changes.notify(session);
    Ok(restored)
}

/// Empties the trash, with constant work; the janitor removes the content.
pub async fn empty(env: &Env, caller: &Caller, session: SessionId) -> Result<()> {
    let author = &Author::of(env, caller, 0);
    let emptying = env.in_tenant(caller, Permission::WriteFiles, |txn, scope| async move {
        txn.use_reserve();
        let files = Files {
            txn: &txn,
            scope,
            session,
        };
        let mut head = files.state().await?.head;
        let generation = head.trash;
        // The first item decides whether there is anything to do.
        let range = Range::below(&keys::trash(scope, session, generation));
        let query = crate::files::store::ascending(range, 1);
        if txn.range(&query).await?.entries.is_empty() {
            return Ok(());
        }
        head.trash += 1;
        files.put_head(&head)?;
        files.put_job(author.at, author.job(0), Task::Trash { generation })
    });
    env.limit_writes(caller.tenant(), emptying).await
}
