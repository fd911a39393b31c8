//! The rules for invitations to organisations.

use super::super::place::digest_of;
use super::{Check, scope};
use crate::error::Result;
use crate::id::InvitationId;
use crate::idempotency;
use crate::invitations::ops::Invited;
use crate::invitations::{Invitation, InvitationTarget, keys};
use crate::tenants;
use crate::time::Timestamp;

impl Check<'_> {
    /// A pending invitation.
    pub(super) async fn invitation(&mut self, id: InvitationId) -> Result<()> {
        let (Some(invitation), Some(tenant)) = (self.decode::<Invitation>(), self.tenant()) else {
            return Ok(());
        };
        self.expect(invitation.id == id, "it is another invitation's record");
        let target = self.find::<InvitationTarget>(&keys::target(&invitation.digest)).await?;
        let has_target = match target {
            Some(Ok(target)) => target == InvitationTarget::of(tenant, &invitation),
            Some(Err(_)) => true,
            None => self.is_invitation_in_removal(invitation.expires_at),
        };
        self.expect(has_target, "its token leads elsewhere, or nowhere, or was used");
        self.listed(invitation.expires_at.as_millis()).await.map(drop)
    }

    /// The target of an invitation's token. After the acceptance nothing else is left of the invitation.
    pub(super) async fn invitation_target(&mut self) -> Result<()> {
        let Some(target) = self.decode::<InvitationTarget>() else {
            return Ok(());
        };
        if target.accepted_by.is_none() {
            let scope = scope(target.tenant);
            let invitation = self
                .find::<Invitation>(&keys::invitation(scope, target.invitation))
                .await?;
            let is_right = match invitation {
                Some(Ok(invitation)) => Some(*invitation.digest.as_bytes()) == digest_of(&self.entry.key),
                Some(Err(_)) => true,
                None => {
                    // The removal of an organisation leaves the target of an invitation that cannot be decoded.
                    self.is_invitation_in_removal(target.expires_at)
                        || !self.exists(&tenants::keys::tenant(scope)).await?
                }
            };
            self.expect(is_right, "its invitation does not exist, or has another token");
        }
        self.listed(target.expires_at.as_millis()).await.map(drop)
    }

    /// Whether the sweep may have removed one of an invitation's two records and not yet the other, which is in another
    /// shard of the expiry index.
    fn is_invitation_in_removal(&self, expires_at: Timestamp) -> bool {
        expires_at <= self.now
    }

    pub(super) async fn invitation_creation(&mut self) -> Result<()> {
        let created = idempotency::decode::<Invited>(&self.entry.value);
        match self.ok(created) {
            Some((expires_at, _)) => self.counted_key(expires_at).await,
            None => Ok(()),
        }
    }
}
