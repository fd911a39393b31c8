//! `GET /sessions/{id}/uploads/{upload}`

use api::openapi::problems;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Authenticated, Reply, SubId};
use axum::extract::State;
use domain::UploadId;
use domain::uploads::ops;

use crate::upload_body::UploadBody;

/// Returns an upload that is not committed yet, and which of its parts have arrived. It needs the permission to write
/// files.
#[utoipa::path(
    get,
    path = "/sessions/{id}/uploads/{upload}",
    tag = "files",
    operation_id = "getUpload",
    security(("accessToken" = [])),
    params(
        ("id" = IdParameter, Path, description = "The session's id."),
        ("upload" = IdParameter, Path, description = "The upload's id."),
    ),
    responses(
        (status = 200, description = "The upload.", body = UploadBody),
        problems::Forbidden,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    SubId(upload): SubId<UploadId>,
) -> Result<Reply<UploadBody>, ApiError> {
    let (upload, arrived) = ops::get(&app.env, &caller, id, upload).await?;
    Ok(Reply::ok(UploadBody::with_parts(&upload, &arrived)))
}
