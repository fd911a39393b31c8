//! When a token was last used.
//!
//! A request only peeks at it, so that it conflicts with no other request. A request that finds it an hour old writes
//! it afterwards, in a transaction of its own.

use std::time::Duration;

use kv::Db;

use crate::access_tokens::{AccessToken, LastUse, store};
use crate::error::{Error, Result};
use crate::id::{AccessTokenId, UserId};
use crate::time::Timestamp;

/// How long the response to a request may wait for this.
const DEADLINE: Duration = Duration::from_secs(2);

/// Writes that the token was used, unless it was revoked, or another request has written a use of the same hour.
pub(crate) async fn record(db: &Db, user: UserId, id: AccessTokenId, at: Timestamp) -> Result<()> {
    db.with_deadline(DEADLINE)
        .run(|txn| async move {
            let Some(token) = store::find(&txn, user, id).await? else {
                return Ok(());
            };
            if LastUse::from(token.clone()).is_due(at) {
                let renewed = AccessToken {
                    last_used_at: Some(at),
                    ..token
                };
                store::put(&txn, &renewed)?;
            }
            Ok::<_, Error>(())
        })
        .await
}
