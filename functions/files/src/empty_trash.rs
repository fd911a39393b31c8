//! `DELETE /sessions/{id}/files/trash`

use api::openapi::problems;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Authenticated, Empty, Reply};
use axum::extract::State;
use domain::files::trash::ops;

/// Empties the trash, with constant work. What was in it cannot be restored; snapshots keep what they contain.
#[utoipa::path(
    delete,
    path = "/sessions/{id}/files/trash",
    tag = "files",
    operation_id = "emptyTrash",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The session's id.")),
    responses(
        (status = 200, description = "The trash is empty.", body = Empty),
        problems::Forbidden,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
) -> Result<Reply<Empty>, ApiError> {
    ops::empty(&app.env, &caller, id).await?;
    Ok(Reply::ok(Empty {}))
}
