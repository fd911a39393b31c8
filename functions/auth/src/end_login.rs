//! `DELETE /auth/logins/{id}`

use api::{ApiError, AppState, Authenticated, Empty, Id, Reply};
use axum::extract::State;
use domain::LoginId;
use domain::logins::ops;

/// Ends one of the caller's own logins; a second time it is not there.
pub async fn end_login(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Id(id): Id<LoginId>,
) -> Result<Reply<Empty>, ApiError> {
    ops::end(&app.env, &caller, id).await?;
    Ok(Reply::ok(Empty {}))
}
