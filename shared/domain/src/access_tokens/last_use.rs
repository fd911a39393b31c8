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

#[cfg(test)]
mod tests {
    use kv::{Engine, Key, Settings};
    use tempfile::TempDir;
    use uuid::Uuid;

    use super::*;
    use crate::access_tokens::{DEFAULT_LIFETIME, Scope, Scopes, TokenText};
    use crate::id::{Id as _, TenantId};
    use crate::record::NewerMembers;
    use crate::rng::SystemRng;
    use crate::text::Name;

    /// A store with one token, which was never used.
    async fn store_with_token() -> (TempDir, Db, AccessToken) {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(Settings::new(Engine::Lmdb(folder.path().into()))).unwrap();
        let user = UserId::from_uuid(Uuid::from_u128(7));
        let digest = TokenText::draw(&SystemRng, user, TenantId::own(user)).digest();
        let created_at = Timestamp::from_seconds(1_000_000);
        let token = AccessToken {
            id: AccessTokenId::of_digest(digest.as_bytes()),
            user,
            tenant: TenantId::own(user),
            name: Name::parse("CI").unwrap(),
            scopes: Scopes::new([Scope::ReadSessions]).unwrap(),
            created_at,
            expires_at: created_at.plus(DEFAULT_LIFETIME),
            last_used_at: None,
            digest,
            newer: NewerMembers::default(),
        };
        let new = &token;
        db.run(|txn| async move { store::add(&txn, new) }).await.unwrap();
        (folder, db, token)
    }

    /// The time of the last use in the store.
    async fn stored(db: &Db, token: &AccessToken) -> Option<Timestamp> {
        let found = db.run(|txn| async move { store::find(&txn, token.user, token.id).await });
        found.await.unwrap().unwrap().last_used_at
    }

    #[tokio::test]
    async fn writing_the_last_use_conflicts_with_no_request_that_has_read_it() {
        let (_folder, db, token) = store_with_token().await;
        let (db, token) = (&db, &token);
        let before = db.usage().conflicts;
        let request = db.run(|txn| async move {
            store::rights_and_last_use(&txn, &token.digest, token.user, token.id).await?;
            record(db, token.user, token.id, token.created_at).await?;
            Ok::<_, Error>(txn.set(&Key::of(&("written",)), b"")?)
        });
        request.await.unwrap();
        assert_eq!(stored(db, token).await, Some(token.created_at));
        assert_eq!(db.usage().conflicts - before, 0);
    }

    #[tokio::test]
    async fn a_use_of_the_same_hour_is_not_written_again() {
        let (_folder, db, token) = store_with_token().await;
        let later = token.created_at.plus(Duration::from_mins(59));
        for at in [token.created_at, later] {
            record(&db, token.user, token.id, at).await.unwrap();
        }
        assert_eq!(stored(&db, &token).await, Some(token.created_at));
    }
}
