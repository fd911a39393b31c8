//! `POST /sessions/{id}/snapshots/{snapshot}/restore`

use api::openapi::problems;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Authenticated, Reply, SubId};
use axum::extract::State;
use domain::SnapshotId;
use domain::files::snapshots::restore;

use crate::snapshot_body::SnapshotBody;

/// Replaces all files of the session by those of the snapshot, at one instant. Until then nothing shows them, and no
/// writer waits. A large restore goes on after the response: `restore` of the snapshot says how far it is.
///
/// What the session had becomes an item of the trash, whose path begins with `/replaced-`. The feed has one change, of
/// the root directory. Another restore that is in preparation is a 409 `SESSION_BUSY`.
#[utoipa::path(
    post,
    path = "/sessions/{id}/snapshots/{snapshot}/restore",
    tag = "files",
    operation_id = "restoreSnapshot",
    security(("accessToken" = [])),
    params(
        ("id" = IdParameter, Path, description = "The session's id."),
        ("snapshot" = IdParameter, Path, description = "The snapshot's id."),
    ),
    responses(
        (
            status = 202,
            description = "The restore is complete, or in preparation.",
            body = SnapshotBody,
            links(("get" = (operation_id = "getSnapshot", parameters(("snapshot" = "$response.body#/data/id")))))
        ),
        problems::Forbidden,
        problems::QuotaExceeded,
        problems::SessionBusy,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    SubId(snapshot): SubId<SnapshotId>,
) -> Result<Reply<SnapshotBody>, ApiError> {
    let snapshot = restore::restore(&app.env, &caller, id, snapshot).await?;
    Ok(Reply::accepted(snapshot.into()))
}
