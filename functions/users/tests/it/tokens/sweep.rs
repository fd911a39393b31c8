//! Tokens while the sweep removes them.

use std::time::Duration;

use domain::access_tokens::{EXPIRED_KEPT, PresentedToken, Scope, keys};
use domain::{Timestamp, check, expiry};
use kv::Key;
use testkit::TestApp;

use super::DAY;
use crate::start;

const MILLISECOND: Duration = Duration::from_millis(1);

/// Removes an expired key as the sweep does: alone, with its entry in the expiry index.
async fn remove_expired(app: &TestApp, key: &Key, expiry: Timestamp) {
    let entry = |shard: u8| Key::of(&("expiry", i64::from(shard), expiry.as_millis(), key.as_bytes()));
    let removal = app.env.db.run(|txn| async move {
        (0..expiry::SHARDS).try_for_each(|shard| txn.clear(&entry(shard)))?;
        txn.clear(key)
    });
    removal.await.unwrap();
}

async fn problems(app: &TestApp) -> Vec<String> {
    let summary = check::check(&app.env, 10, |_| ()).await.unwrap();
    summary.findings.into_iter().map(|finding| finding.problem).collect()
}

#[tokio::test]
async fn a_check_expects_both_records_of_a_token_until_their_expiry() {
    for removes_rights in [true, false] {
        let app = start();
        let alice = app.register("alice@example.com").await;
        let expiry = app.env.clock.now().plus(DAY + EXPIRED_KEPT);
        let (_, token) = app.access_token(&alice, [Scope::ReadSessions], DAY).await;
        let token = PresentedToken::parse(&token).unwrap();
        let (key, problem) = if removes_rights {
            (keys::rights(&token.digest()), "its rights are missing, or others")
        } else {
            (keys::token(token.user(), token.id()), "its user has no such token")
        };
        app.clock.advance((DAY + EXPIRED_KEPT).saturating_sub(MILLISECOND));
        assert_eq!(problems(&app).await, [""; 0]);
        remove_expired(&app, &key, expiry).await;
        assert_eq!(problems(&app).await, [problem]);
        app.clock.advance(MILLISECOND);
        assert_eq!(problems(&app).await, [""; 0]);
    }
}
