//! The rules for memberships.

use super::{Check, scope};
use crate::error::Result;
use crate::id::{TenantId, UserId};
use crate::tenants::{self, Membership};
use crate::users::{self, User};

impl Check<'_> {
    pub(super) async fn membership(&mut self, user: UserId, tenant: TenantId) -> Result<()> {
        let Some(membership) = self.decode::<Membership>() else {
            return Ok(());
        };
        let is_right = membership.user == user && membership.tenant == tenant;
        self.expect(is_right, "it is another membership's record");
        let stored = self.find::<User>(&users::keys::user(user)).await?;
        self.expect(stored.is_some(), "its user does not exist");
        let has_tenant = self.exists(&tenants::keys::tenant(scope(tenant))).await?;
        self.expect(has_tenant, "its tenant does not exist");
        if let Some(Ok(user)) = stored {
            let agrees = user.email_verified_at == membership.email_verified_at;
            self.expect(agrees, "its user's email was verified at another time");
        }
        Ok(())
    }

    /// An entry in the index of an organisation's members.
    pub(super) async fn member(&mut self, user: UserId) -> Result<()> {
        let Some(tenant) = self.tenant() else { return Ok(()) };
        let is_member = self.exists(&tenants::keys::membership(user, tenant)).await?;
        self.expect(is_member, "the user is no member of the organisation");
        Ok(())
    }
}
