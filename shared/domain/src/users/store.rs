//! Users on a caller's transaction.

use kv::{Range, Txn};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::id::{Id as _, UserId};
use crate::record;
use crate::users::{Email, User, keys};

/// The user with this id.
pub async fn find(txn: &Txn, id: UserId) -> Result<Option<User>> {
    txn.get(&keys::user(id))
        .await?
        .as_deref()
        .map(record::decode)
        .transpose()
}

/// The id of the account that holds `email`.
pub async fn find_id_by_email(txn: &Txn, email: &Email) -> Result<Option<UserId>> {
    let Some(bytes) = txn.get(&keys::by_email(email)).await? else {
        return Ok(None);
    };
    let id = UserId::from_slice(&bytes).ok_or_else(|| Error::Corrupt {
        kind: "email index",
        why: "its value is not 16 bytes".into(),
    })?;
    Ok(Some(id))
}

/// An id that no user has, the same one for the same email: to be looked up where an email has no account, and as much is read as if it had.
pub fn nobody(email: &Email) -> UserId {
    UserId::from_uuid(Uuid::new_v5(&Uuid::nil(), email.as_str().as_bytes()))
}

/// Adds `user`, or fails with [`Error::EmailTaken`] if the `holder` of its email, as [`find_id_by_email`] found it, is another account.
///
/// Safe to replay: after a commit whose outcome was unknown the index already names `user.id`.
pub fn insert(txn: &Txn, user: &User, holder: Option<UserId>) -> Result<()> {
    match holder {
        Some(holder) if holder != user.id => return Err(Error::EmailTaken),
        _ => {}
    }
    txn.set(&keys::by_email(&user.email), user.id.as_bytes())?;
    put(txn, user)
}

/// Writes `user` over what was there.
pub fn put(txn: &Txn, user: &User) -> Result<()> {
    Ok(txn.set(&keys::user(user.id), record::encode(user)?)?)
}

/// Removes the account with its logins and its places in tenants, so that its tokens are worth nothing from the next request on. What its own tenant has
/// stays, and nobody can get to it any more.
pub fn remove(txn: &Txn, user: &User) -> Result<()> {
    txn.clear(&keys::by_email(&user.email))?;
    txn.clear(&keys::user(user.id))?;
    Ok(txn.clear_range(&Range::below(&keys::user(user.id)))?)
}
