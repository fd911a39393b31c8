//! A session as it is sent.

use api::Reply;
use domain::sessions::Session;
use domain::{SessionId, TenantId, Timestamp, UserId};
use serde::Serialize;

/// A session as it is sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionBody {
    id: SessionId,
    tenant_id: TenantId,
    owner_id: UserId,
    name: String,
    workspace_path: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Session> for SessionBody {
    fn from(session: Session) -> Self {
        Self {
            id: session.id,
            tenant_id: session.tenant,
            owner_id: session.owner,
            name: session.name.to_string(),
            workspace_path: session.workspace_path.to_string(),
            created_at: session.created_at,
            updated_at: session.updated_at,
        }
    }
}

impl SessionBody {
    /// An answer that has a session in it, and its version on it.
    pub fn reply(answer: impl FnOnce(Self) -> Reply<Self>, session: Session) -> Reply<Self> {
        let version = session.version;
        answer(session.into()).version(version)
    }
}
