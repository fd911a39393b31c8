//! Readiness: whether the store can be read and written.

use std::time::Duration;

use crate::env::Env;
use crate::error::Result;
use crate::keys;

/// The time that the store has to respond.
const DEADLINE: Duration = Duration::from_secs(2);

/// Reads and writes one key. Fails if the store does not respond within two seconds, or is nearly full.
///
/// Concurrent checks do not conflict: none of them depends on the value.
pub async fn check(env: &Env) -> Result<()> {
    env.db
        .with_deadline(DEADLINE)
        .run(|txn| async move {
            txn.peek(&keys::ready()).await?;
            txn.require_room();
            Ok(txn.set(&keys::ready(), [])?)
        })
        .await
}
