//! Readiness: whether the store can be read and written.

use std::time::Duration;

use tokio::time::timeout;

use crate::dump::progress;
use crate::env::Env;
use crate::error::Result;
use crate::keys;

/// The time that the store has to respond.
const DEADLINE: Duration = Duration::from_secs(2);

/// Reads one key, so that the process is connected to the store before its first request. Fails if the store contains
/// an import that has not finished. Writes nothing, because many processes may start at the same time.
pub async fn connect(env: &Env) -> Result<()> {
    env.db
        .with_deadline(DEADLINE)
        .run(|txn| async move {
            progress::require_none(&txn).await?;
            Ok(())
        })
        .await
}

/// Reads and writes one key. Fails if the store does not respond within two seconds, is nearly full, or contains an
/// import that has not finished.
///
/// At most one check per second and process reaches the store: requests during a check wait for its outcome, and
/// requests within a second after it share it.
pub async fn check(env: &Env) -> Result<()> {
    let check = env.readiness.share(&*env.clock, read_and_write(env));
    // A check ends at its own deadline. This one is for a request that waits for checks of others.
    if let Ok(outcome) = timeout(2 * DEADLINE, check).await {
        return Ok(outcome?);
    }
    let cause = kv::Cause::Deadline {
        deadline: 2 * DEADLINE,
        attempts: 0,
    };
    Err(kv::Error::Unavailable { cause }.into())
}

/// Processes that check at the same time do not conflict: none of them reads what the others write.
async fn read_and_write(env: &Env) -> Result<(), kv::Error> {
    env.db
        .with_deadline(DEADLINE)
        .run(|txn| async move {
            progress::require_none(&txn).await?;
            txn.require_room();
            txn.set(&keys::ready(), [])
        })
        .await
}
