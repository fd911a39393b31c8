//! The wire format of a session.

use api::Reply;
use api::openapi::schema::{Id, Name, Time};
use domain::sessions::Session;
use domain::{SessionId, TenantId, Timestamp, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::schema::WorkspacePath;

/// A workspace session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
pub struct SessionBody {
    /// The session's id. Ids ascend with the time of creation.
    #[schema(value_type = Id)]
    id: SessionId,
    /// The session's tenant.
    #[schema(value_type = Id)]
    tenant_id: TenantId,
    /// The user who created the session.
    #[schema(value_type = Id)]
    owner_id: UserId,
    /// The display name.
    #[schema(value_type = Name)]
    name: domain::text::Name,
    /// The working folder, normalised.
    #[schema(value_type = WorkspacePath)]
    workspace_path: domain::sessions::WorkspacePath,
    /// When the session was created.
    #[schema(value_type = Time)]
    created_at: Timestamp,
    /// When the session was last changed.
    #[schema(value_type = Time)]
    updated_at: Timestamp,
}

impl From<Session> for SessionBody {
    fn from(session: Session) -> Self {
        Self {
            id: session.id,
            tenant_id: session.tenant,
            owner_id: session.owner,
            name: session.name,
            workspace_path: session.workspace_path,
            created_at: session.created_at,
            updated_at: session.updated_at,
        }
    }
}

impl SessionBody {
    /// A reply with the session as its body and the version as its `ETag`.
    pub fn reply(reply: impl FnOnce(Self) -> Reply<Self>, session: Session) -> Reply<Self> {
        let version = session.version;
        reply(session.into()).version(version)
    }
}
