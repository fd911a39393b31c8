//! Invitations by email to organisations.
//!
//! An invitation is *pending* from its creation until it is accepted, revoked or replaced, or has expired. An
//! organisation has at most one pending invitation for each address: a newer one replaces it.
//!
//! Two records are written together. The organisation's list has the [`Invitation`] as long as it is pending. The
//! [`InvitationTarget`] is at the digest of the token, which only the email contains; after an acceptance it stays
//! until the invitation would have expired, so that a repeated acceptance by the same user succeeds.
//!
//! **What an invitation grants depends on its inviter.** If they are no member any more, are suspended, or could not
//! give the role today, its token is not valid.
//!
//! **Emails to strangers.** An invitation is the only email whose recipient may have no account and whose text another
//! user influences. So only a user with a verified email can invite; invitations are limited for each organisation,
//! each inviter and each address ([`throttle`](crate::throttle)); and the email has no text of the inviter's but
//! the organisation's name.

pub mod acceptance;
pub mod keys;
pub mod ops;
pub mod store;
mod token;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::token::{InvitationToken, TokenDigest};
use crate::id::{InvitationId, TenantId, UserId};
use crate::record::{NewerMembers, Record, keeps_newer_members};
use crate::role::Role;
use crate::time::Timestamp;
use crate::users::Email;

/// The maximum number of an organisation's pending invitations.
pub const MAX_PENDING: usize = 100;

/// How long an invitation can be accepted.
pub const LIFETIME: Duration = Duration::from_hours(7 * 24);

/// A pending invitation, in the list of its organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Invitation {
    /// The id.
    pub id: InvitationId,
    /// The address to which it was sent. Only an account with this address can accept it.
    pub email: Email,
    /// The role that it grants.
    pub role: Role,
    /// The member who invites.
    pub invited_by: UserId,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// The digest of its token.
    pub digest: TokenDigest,
}

impl Record for Invitation {
    const KIND: &'static str = "invitation";
}

impl Invitation {
    /// Whether it has not expired.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

/// Which invitation the token with a digest is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InvitationTarget {
    /// The organisation.
    pub tenant: TenantId,
    /// The invitation.
    pub invitation: InvitationId,
    /// When it expires.
    pub expires_at: Timestamp,
    /// The user who has accepted it; `None` while it is pending.
    pub accepted_by: Option<UserId>,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub newer: NewerMembers,
}

impl Record for InvitationTarget {
    const KIND: &'static str = "invitation target";

    keeps_newer_members!();
}

impl InvitationTarget {
    /// The target of a new invitation's token.
    pub(crate) fn of(tenant: TenantId, invitation: &Invitation) -> Self {
        Self {
            tenant,
            invitation: invitation.id,
            expires_at: invitation.expires_at,
            accepted_by: None,
            newer: NewerMembers::default(),
        }
    }

    /// Whether the invitation has not expired.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}
