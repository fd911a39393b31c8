//! Removing what a tenant owns, a batch per transaction: for the tenants of deleted accounts and for organisations.

use kv::{Entry, Key, Order, Query, Range, Txn};

use crate::audit;
use crate::contents::garbage;
use crate::error::Result;
use crate::files;
use crate::id::{Id as _, SessionId};
use crate::record::Unreadable;
use crate::scope::TenantScope;
use crate::sessions;
use crate::time::Timestamp;
use crate::uploads;
use crate::usage;

/// The maximum number of entries that one transaction removes.
pub(super) const BATCH: usize = 100;

/// The maximum number of keys of files that one transaction removes.
const FILES: usize = 1000;

/// What a transaction leaves to the next one.
pub(super) enum Progress {
    /// The step is not done. It continues after this key, or at the start of its range.
    More(Option<Key>),
    Done,
}

impl Progress {
    /// The step is done if fewer entries were found than one transaction handles.
    pub(super) fn after_batch(found: usize) -> Self {
        if found < BATCH { Self::Done } else { Self::More(None) }
    }
}

/// The first entries of a range.
pub(super) async fn read(txn: &Txn, range: Range, limit: usize) -> Result<Vec<Entry>> {
    let order = Order::Ascending;
    Ok(txn.range(&Query { range, order, limit }).await?.entries)
}

/// The data of a tenant that has no record any more.
pub(super) struct TenantData<'a> {
    pub(super) txn: &'a Txn,
    pub(super) scope: TenantScope,
    pub(super) unreadable: &'a Unreadable,
}

impl TenantData<'_> {
    pub(super) async fn sessions(&self) -> Result<Progress> {
        let (txn, scope) = (self.txn, self.scope);
        let entries = read(txn, Range::below(&sessions::keys::index(scope)), BATCH).await?;
        for entry in &entries {
            if let Some(id) = self.unreadable.skip(entry.key.last()) {
                let id = SessionId::from_uuid(id);
                if files::jobs::remove_some(txn, scope, id, FILES, self.unreadable).await? {
                    return Ok(Progress::More(None));
                }
                txn.clear(&sessions::keys::session(scope, id))?;
                txn.clear(&sessions::keys::search_text(scope, id))?;
            }
            txn.clear(&entry.key)?;
        }
        Ok(Progress::after_batch(entries.len()))
    }

    /// Each counter of a day has an entry in the index.
    pub(super) async fn audit_days(&self) -> Result<Progress> {
        let prefix = usage::keys::counter(self.scope, usage::Quota::AuditEvents);
        let entries = read(self.txn, Range::below(&prefix), BATCH).await?;
        for entry in &entries {
            if let Some((day,)) = self.unreadable.skip(entry.key.unpack_after::<(i64,)>(&prefix)) {
                self.txn.clear(&audit::keys::day_entry(self.scope, day))?;
            }
            self.txn.clear(&entry.key)?;
        }
        Ok(Progress::after_batch(entries.len()))
    }

    /// Uploads, and the contents of files.
    pub(super) async fn contents(&self, now: Timestamp) -> Result<Progress> {
        let has_removed = uploads::store::remove_some(self.txn, self.scope, now, self.unreadable).await?
            || garbage::remove_some(self.txn, self.scope, BATCH, now).await?;
        Ok(if has_removed {
            Progress::More(None)
        } else {
            Progress::Done
        })
    }
}
