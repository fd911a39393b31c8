//! Removing the counters of an account that is gone.

use futures_util::try_join;
use kv::{Key, Order, Query, Range, Txn};

use crate::error::Result;
use crate::expiry;
use crate::id::{LoginId, UserId};
use crate::throttle::{keys, stored};
use crate::users::Email;

/// Removes up to `limit` counters of attempts at the account with this email, and of emails to it. Returns their
/// number.
pub(crate) async fn remove_email(txn: &Txn, email: &Email, limit: usize) -> Result<usize> {
    let mut removed = 0;
    for prefix in keys::prefixes(email) {
        removed += remove_below(txn, &prefix, limit - removed).await?;
    }
    let others = [keys::known, keys::account, keys::recipient, keys::email_change];
    for key in others.map(|key| key(email)) {
        if removed < limit {
            removed += remove(txn, &key).await?;
        }
    }
    Ok(removed)
}

/// Removes the counters of the emails that this user has requested.
pub(crate) async fn remove_user(txn: &Txn, user: UserId) -> Result<()> {
    let (own, changes) = (keys::recipient_user(user), keys::email_changes(user));
    try_join!(remove(txn, &own), remove(txn, &changes)).map(drop)
}

/// Removes the counters of attempts within this login.
pub(crate) async fn remove_login(txn: &Txn, login: LoginId) -> Result<()> {
    let key = keys::login(login);
    try_join!(remove(txn, &key), remove_below(txn, &key, usize::MAX)).map(drop)
}

async fn remove(txn: &Txn, key: &Key) -> Result<usize> {
    let Some(value) = txn.get(key).await? else {
        return Ok(0);
    };
    expiry::remove(txn, key, stored::expiry(&value)?)?;
    txn.clear(key)?;
    Ok(1)
}

async fn remove_below(txn: &Txn, prefix: &Key, limit: usize) -> Result<usize> {
    let query = Query {
        range: Range::below(prefix),
        order: Order::Ascending,
        limit,
    };
    let entries = txn.range(&query).await?.entries;
    for entry in &entries {
        expiry::remove(txn, &entry.key, stored::expiry(&entry.value)?)?;
        txn.clear(&entry.key)?;
    }
    Ok(entries.len())
}
