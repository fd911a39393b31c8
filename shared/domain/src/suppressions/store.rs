//! Storage of suppressions on a given transaction.

use kv::Txn;

use crate::error::Result;
use crate::record;
use crate::suppressions::{Suppression, keys};
use crate::users::Email;

/// Why nothing is sent to this address; `None` if it is not suppressed.
pub async fn find(txn: &Txn, email: &Email) -> Result<Option<Suppression>> {
    let bytes = txn.get(&keys::suppression(email)).await?;
    bytes.as_deref().map(record::decode).transpose()
}

/// Suppresses the address, unless it is suppressed already. Returns the older suppression, which then stays.
pub(crate) async fn add(txn: &Txn, email: &Email, suppression: &Suppression) -> Result<Option<Suppression>> {
    let older = find(txn, email).await?;
    if older.is_none() {
        txn.set(&keys::suppression(email), record::encode(suppression)?)?;
    }
    Ok(older)
}

/// Ends the suppression of the address.
pub(crate) fn remove(txn: &Txn, email: &Email) -> Result<()> {
    Ok(txn.clear(&keys::suppression(email))?)
}
