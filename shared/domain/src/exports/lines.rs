//! The lines of an export: one for each record, without secrets. Those of events are [bodies of the
//! API](crate::audit::EventLine).
//!
//! Each line is made from all members of its record, so that a new member does not compile until it is either in the
//! line or left out on purpose.

use serde::Serialize;

use crate::access_tokens::{AccessToken, Scopes};
use crate::client::{Address, UserAgent};
use crate::deletion::Deletion;
use crate::id::{AccessTokenId, LoginId, SessionId, TenantId, UserId};
use crate::logins::Login;
use crate::mail_tokens::{Purpose, StoredToken};
use crate::role::Role;
use crate::sessions::{Session, WorkspacePath};
use crate::suppressions::Suppression;
use crate::tenants::{Kind, Membership};
use crate::text::Name;
use crate::time::Timestamp;
use crate::usage::{OwnLimits, Usage};
use crate::users::Email;
use crate::users::profile::{AvatarDigest, Preferences};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ManifestLine {
    pub(super) format: u32,
    pub(super) user_id: UserId,
    pub(super) tenant_id: TenantId,
    pub(super) taken_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountLine<'a> {
    pub(super) id: UserId,
    pub(super) email: &'a Email,
    pub(super) email_verified_at: Option<Timestamp>,
    pub(super) past_emails: Vec<&'a Email>,
    pub(super) email_suppression: Option<&'a Suppression>,
    pub(super) first_name: Option<&'a Name>,
    pub(super) last_name: Option<&'a Name>,
    pub(super) preferences: &'a Preferences,
    pub(super) avatar: Option<AvatarDigest>,
    pub(super) deletion: Option<DeletionLine<'a>>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeletionLine<'a> {
    pub(super) requested_at: Timestamp,
    pub(super) deletes_at: Timestamp,
    pub(super) operator: Option<&'a Name>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MembershipLine<'a> {
    pub(super) tenant_id: TenantId,
    pub(super) role: Role,
    pub(super) company: Option<&'a Name>,
    pub(super) joined_at: Timestamp,
    pub(super) suspended_at: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TenantLine<'a> {
    pub(super) id: TenantId,
    pub(super) name: &'a str,
    pub(super) r#type: Kind,
    pub(super) own_limits: &'a OwnLimits,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageLine {
    pub(super) name: &'static str,
    pub(super) used: u64,
    pub(super) limit: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoginLine<'a> {
    pub(super) id: LoginId,
    pub(super) tenant_id: TenantId,
    pub(super) created_at: Timestamp,
    pub(super) password_at: Timestamp,
    pub(super) last_used_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) ip: Option<Address>,
    pub(super) user_agent: Option<&'a UserAgent>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccessTokenLine<'a> {
    pub(super) id: AccessTokenId,
    pub(super) tenant_id: TenantId,
    pub(super) name: &'a Name,
    pub(super) scopes: &'a Scopes,
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) last_used_at: Option<Timestamp>,
}

/// A token in an email that the user has requested.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MailTokenLine<'a> {
    pub(super) purpose: Purpose,
    pub(super) email: &'a Email,
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionLine<'a> {
    pub(super) id: SessionId,
    pub(super) tenant_id: TenantId,
    pub(super) owner_id: UserId,
    pub(super) name: &'a Name,
    pub(super) workspace_path: &'a WorkspacePath,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) version: u64,
}

impl<'a> From<&'a Deletion> for DeletionLine<'a> {
    fn from(deletion: &'a Deletion) -> Self {
        let Deletion {
            user: _,
            requested_at,
            due_at,
            operator,
            newer: _,
        } = deletion;
        Self {
            requested_at: *requested_at,
            deletes_at: *due_at,
            operator: operator.as_ref(),
        }
    }
}

impl<'a> From<&'a Membership> for MembershipLine<'a> {
    fn from(membership: &'a Membership) -> Self {
        let Membership {
            user: _,
            tenant,
            role,
            company,
            joined_at,
            suspended_at,
            // A copy of the account's.
            email_verified_at: _,
            newer: _,
        } = membership;
        Self {
            tenant_id: *tenant,
            role: *role,
            company: company.as_ref(),
            joined_at: *joined_at,
            suspended_at: *suspended_at,
        }
    }
}

impl From<Usage> for UsageLine {
    fn from(usage: Usage) -> Self {
        let Usage { quota, used, limit } = usage;
        Self {
            name: quota.as_str(),
            used,
            limit,
        }
    }
}

/// Without the refresh tokens.
impl<'a> From<&'a Login> for LoginLine<'a> {
    fn from(login: &'a Login) -> Self {
        let Login {
            id,
            user: _,
            tenant,
            created_at,
            password_at,
            used_at,
            expires_at,
            address,
            user_agent,
            refresh: _,
            newer: _,
        } = login;
        Self {
            id: *id,
            tenant_id: *tenant,
            created_at: *created_at,
            password_at: *password_at,
            last_used_at: *used_at,
            expires_at: *expires_at,
            ip: *address,
            user_agent: user_agent.as_ref(),
        }
    }
}

/// Without the digest.
impl<'a> From<&'a AccessToken> for AccessTokenLine<'a> {
    fn from(token: &'a AccessToken) -> Self {
        let AccessToken {
            id,
            user: _,
            tenant,
            name,
            scopes,
            created_at,
            expires_at,
            last_used_at,
            digest: _,
            newer: _,
        } = token;
        Self {
            id: *id,
            tenant_id: *tenant,
            name,
            scopes,
            created_at: *created_at,
            expires_at: *expires_at,
            last_used_at: *last_used_at,
        }
    }
}

/// Without the digest.
impl<'a> From<&'a StoredToken> for MailTokenLine<'a> {
    fn from(token: &'a StoredToken) -> Self {
        let StoredToken {
            purpose,
            user: _,
            email,
            digest: _,
            created_at,
            expires_at,
        } = token;
        Self {
            purpose: *purpose,
            email,
            created_at: *created_at,
            expires_at: *expires_at,
        }
    }
}

impl<'a> From<&'a Session> for SessionLine<'a> {
    fn from(session: &'a Session) -> Self {
        let Session {
            id,
            tenant,
            owner,
            name,
            workspace_path,
            created_at,
            updated_at,
            version,
            newer: _,
        } = session;
        Self {
            id: *id,
            tenant_id: *tenant,
            owner_id: *owner,
            name,
            workspace_path,
            created_at: *created_at,
            updated_at: *updated_at,
            version: *version,
        }
    }
}
