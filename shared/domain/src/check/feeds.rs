//! The rules for feeds of changes of files.

use kv::{Query, Range, counter};

use super::entry::{Check, scope};
use crate::error::Result;
use crate::files::changes::{Change, Feed};
use crate::files::keys;
use crate::id::{SessionId, TenantId};
use crate::scope::TenantScope;
use crate::sessions::{self, Session};

impl Check<'_> {
    /// A change, or the end of those that were removed.
    pub(super) async fn change(&mut self, scope: TenantScope, session: SessionId) -> Result<()> {
        if !self.entry.value.is_empty() {
            self.checked.share.uncounted_changes = 1;
            self.decode::<Change>();
            return Ok(());
        }
        let before = Range::below(&keys::changes(scope, session)).before(&self.entry.key);
        let query = Query {
            limit: 1,
            ..super::ascending(before)
        };
        let is_first = self.txn.range(&query).await?.entries.is_empty();
        self.expect(is_first, "changes before the end of those that were removed are left");
        Ok(())
    }

    /// What the janitor knows of a feed.
    pub(super) async fn feed(&mut self, scope: TenantScope, session: SessionId) -> Result<()> {
        let Some(feed) = self.decode::<Feed>() else {
            return Ok(());
        };
        self.checked.share.uncounted_changes = -i64::try_from(feed.count).unwrap_or(i64::MAX);
        self.expect(
            feed.due.is_some() == (feed.count > 0),
            "it is to be listed exactly if it has changes",
        );
        if let Some(due) = feed.due {
            let is_listed = self.exists(&keys::listed_feed(scope, session, due)).await?;
            self.expect(is_listed, "the index of feeds does not list it for its time");
        }
        Ok(())
    }

    /// An entry of the index of feeds.
    pub(super) async fn listed_feed(&mut self, millis: i64, tenant: TenantId, session: SessionId) -> Result<()> {
        let scope = scope(tenant);
        let grown = keys::grown_feed(scope, session);
        let is_at_its_place = match millis {
            0 => grown == self.entry.key,
            _ => keys::listed_feed(scope, session, crate::time::Timestamp::from_millis(millis)) == self.entry.key,
        };
        self.expect(is_at_its_place, "it is in another shard than its session's");
        let found = self.find::<Session>(&sessions::keys::session(scope, session)).await?;
        // The sweep removes the entry of a session that is gone.
        let Some(Ok(_)) = found else { return Ok(()) };
        if millis == 0 {
            self.checked.share.owner = Some(tenant);
            self.checked.share.uncounted_changes = -counter(Some(&self.entry.value));
            return Ok(());
        }
        let feed = self.find::<Feed>(&keys::feed(scope, session)).await?;
        let is_right =
            feed.is_some_and(|feed| feed.map_or(true, |feed| feed.due.is_some_and(|due| due.as_millis() == millis)));
        self.expect(is_right, "its feed is to be listed for another time, or does not exist");
        Ok(())
    }
}
