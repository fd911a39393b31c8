//! Removing the counters of an account that is gone. One that cannot be decoded is removed without its entry in the
//! expiry index, which then points to nothing.

use futures_util::try_join;
use kv::{Key, Order, Query, Range, Txn};

use crate::error::Result;
use crate::expiry;
use crate::id::{LoginId, UserId};
use crate::record::Unreadable;
use crate::throttle::{keys, stored};
use crate::users::Email;

/// Removes up to `limit` counters of attempts at the account with this email, and of emails to it. Returns their
/// number.
pub(crate) async fn remove_email(txn: &Txn, email: &Email, limit: usize, unreadable: &Unreadable) -> Result<usize> {
    let mut removed = 0;
    for prefix in keys::prefixes(email) {
        removed += remove_below(txn, &prefix, limit - removed, unreadable).await?;
    }
    let others = [keys::known, keys::account, keys::recipient, keys::email_change];
    for key in others.map(|key| key(email)) {
        if removed < limit {
            removed += remove(txn, &key, unreadable).await?;
        }
    }
    Ok(removed)
}

/// Removes the counters of the emails that this user has requested.
pub(crate) async fn remove_user(txn: &Txn, user: UserId, unreadable: &Unreadable) -> Result<()> {
    let (own, changes) = (keys::recipient_user(user), keys::email_changes(user));
    try_join!(remove(txn, &own, unreadable), remove(txn, &changes, unreadable)).map(drop)
}

/// Removes the counters of attempts within this login.
pub(crate) async fn remove_login(txn: &Txn, login: LoginId, unreadable: &Unreadable) -> Result<()> {
    let key = keys::login(login);
    try_join!(
        remove(txn, &key, unreadable),
        remove_below(txn, &key, usize::MAX, unreadable)
    )
    .map(drop)
}

async fn remove(txn: &Txn, key: &Key, unreadable: &Unreadable) -> Result<usize> {
    let Some(value) = txn.get(key).await? else {
        return Ok(0);
    };
    if let Some(expires_at) = unreadable.skip(stored::expiry(&value)) {
        expiry::remove(txn, key, expires_at)?;
    }
    txn.clear(key)?;
    Ok(1)
}

async fn remove_below(txn: &Txn, prefix: &Key, limit: usize, unreadable: &Unreadable) -> Result<usize> {
    let query = Query {
        range: Range::below(prefix),
        order: Order::Ascending,
        limit,
    };
    let entries = txn.range(&query).await?.entries;
    for entry in &entries {
        if let Some(expires_at) = unreadable.skip(stored::expiry(&entry.value)) {
            expiry::remove(txn, &entry.key, expires_at)?;
        }
        txn.clear(&entry.key)?;
    }
    Ok(entries.len())
}
