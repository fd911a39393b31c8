//! A session as it is sent.

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
