//! Logins on a caller's transaction.

use kv::Txn;

use crate::error::Result;
use crate::id::{LoginId, UserId};
use crate::logins::{Login, keys};
use crate::record;

/// The login, if it has not ended.
pub async fn find(txn: &Txn, user: UserId, id: LoginId) -> Result<Option<Login>> {
    txn.get(&keys::login(user, id))
        .await?
        .as_deref()
        .map(record::decode)
        .transpose()
}

/// Writes `login` over what was there.
pub fn put(txn: &Txn, login: &Login) -> Result<()> {
    Ok(txn.set(&keys::login(login.user, login.id), record::encode(login)?)?)
}

/// Ends the login; ended already, nothing changes.
pub fn end(txn: &Txn, user: UserId, id: LoginId) -> Result<()> {
    Ok(txn.clear(&keys::login(user, id))?)
}
