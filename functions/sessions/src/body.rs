//! A session as it is sent.

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
    /// Its id; ids ascend with the time of creation.
    #[schema(value_type = Id)]
    id: SessionId,
    /// The tenant that it belongs to.
    #[schema(value_type = Id)]
    tenant_id: TenantId,
    /// Who made it.
    #[schema(value_type = Id)]
    owner_id: UserId,
    /// What its owner calls it.
    #[schema(value_type = Name)]
    name: domain::text::Name,
    /// The folder that it works in, in its one spelling.
    #[schema(value_type = WorkspacePath)]
    workspace_path: domain::sessions::WorkspacePath,
    /// When it was made.
    #[schema(value_type = Time)]
    created_at: Timestamp,
    /// When it was last changed.
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
    /// An answer that has a session in it, and its version on it.
    pub fn reply(answer: impl FnOnce(Self) -> Reply<Self>, session: Session) -> Reply<Self> {
        let version = session.version;
        answer(session.into()).version(version)
    }
}
