//! Storage of users on a given transaction.

use futures_util::try_join;
use kv::{Order, Query, Range, Txn};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::expiry::{self, ExpiryChange};
use crate::id::{Id as _, UserId};
use crate::record;
use crate::time::Timestamp;
use crate::users::{Email, FormerEmail, User, keys, profile};

/// The user with this id.
pub async fn find(txn: &Txn, id: UserId) -> Result<Option<User>> {
    txn.get(&keys::user(id))
        .await?
        .as_deref()
        .map(record::decode)
        .transpose()
}

/// The id of the account with this email.
pub async fn find_id_by_email(txn: &Txn, email: &Email) -> Result<Option<UserId>> {
    let Some(bytes) = txn.get(&keys::by_email(email)).await? else {
        return Ok(None);
    };
    id_of_entry(&bytes).map(Some)
}

/// The account that has this email, or had it until lately: no other one may get it.
pub async fn find_holder(txn: &Txn, email: &Email, now: Timestamp) -> Result<Option<UserId>> {
    let (holder, former) = try_join!(find_id_by_email(txn, email), find_former_email(txn, email))?;
    let former = former.filter(|former| now < former.expires_at);
    Ok(holder.or(former.map(|former| former.user)))
}

/// The reservation of this email, which may have expired.
pub async fn find_former_email(txn: &Txn, email: &Email) -> Result<Option<FormerEmail>> {
    txn.get(&keys::former_email(email))
        .await?
        .as_deref()
        .map(record::decode)
        .transpose()
}

/// Gives the account another email: that of the `changed` user, among whose past ones the old one is. Reserves the old
/// one for it until `reserved_until`. `former` are the reservations of the old email and of the new one.
pub(crate) fn change_email(
    txn: &Txn,
    old: &Email,
    changed: &User,
    reserved_until: Option<Timestamp>,
    former: [Option<&FormerEmail>; 2],
) -> Result<()> {
    let [former_old, former_new] = former;
    txn.clear(&keys::by_email(old))?;
    txn.set(&keys::by_email(&changed.email), changed.id.as_bytes())?;
    if let Some(former) = former_new {
        release(txn, &changed.email, former)?;
    }
    match (reserved_until, former_old) {
        (Some(expires_at), _) => {
            let user = changed.id;
            let key = keys::former_email(old);
            txn.set(&key, record::encode(&FormerEmail { user, expires_at })?)?;
            let from = former_old.map(|former| former.expires_at);
            expiry::update(txn, &key, ExpiryChange { from, to: expires_at })?;
        }
        (None, Some(former)) => release(txn, old, former)?,
        (None, None) => {}
    }
    put(txn, changed)
}

/// Ends the reservation of an email.
pub(crate) fn release(txn: &Txn, email: &Email, former: &FormerEmail) -> Result<()> {
    let key = keys::former_email(email);
    txn.clear(&key)?;
    expiry::remove(txn, &key, former.expires_at)
}

/// The ids of up to `limit` accounts in the order of their emails, after the email `after`.
pub async fn list_ids(txn: &Txn, after: Option<&Email>, limit: usize) -> Result<Vec<UserId>> {
    let all = Range::below(&keys::emails());
    let page = txn
        .range(&Query {
            range: match after {
                Some(email) => all.after(&keys::by_email(email)),
                None => all,
            },
            order: Order::Ascending,
            limit,
        })
        .await?;
    page.entries.iter().map(|entry| id_of_entry(&entry.value)).collect()
}

fn id_of_entry(value: &[u8]) -> Result<UserId> {
    UserId::from_slice(value).ok_or_else(|| Error::Corrupt {
        kind: "email index",
        why: "its value is not 16 bytes".into(),
    })
}

/// An id that no user has, derived from the email. Reading it in place of an unknown email's account keeps the reads
/// equal.
pub fn absent_id(email: &Email) -> UserId {
    UserId::from_uuid(Uuid::new_v5(&Uuid::nil(), email.as_str().as_bytes()))
}

/// Adds `user`. Fails with [`Error::EmailTaken`] if `holder`, the result of [`find_holder`], is another account.
///
/// Safe to retry: after an unknown commit the index already names `user.id`.
pub fn insert(txn: &Txn, user: &User, holder: Option<UserId>) -> Result<()> {
    match holder {
        Some(holder) if holder != user.id => return Err(Error::EmailTaken),
        _ => {}
    }
    txn.set(&keys::by_email(&user.email), user.id.as_bytes())?;
    put(txn, user)
}

/// Writes `user` over its stored version.
pub fn put(txn: &Txn, user: &User) -> Result<()> {
    Ok(txn.set(&keys::user(user.id), record::encode(user)?)?)
}

/// Removes the user with everything below their key, and their picture: so the next request with one of their logins
/// fails. What has entries elsewhere, such as memberships and personal access tokens, and the data of the own tenant
/// stay: [`deletion`](crate::deletion) removes them.
pub async fn remove(txn: &Txn, user: &User) -> Result<()> {
    profile::store::remove(txn, user.id).await?;
    txn.clear(&keys::by_email(&user.email))?;
    txn.clear(&keys::user(user.id))?;
    Ok(txn.clear_range(&Range::below(&keys::user(user.id)))?)
}
