//! The wire format of a snapshot.

use api::openapi::schema::{self, Id, Time};
use domain::files::snapshots::{Restore, RestoreState, Snapshot};
use domain::text::Name;
use domain::{SnapshotId, Timestamp, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::schema::RestoreStateText;

/// A snapshot: all files of a session at one instant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Snapshot)]
pub struct SnapshotBody {
    /// The id. Ids ascend with the time of creation.
    #[schema(value_type = Id)]
    id: SnapshotId,
    /// The name; null without one.
    #[schema(value_type = Option<schema::Name>, required)]
    name: Option<Name>,
    /// When it was taken.
    #[schema(value_type = Time)]
    created_at: Timestamp,
    /// The user who took it.
    #[schema(value_type = Id)]
    created_by: UserId,
    /// The latest restore of it; null without one.
    #[schema(value_type = Option<RestoreBody>, required)]
    restore: Option<RestoreBody>,
}

/// A restore of a snapshot.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Restore)]
pub struct RestoreBody {
    /// How far it is: `preparing` until the files are those of the snapshot, and then `completed`; `failed` if they
    /// would have exceeded a quota, so that nothing has changed.
    #[schema(value_type = RestoreStateText)]
    state: StateBody,
    /// When it was requested.
    #[schema(value_type = Time)]
    requested_at: Timestamp,
    /// The user who requested it.
    #[schema(value_type = Id)]
    requested_by: UserId,
}

/// How far a restore is.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum StateBody {
    Preparing,
    Completed,
    Failed,
}

impl From<Restore> for RestoreBody {
    fn from(restore: Restore) -> Self {
        Self {
            state: match restore.state {
                RestoreState::Preparing => StateBody::Preparing,
                RestoreState::Completed => StateBody::Completed,
                RestoreState::Failed => StateBody::Failed,
            },
            requested_at: restore.requested_at,
            requested_by: restore.requested_by,
        }
    }
}

impl From<Snapshot> for SnapshotBody {
    fn from(snapshot: Snapshot) -> Self {
        Self {
            id: snapshot.id,
            name: snapshot.name,
            created_at: snapshot.created_at,
            created_by: snapshot.created_by,
            restore: snapshot.restore.map(RestoreBody::from),
        }
    }
}
