//! Logins on a caller's transaction.

use kv::{Order, Query, Range, Txn};

use crate::error::Result;
use crate::expiry::{self, ExpiryChange};
use crate::id::{LoginId, UserId};
use crate::logins::{Login, LoginExpiry, MAX_LOGINS, keys};
use crate::record;

/// The login, if it has not been ended. It may have outlived its time.
pub async fn find(txn: &Txn, user: UserId, id: LoginId) -> Result<Option<Login>> {
    txn.get(&keys::login(user, id))
        .await?
        .as_deref()
        .map(record::decode)
        .transpose()
}

/// What a request asks of the login, if it has not been ended.
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
            // More there never are; what a mistake might leave behind must be shown too.
            limit: 10 * MAX_LOGINS,
        })
        .await?;
    page.entries.iter().map(|entry| record::decode(&entry.value)).collect()
}

/// Adds a login, which is alive until it expires.
pub fn add(txn: &Txn, login: &Login) -> Result<()> {
    write(txn, login, None)
}

/// Writes `login` in place of what it `was`.
pub fn replace(txn: &Txn, was: &Login, login: &Login) -> Result<()> {
    write(txn, login, Some(was))
}

fn write(txn: &Txn, login: &Login, was: Option<&Login>) -> Result<()> {
    let key = keys::login(login.user, login.id);
    txn.set(&key, record::encode(login)?)?;
    let change = ExpiryChange {
        from: was.map(|was| was.expires_at),
        to: login.expires_at,
    };
    expiry::update(txn, &key, change)
}

/// Ends the login; ended already, nothing changes.
pub fn end(txn: &Txn, user: UserId, id: LoginId) -> Result<()> {
    Ok(txn.clear(&keys::login(user, id))?)
}
