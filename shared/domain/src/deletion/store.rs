//! Storage of scheduled deletions and of deleted accounts on a given transaction.

use kv::Txn;

use crate::deletion::{DeletedAccount, Deletion, keys};
use crate::error::Result;
use crate::expiry::{self, ExpiryChange};
use crate::id::UserId;
use crate::record;
use crate::time::Timestamp;

/// The scheduled deletion of this user's account, if there is one.
pub async fn find(txn: &Txn, user: UserId) -> Result<Option<Deletion>> {
    txn.get(&keys::deletion(user))
        .await?
        .as_deref()
        .map(record::decode)
        .transpose()
}

/// Adds the deletion of an account for which none is scheduled.
pub(crate) fn add(txn: &Txn, deletion: &Deletion) -> Result<()> {
    txn.set(&keys::deletion(deletion.user), record::encode(deletion)?)?;
    Ok(txn.set(&keys::scheduled(deletion.user, deletion.due_at), [])?)
}

/// Removes a deletion that [`find`] has returned.
pub(crate) fn remove(txn: &Txn, deletion: &Deletion) -> Result<()> {
    txn.clear(&keys::scheduled(deletion.user, deletion.due_at))?;
    Ok(txn.clear(&keys::deletion(deletion.user))?)
}

/// Moves a deletion that [`find`] has returned to another time.
pub(crate) fn postpone(txn: &Txn, deletion: &Deletion, due_at: Timestamp) -> Result<()> {
    txn.clear(&keys::scheduled(deletion.user, deletion.due_at))?;
    let postponed = Deletion {
        due_at,
        ..deletion.clone()
    };
    add(txn, &postponed)
}

/// The record of the deleted account with this id, if there is one.
pub(crate) async fn find_deleted(txn: &Txn, user: UserId) -> Result<Option<DeletedAccount>> {
    txn.get(&keys::done(user))
        .await?
        .as_deref()
        .map(record::decode)
        .transpose()
}

/// Adds the record of a deleted account. Its id is never used again.
pub(crate) fn add_deleted(txn: &Txn, account: &DeletedAccount) -> Result<()> {
    let key = keys::done(account.user);
    txn.set(&key, record::encode(account)?)?;
    let to = account.expires_at;
    expiry::update(txn, &key, ExpiryChange { from: None, to })
}
