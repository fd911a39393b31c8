//! `GET /sessions/{id}`

use api::{ApiError, AppState, Authenticated, Id, Preconditions, Reply};
use axum::extract::State;
use domain::sessions::ops;

use crate::body::SessionBody;

/// One session of the caller's tenant; only its version if the client has that already.
pub async fn get(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    preconditions: Preconditions,
    Id(id): Id<domain::SessionId>,
) -> Result<Reply<SessionBody>, ApiError> {
    let session = ops::get(&app.env, &caller, id).await?;
    Ok(SessionBody::reply(Reply::ok, session).unless_known(&preconditions))
}
