//! `DELETE /sessions/{id}`

use api::openapi::parameters::{IfMatch, IfNoneMatch};
use api::openapi::problems;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Authenticated, Empty, Preconditions, Reply};
use axum::extract::State;
use domain::sessions::ops;

/// Deletes a session of the caller's tenant. A repeated request responds with 404.
#[utoipa::path(
    delete,
    path = "/sessions/{id}",
    tag = "sessions",
    operation_id = "deleteSession",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The session's id."), IfMatch, IfNoneMatch),
    responses(
        (status = 200, description = "The session is deleted.", body = Empty),
        problems::Forbidden,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    preconditions: Preconditions,
    api::Id(id): api::Id<domain::SessionId>,
) -> Result<Reply<Empty>, ApiError> {
    ops::delete(&app.env, &caller, id, |version| preconditions.permits(version)).await?;
    Ok(Reply::ok(Empty {}))
}
