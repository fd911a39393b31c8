//! `DELETE /sessions/{id}/uploads/{upload}`

use api::openapi::problems;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Authenticated, Empty, Reply, SubId};
use axum::extract::State;
use domain::UploadId;
use domain::uploads::ops;

/// Ends an upload without a file.
#[utoipa::path(
    delete,
    path = "/sessions/{id}/uploads/{upload}",
    tag = "files",
    operation_id = "cancelUpload",
    security(("accessToken" = [])),
    params(
        ("id" = IdParameter, Path, description = "The session's id."),
        ("upload" = IdParameter, Path, description = "The upload's id."),
    ),
    responses(
        (status = 200, description = "The upload has ended.", body = Empty),
        problems::Forbidden,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    SubId(upload): SubId<UploadId>,
) -> Result<Reply<Empty>, ApiError> {
    ops::cancel(&app.env, &caller, id, upload).await?;
    Ok(Reply::ok(Empty {}))
}
