//! `DELETE /users/me/deletion`

use api::{ApiError, AppState, Authenticated, Empty, Reply};
use axum::extract::State;
use domain::deletion::ops;

/// Cancels the scheduled deletion of the caller's account. Succeeds if none is scheduled.
#[utoipa::path(
    delete,
    path = "/users/me/deletion",
    tag = "users",
    operation_id = "cancelDeletion",
    security(("accessToken" = [])),
    responses((status = 200, description = "No deletion is scheduled.", body = Empty)),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
) -> Result<Reply<Empty>, ApiError> {
    ops::cancel(&app.env, &caller).await?;
    Ok(Reply::ok(Empty {}))
}
