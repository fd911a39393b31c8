//! Readiness: whether the store responds.

use std::time::Duration;

use crate::env::Env;
use crate::error::Result;
use crate::keys;

/// The time that the store has to respond.
const DEADLINE: Duration = Duration::from_secs(2);

/// Reads one key; fails if the store does not respond within two seconds.
pub async fn check(env: &Env) -> Result<()> {
    env.db
        .with_deadline(DEADLINE)
        .run(|txn| async move {
            txn.get(&keys::ready()).await?;
            Ok(())
        })
        .await
}
