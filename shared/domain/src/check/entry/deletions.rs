//! The rules for scheduled deletions, and for what remains of deleted accounts.

use super::Check;
use crate::deletion::{DeletedAccount, Deletion, Removal, keys};
use crate::error::Result;
use crate::id::UserId;
use crate::users;

impl Check<'_> {
    pub(super) async fn deletion(&mut self, user: UserId) -> Result<()> {
        let Some(deletion) = self.decode::<Deletion>() else {
            return Ok(());
        };
        self.expect(deletion.user == user, "it is another user's deletion");
        let has_user = self.exists(&users::keys::user(user)).await?;
        self.expect(has_user, "its user does not exist");
        let is_listed = self.exists(&keys::scheduled(user, deletion.due_at)).await?;
        self.expect(is_listed, "`deletions / scheduled` does not list it at its time");
        Ok(())
    }

    /// An entry of the index of scheduled deletions.
    pub(super) async fn scheduled_deletion(&mut self, millis: i64, user: UserId) -> Result<()> {
        let deletion = self.find::<Deletion>(&keys::deletion(user)).await?;
        let is_at = |deletion: Deletion| deletion.due_at.as_millis() == millis;
        let is_scheduled = deletion.is_some_and(|deletion| deletion.map_or(true, is_at));
        self.expect(is_scheduled, "no deletion of this user is scheduled for this time");
        Ok(())
    }

    pub(super) async fn removal(&mut self, user: UserId) -> Result<()> {
        let removal = self.decode::<Removal>();
        let is_right = removal.is_none_or(|removal| removal.user == user);
        self.expect(is_right, "it is the removal of another user's data");
        self.no_user(user).await
    }

    pub(super) async fn deleted_account(&mut self, user: UserId) -> Result<()> {
        let Some(account) = self.decode::<DeletedAccount>() else {
            return Ok(());
        };
        self.expect(account.user == user, "it is another user's record");
        self.no_user(user).await?;
        self.listed(account.expires_at.as_millis()).await.map(drop)
    }

    async fn no_user(&mut self, user: UserId) -> Result<()> {
        let has_user = self.exists(&users::keys::user(user)).await?;
        self.expect(!has_user, "its user exists");
        Ok(())
    }
}
