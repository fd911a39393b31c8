//! The rules for organisations, their members and their owners, and for what remains of deleted ones.

use kv::{Order, Query, Range};

use super::{Check, scope};
use crate::deletion::organisation::OrganizationRemoval;
use crate::error::Result;
use crate::id::{TenantId, UserId};
use crate::idempotency;
use crate::organisations::keys;
use crate::organisations::ops::Created;
use crate::role::Role;
use crate::tenants::{self, Kind, Membership, Tenant};

impl Check<'_> {
    pub(super) async fn tenant_record(&mut self, id: TenantId) -> Result<()> {
        let Some(tenant) = self.decode::<Tenant>() else {
            return Ok(());
        };
        self.expect(tenant.id == id, "it is another tenant's record");
        if tenant.kind == Kind::Organization {
            let first = Query {
                range: Range::below(&keys::owners(scope(id))),
                order: Order::Ascending,
                limit: 1,
            };
            let has_owner = !self.txn.range(&first).await?.entries.is_empty();
            self.expect(has_owner, "the organisation has no owner");
        }
        Ok(())
    }

    /// The indexes list the membership of an organisation, which counts for an owner.
    pub(super) async fn organization_membership(&mut self, membership: &Membership) -> Result<()> {
        let (scope, user) = (scope(membership.tenant), membership.user);
        let is_listed = self.exists(&keys::member(scope, user)).await?;
        self.expect(is_listed, "the index of its organisation's members does not list it");
        let is_owner = membership.role == Role::Owner;
        let is_listed = self.exists(&keys::owner(scope, user)).await?;
        self.expect(
            is_listed == is_owner,
            "the index of its organisation's owners differs from its role",
        );
        if is_owner {
            self.checked.share.owner = Some(TenantId::own(user));
            self.checked.share.organizations = 1;
        }
        Ok(())
    }

    /// An entry in the index of an organisation's members.
    pub(super) async fn member(&mut self, user: UserId) -> Result<()> {
        let Some(tenant) = self.tenant() else { return Ok(()) };
        let is_member = self.exists(&tenants::keys::membership(user, tenant)).await?;
        self.expect(is_member, "the user is no member of the organisation");
        self.checked.share.members = 1;
        Ok(())
    }

    /// An entry in the index of an organisation's owners.
    pub(super) async fn listed_owner(&mut self, user: UserId) -> Result<()> {
        let Some(tenant) = self.tenant() else { return Ok(()) };
        let membership = self
            .find::<Membership>(&tenants::keys::membership(user, tenant))
            .await?;
        let is_owner = membership.is_some_and(|member| member.map_or(true, |member| member.role == Role::Owner));
        self.expect(is_owner, "the user does not own the organisation");
        Ok(())
    }

    pub(super) async fn organization_creation(&mut self) -> Result<()> {
        let created = idempotency::decode::<Created>(&self.entry.value);
        match self.ok(created) {
            Some((expires_at, _)) => self.counted_key(expires_at).await,
            None => Ok(()),
        }
    }

    pub(super) async fn organization_removal(&mut self, tenant: TenantId) -> Result<()> {
        let removal = self.decode::<OrganizationRemoval>();
        let is_right = removal.is_none_or(|removal| removal.tenant == tenant);
        self.expect(is_right, "it is the removal of another organisation's data");
        let has_tenant = self.exists(&tenants::keys::tenant(scope(tenant))).await?;
        self.expect(!has_tenant, "its organisation exists");
        Ok(())
    }
}
