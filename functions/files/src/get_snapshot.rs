//! `GET /sessions/{id}/snapshots/{snapshot}`

use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Authenticated, Reply, SubId};
use axum::extract::State;
use domain::SnapshotId;
use domain::files::snapshots::ops;

use crate::snapshot_body::SnapshotBody;

/// Returns a snapshot. Its files are read with `at`.
#[utoipa::path(
    get,
    path = "/sessions/{id}/snapshots/{snapshot}",
    tag = "files",
    operation_id = "getSnapshot",
    security(("accessToken" = [])),
    params(
        ("id" = IdParameter, Path, description = "The session's id."),
        ("snapshot" = IdParameter, Path, description = "The snapshot's id."),
    ),
    responses((status = 200, description = "The snapshot.", body = SnapshotBody)),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    SubId(snapshot): SubId<SnapshotId>,
) -> Result<Reply<SnapshotBody>, ApiError> {
    let snapshot = ops::get(&app.env, &caller, id, snapshot).await?;
    Ok(Reply::ok(snapshot.into()))
}
