//! The rules for memberships.

use super::{Check, scope};
use crate::error::Result;
use crate::id::{TenantId, UserId};
use crate::tenants::{self, Kind, Membership, Tenant};
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
        let in_tenant = self.find::<Tenant>(&tenants::keys::tenant(scope(tenant))).await?;
        self.expect(in_tenant.is_some(), "its tenant does not exist");
        if let Some(Ok(tenant)) = in_tenant
            && tenant.kind == Kind::Organization
        {
            self.organization_membership(&membership).await?;
        }
        if let Some(Ok(user)) = stored {
            let agrees = user.email_verified_at == membership.email_verified_at;
            self.expect(agrees, "its user's email was verified at another time");
        }
        Ok(())
    }
}
