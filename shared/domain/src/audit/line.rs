//! The form of an event in the API and in exports. `functions/audit` describes it to clients, and tests it.

use std::borrow::Cow;

use serde::Serialize;

use crate::access_tokens::Scopes;
use crate::audit::{Action, Event, Position};
use crate::client::Address;
use crate::id::{AccessTokenId, LoginId, SessionId, SnapshotId, TenantId, UserId};
use crate::text::Name;
use crate::time::Timestamp;
use crate::usage::Quota;
use crate::users::profile::ProfileMember;

/// An event: the common members, and the members of its type.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventLine {
    id: String,
    #[serde(rename = "type")]
    kind: Cow<'static, str>,
    at: Timestamp,
    tenant_id: TenantId,
    user_id: Option<UserId>,
    login_id: Option<LoginId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token_id: Option<AccessTokenId>,
    ip: Option<Address>,
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<Name>,
    #[serde(flatten)]
    details: Details,
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Details {
    None {},
    Attempts {
        attempts: u32,
    },
    Ended {
        ended: usize,
    },
    EndedLogin {
        ended_login_id: LoginId,
    },
    CreatedToken {
        created_access_token_id: AccessTokenId,
        created_for_tenant_id: TenantId,
        scopes: Scopes,
        expires_at: Timestamp,
    },
    RevokedToken {
        revoked_access_token_id: AccessTokenId,
    },
    Changed {
        changed: Vec<ProfileMember>,
    },
    Session {
        session_id: SessionId,
    },
    Snapshot {
        session_id: SessionId,
        snapshot_id: SnapshotId,
    },
    Limit {
        quota: Quota,
        limit: Option<u64>,
    },
    Mail {
        mail: String,
    },
    Deletion {
        deletes_at: Timestamp,
    },
}

impl EventLine {
    /// The event at this position of the tenant's log. Of an action that this code does not know, only the name.
    pub fn of(tenant: TenantId, position: Position, event: Event) -> Self {
        let Event {
            action,
            at,
            user,
            login,
            access_token,
            address,
            request_id,
        } = event;
        Self {
            id: position.id(),
            kind: action.name(),
            at,
            tenant_id: tenant,
            user_id: user,
            login_id: login,
            access_token_id: access_token,
            ip: address,
            request_id,
            operator: action.operator().cloned(),
            details: Details::of(&action),
        }
    }
}

impl Details {
    fn of(action: &Action) -> Self {
        match *action {
            Action::Registered
            | Action::LoggedIn
            | Action::Refreshed
            | Action::RefreshReplayed
            | Action::ReuseDetected
            | Action::LoggedOut
            | Action::EmailVerified
            | Action::RecoveryRequested
            | Action::EmailChangeRequested
            | Action::EmailChanged
            | Action::RecoveryLinkCreated { .. }
            | Action::DeletionCancelled
            | Action::AccountDeleted
            | Action::DeletionRevoked { .. }
            | Action::ExportRequested
            | Action::Resumed { .. }
            | Action::MailSuppressed { .. }
            | Action::MailUnsuppressed { .. }
            | Action::Unknown(_) => Self::None {},
            Action::DeletionScheduled { due_at } | Action::DeletionOrdered { due_at, .. } => {
                Self::Deletion { deletes_at: due_at }
            }
            Action::LoginRefused { attempts } => Self::Attempts { attempts },
            Action::LoginEnded { ended } | Action::LoginEvicted { ended } | Action::LoginRevoked { ended, .. } => {
                Self::EndedLogin { ended_login_id: ended }
            }
            Action::LoggedOutEverywhere { ended }
            | Action::PasswordChanged { ended }
            | Action::PasswordRecovered { ended }
            | Action::EmailChangeUndone { ended }
            | Action::Suspended { ended, .. }
            | Action::LoginsRevoked { ended, .. } => Self::Ended { ended },
            Action::ProfileChanged { ref changed } => Self::Changed {
                changed: changed.clone(),
            },
            Action::AccessTokenCreated {
                created,
                tenant,
                ref scopes,
                expires_at,
            } => Self::CreatedToken {
                created_access_token_id: created,
                created_for_tenant_id: tenant,
                scopes: scopes.clone(),
                expires_at,
            },
            Action::AccessTokenRevoked { revoked } => Self::RevokedToken {
                revoked_access_token_id: revoked,
            },
            Action::SessionCreated { session }
            | Action::SessionChanged { session }
            | Action::SessionDeleted { session } => Self::Session { session_id: session },
            Action::SnapshotCreated { session, snapshot }
            | Action::SnapshotDeleted { session, snapshot }
            | Action::RestoreRequested { session, snapshot } => Self::Snapshot {
                session_id: session,
                snapshot_id: snapshot,
            },
            Action::LimitChanged { quota, limit, .. } => Self::Limit { quota, limit },
            Action::MailRetried { ref mail, .. } | Action::MailDropped { ref mail, .. } => {
                Self::Mail { mail: mail.clone() }
            }
        }
    }
}
