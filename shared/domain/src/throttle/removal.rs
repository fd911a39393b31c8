//! Removing the counters of an account that is gone. One that cannot be decoded is removed without its entry in the
//! expiry index, which then points to nothing.
//!
//! Counters of what other accounts did stay, also if they are stored under an address of this account: requests to make
//! it theirs, and invitations to it. Otherwise a deletion would give these accounts new attempts.

use futures_util::try_join;
use kv::{Key, Order, Query, Range, Txn};

use crate::error::Result;
use crate::expiry;
use crate::id::{LoginId, TenantId, UserId};
use crate::record::{self, Unreadable};
use crate::throttle::counter::Counter;
use crate::throttle::{keys, stored};
use crate::users::Email;

/// Removes up to `limit` counters of attempts at the account with this email, and of recoveries of it. Returns their
/// number.
pub(crate) async fn remove_email(txn: &Txn, email: &Email, limit: usize, unreadable: &Unreadable) -> Result<usize> {
    let mut removed = 0;
    for prefix in keys::prefixes(email) {
        removed += remove_below(txn, &prefix, limit - removed, unreadable).await?;
    }
    for key in [keys::known, keys::account, keys::recipient].map(|key| key(email)) {
        if removed < limit {
            removed += remove(txn, &key, unreadable).await?;
        }
    }
    Ok(removed)
}

/// Removes the counters of the emails that this user has requested, also those of the addresses to which the user asked
/// to change: there are a few, because these requests are limited.
pub(crate) async fn remove_user(txn: &Txn, user: UserId, unreadable: &Unreadable) -> Result<()> {
    let (own, changes) = (keys::recipient_user(user), keys::email_changes(user));
    let query = Query {
        range: Range::below(&changes),
        order: Order::Ascending,
        limit: usize::MAX,
    };
    for entry in &txn.range(&query).await?.entries {
        if let Some(address) = unreadable.skip(keys::email_change_of_same_address(&entry.key))
            && is_of_user_alone(txn, &address, &entry.value).await?
        {
            remove(txn, &address, unreadable).await?;
        }
        remove(txn, &entry.key, unreadable).await?;
    }
    let invitations = keys::invitations_by(user);
    try_join!(
        remove(txn, &own, unreadable),
        remove(txn, &changes, unreadable),
        remove(txn, &invitations, unreadable)
    )
    .map(drop)
}

/// Removes the counter of the invitations to an organisation that is gone.
pub(crate) async fn remove_organization(txn: &Txn, organization: TenantId, unreadable: &Unreadable) -> Result<()> {
    remove(txn, &keys::invitations_to(organization), unreadable)
        .await
        .map(drop)
}

/// Whether the counter of changes to an address counts only those of the user whose own counter this is. Every request
/// is counted in both at the same time, so they differ exactly if another account's request still counts. One that
/// cannot be decoded may be another account's.
async fn is_of_user_alone(txn: &Txn, address: &Key, own: &[u8]) -> Result<bool> {
    let Some(value) = txn.get(address).await? else {
        return Ok(false);
    };
    let counters = (record::decode::<Counter>(&value), record::decode::<Counter>(own));
    Ok(matches!(counters, (Ok(all), Ok(own)) if all.counts_same(&own)))
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
