//! Storage of profiles on a given transaction.

use kv::{Order, Query, Txn};

use crate::error::Result;
use crate::id::UserId;
use crate::record;
use crate::users::profile::{Avatar, AvatarDigest, Profile, keys};

/// The user's profile: the default if they have set nothing.
pub async fn find(txn: &Txn, user: UserId) -> Result<Profile> {
    let stored = txn.get(&keys::profile(user)).await?;
    stored.map_or_else(|| Ok(Profile::default()), |value| record::decode(&value))
}

/// Writes the user's profile over the stored one.
pub fn put(txn: &Txn, user: UserId, profile: &Profile) -> Result<()> {
    let key = keys::profile(user);
    if *profile == Profile::default() {
        return Ok(txn.clear(&key)?);
    }
    Ok(txn.set(&key, record::encode(profile)?)?)
}

/// Removes everything that a user's profile consists of: also the picture, which has a key outside the user's own.
pub async fn remove(txn: &Txn, user: UserId) -> Result<()> {
    if let Some(digest) = find(txn, user).await?.avatar {
        remove_avatar(txn, user, &digest)?;
    }
    Ok(txn.clear(&keys::profile(user))?)
}

/// The picture with this digest as JPEG, if any user has it.
pub async fn find_avatar(txn: &Txn, digest: &AvatarDigest) -> Result<Option<Vec<u8>>> {
    let first = Query {
        range: keys::copies(digest),
        order: Order::Ascending,
        limit: 1,
    };
    let mut found = txn.range(&first).await?.entries;
    Ok(found.pop().map(|entry| entry.value))
}

/// Writes the user's copy of a picture.
pub(super) fn put_avatar(txn: &Txn, user: UserId, avatar: &Avatar) -> Result<()> {
    Ok(txn.set(&keys::avatar(&avatar.digest, user), &avatar.jpeg)?)
}

/// Removes the user's copy of a picture.
pub(super) fn remove_avatar(txn: &Txn, user: UserId, digest: &AvatarDigest) -> Result<()> {
    Ok(txn.clear(&keys::avatar(digest, user))?)
}
