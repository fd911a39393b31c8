//! `DELETE /sessions/{id}/snapshots/{snapshot}`

use api::openapi::problems;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Authenticated, Empty, Reply, SubId};
use axum::extract::State;
use domain::SnapshotId;
use domain::files::snapshots::ops;

/// Deletes a snapshot. What only it contained is removed in the background. A restore of it that is in preparation
/// ends, and changes nothing.
#[utoipa::path(
    delete,
    path = "/sessions/{id}/snapshots/{snapshot}",
    tag = "files",
    operation_id = "deleteSnapshot",
    security(("accessToken" = [])),
    params(
        ("id" = IdParameter, Path, description = "The session's id."),
        ("snapshot" = IdParameter, Path, description = "The snapshot's id."),
    ),
    responses(
        (status = 200, description = "The snapshot is deleted.", body = Empty),
        problems::Forbidden,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    SubId(snapshot): SubId<SnapshotId>,
) -> Result<Reply<Empty>, ApiError> {
    ops::delete(&app.env, &caller, id, snapshot).await?;
    Ok(Reply::ok(Empty {}))
}
