//! `GET /sessions/{id}`

use api::{ApiError, AppState, Authenticated, Id, Reply};
use axum::extract::State;
use domain::sessions::ops;

use crate::body::SessionBody;

/// One session of the caller's tenant.
pub async fn get(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Id(id): Id<domain::SessionId>,
) -> Result<Reply<SessionBody>, ApiError> {
    Ok(Reply::ok(ops::get(&app.env, &caller, id).await?.into()))
}
