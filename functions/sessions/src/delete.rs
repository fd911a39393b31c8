//! `DELETE /sessions/{id}`

use api::{ApiError, AppState, Authenticated, Empty, Id, Preconditions, Reply};
use axum::extract::State;
use domain::sessions::ops;

/// Deletes a session of the caller's tenant; a second time it is not there.
pub async fn delete(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    preconditions: Preconditions,
    Id(id): Id<domain::SessionId>,
) -> Result<Reply<Empty>, ApiError> {
    ops::delete(&app.env, &caller, id, |version| preconditions.permit(version)).await?;
    Ok(Reply::ok(Empty {}))
}
