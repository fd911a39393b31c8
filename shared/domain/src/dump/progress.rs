//! The progress of an import, a record in the target store for as long as the import has not finished.

use kv::{Cause, Txn};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::env::Env;
use crate::error::Result;
use crate::keys;
use crate::record::{self, Record};

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Progress {
    /// The import.
    pub(super) id: Uuid,
    /// The dump.
    pub(super) dump: Uuid,
    /// The number of entries that the store contains, from the start of the dump.
    pub(super) entries: u64,
}

impl Record for Progress {
    const KIND: &'static str = "import";
}

/// The progress of the import that has not finished, if there is one.
pub(super) async fn find(txn: &Txn) -> Result<Option<Progress>> {
    txn.get(&keys::import())
        .await?
        .as_deref()
        .map(record::decode)
        .transpose()
}

pub(super) fn put(txn: &Txn, progress: &Progress) -> Result<()> {
    Ok(txn.set(&keys::import(), record::encode(progress)?)?)
}

/// Whether the store contains only a part of a dump, so that no server may use it.
pub async fn has_unfinished_import(env: &Env) -> Result<bool> {
    let progress = env.db.run(|txn| async move { find(&txn).await }).await?;
    Ok(progress.is_some())
}

/// Fails if the store contains only a part of a dump: nothing but the import may use it.
pub(crate) async fn require_none(txn: &Txn) -> Result<(), kv::Error> {
    if exists(txn).await? { Err(unfinished()) } else { Ok(()) }
}

/// Whether the store contains only a part of a dump.
pub(crate) async fn exists(txn: &Txn) -> Result<bool, kv::Error> {
    Ok(txn.peek(&keys::import()).await?.is_some())
}

/// The error of a store that contains only a part of a dump.
pub(crate) fn unfinished() -> kv::Error {
    let why = "it contains an import that has not finished; repeat `gateway import` with the same dump".to_owned();
    kv::Error::Unavailable {
        cause: Cause::Engine { why },
    }
}
