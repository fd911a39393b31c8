//! Readiness: whether the store can be read and written.

use std::time::Duration;

use tokio::time::timeout;

use crate::dump::progress;
use crate::env::Env;
use crate::error::Result;
use crate::keys;

/// The time that the store has to respond.
const DEADLINE: Duration = Duration::from_secs(2);

/// Reads one key: at the start, so that the process is connected to the store before its first request, and before each
/// request that [has to wait for this](crate::readiness::Readiness::must_check). Fails if the store contains an import
/// that has not finished. Writes nothing, because many processes may start at the same time.
///
/// Calls share an outcome like those of [`check`].
pub async fn require_usable(env: &Env) -> Result<()> {
    let check = async {
        let is_unfinished = env
            .db
            .with_deadline(DEADLINE)
            .run(|txn| async move { progress::exists(&txn).await })
            .await?;
        note(env, is_unfinished)
    };
    Ok(env.readiness.usable().share(&*env.clock, check).await?)
}

/// Remembers whether a check has found an unfinished import, and fails if so.
fn note(env: &Env, is_unfinished: bool) -> Result<(), kv::Error> {
    env.readiness.set_unfinished_import(is_unfinished);
    if is_unfinished {
        return Err(progress::unfinished());
    }
    Ok(())
}

/// Reads and writes one key. Fails if the store does not respond within two seconds, is nearly full, or contains an
/// import that has not finished.
///
/// At most one check per second and process reaches the store: requests during a check wait for its outcome, and
/// requests within a second after it share it.
pub async fn check(env: &Env) -> Result<()> {
    let check = env.readiness.ready().share(&*env.clock, read_and_write(env));
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
    let is_unfinished = env
        .db
        .with_deadline(DEADLINE)
        .run(|txn| async move {
            let is_unfinished = progress::exists(&txn).await?;
            if !is_unfinished {
                txn.require_room();
                txn.set(&keys::ready(), [])?;
            }
            Ok::<_, kv::Error>(is_unfinished)
        })
        .await?;
    note(env, is_unfinished)
}
