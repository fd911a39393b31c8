//! Storage of logins on a given transaction.

use kv::{Order, Query, Range, Txn};

use crate::error::Result;
use crate::expiry::{self, ExpiryChange};
use crate::id::{LoginId, UserId};
use crate::logins::{Login, LoginExpiry, MAX_LOGINS, keys};
use crate::record;

/// The login, unless it has ended. It may have expired.
pub async fn find(txn: &Txn, user: UserId, id: LoginId) -> Result<Option<Login>> {
    txn.get(&keys::login(user, id))
        .await?
        .as_deref()
        .map(record::decode)
        .transpose()
}

/// The login's expiry, unless it has ended.
pub async fn expiry(txn: &Txn, user: UserId, id: LoginId) -> Result<Option<LoginExpiry>> {
    txn.get(&keys::login(user, id))
        .await?
        .as_deref()
        .map(record::decode_projection)
        .transpose()
}

/// All of the user's logins, oldest first.
pub async fn list(txn: &Txn, user: UserId) -> Result<Vec<Login>> {
    let page = txn
        .range(&Query {
            range: Range::below(&keys::logins(user)),
            order: Order::Ascending,
            // There are never more than `MAX_LOGINS`; the margin shows what a defect might leave behind.
            limit: 10 * MAX_LOGINS,
        })
        .await?;
    page.entries.iter().map(|entry| record::decode(&entry.value)).collect()
}

/// Adds a login.
pub fn add(txn: &Txn, login: &Login) -> Result<()> {
    write(txn, login, None)
}

/// Replaces the login `old` by `new`.
pub fn replace(txn: &Txn, old: &Login, new: &Login) -> Result<()> {
    write(txn, new, Some(old))
}

fn write(txn: &Txn, login: &Login, old: Option<&Login>) -> Result<()> {
    let key = keys::login(login.user, login.id);
    txn.set(&key, record::encode(login)?)?;
    let change = ExpiryChange {
        from: old.map(|old| old.expires_at),
        to: login.expires_at,
    };
    expiry::update(txn, &key, change)
}

/// Ends a login that [`find`] or [`list`] has returned.
pub fn end(txn: &Txn, login: &Login) -> Result<()> {
    let key = keys::login(login.user, login.id);
    // The entry contains the user's id, which must not outlive the account.
    expiry::remove(txn, &key, login.expires_at)?;
    Ok(txn.clear(&key)?)
}
