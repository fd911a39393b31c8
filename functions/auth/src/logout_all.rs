//! `POST /auth/logout-all`

use api::{ApiError, AppState, Authenticated, Reply};
use axum::extract::State;
use domain::logins::ops;
use serde::Serialize;

/// How many logins have been ended.
#[derive(Serialize)]
pub struct EndedBody {
    pub ended: usize,
}

/// Ends every login of the caller's, this one included.
pub async fn logout_all(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
) -> Result<Reply<EndedBody>, ApiError> {
    let ended = ops::log_out_everywhere(&app.env, &caller).await?;
    Ok(Reply::ok(EndedBody { ended }))
}
