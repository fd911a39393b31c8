//! `DELETE /users/me/avatar`

use api::openapi::problems;
use api::{ApiError, AppState, Authenticated, Empty, Reply};
use axum::extract::State;
use domain::users::profile::ops;

/// Removes the caller's picture. Succeeds if there is none. The path of the picture ends when no other user has the
/// same one; caches may keep it for a year.
#[utoipa::path(
    delete,
    path = "/users/me/avatar",
    tag = "users",
    operation_id = "removeAvatar",
    security(("accessToken" = [])),
    responses(
        (status = 200, description = "The account has no picture.", body = Empty),
        problems::QuotaExceeded,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
) -> Result<Reply<Empty>, ApiError> {
    ops::remove_avatar(&app.env, &caller).await?;
    Ok(Reply::ok(Empty {}))
}
