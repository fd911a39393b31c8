//! Storage of profiles on a given transaction.

use kv::Txn;

use crate::error::Result;
use crate::id::UserId;
use crate::record;
use crate::users::profile::{Profile, keys};

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
