//! The rules for organisations, their members and their owners, and for what remains of deleted ones.

use kv::{Order, Query, Range};

use super::{Check, scope};
use crate::deletion::organisation::OrganizationRemoval;
use crate::error::Result;
use crate::id::{TenantId, UserId};
use crate::idempotency;
use crate::organisations::keys;
use crate::organisations::ops::Created;
use crate::record;
use crate::role::Role;
use crate::tenants::{self, Kind, Membership, Tenant};
use crate::usage::{self, Quota};

impl Check<'_> {
    pub(super) async fn tenant_record(&mut self, id: TenantId) -> Result<()> {
        let Some(tenant) = self.decode::<Tenant>() else {
            return Ok(());
        };
        self.expect(tenant.id == id, "it is another tenant's record");
        if tenant.kind == Kind::Organization {
            let first = Query {
                limit: 1,
                ..all(Range::below(&keys::owners(scope(id))))
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
        Ok(())
    }

    /// The user's own tenant counts the organisations that the user owns.
    pub(super) async fn owned_organizations(&mut self, user: UserId) -> Result<()> {
        let own = TenantId::own(user);
        let mut owned = 0;
        for entry in self
            .txn
            .range(&all(Range::below(&tenants::keys::memberships(user))))
            .await?
            .entries
        {
            let Ok(membership) = record::decode::<Membership>(&entry.value) else {
                // It has a finding of its own.
                return Ok(());
            };
            let tenant = self
                .find::<Tenant>(&tenants::keys::tenant(scope(membership.tenant)))
                .await?;
            let is_shared = matches!(tenant, Some(Ok(tenant)) if tenant.kind == Kind::Organization);
            owned += i64::from(is_shared && membership.role == Role::Owner);
        }
        let key = usage::keys::counter(scope(own), Quota::Organizations);
        let counted = kv::counter(self.txn.get(&key).await?.as_deref());
        self.expect(
            counted == owned,
            "its tenant counts another number of organisations than it owns",
        );
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

fn all(range: Range) -> Query {
    Query {
        range,
        order: Order::Ascending,
        limit: usize::MAX,
    }
}
