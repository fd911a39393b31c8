//! Whether the store answers.

use std::time::Duration;

use kv::Key;

use crate::env::Env;
use crate::error::Result;

/// How long the store may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// Reads one key; fails if the store does not answer within two seconds.
pub async fn check(env: &Env) -> Result<()> {
    env.db
        .with_deadline(DEADLINE)
        .run(|txn| async move {
            txn.get(&Key::of(&("ready",))).await?;
            Ok(())
        })
        .await
}
