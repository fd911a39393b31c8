//! `POST /auth/logout`

use api::openapi::problems;
use api::{ApiError, AppState, Empty, LogoutCaller, Reply};
use axum::extract::State;
use domain::logins::ops;

/// Ends the login of the access token. Without an access token the request succeeds and has no effect.
#[utoipa::path(
    post,
    path = "/auth/logout",
    tag = "authentication",
    operation_id = "logOut",
    security((), ("accessToken" = [])),
    responses((status = 200, description = "The login has ended.", body = Empty), problems::StoreUnavailable),
)]
pub async fn handle(State(app): State<AppState>, LogoutCaller(caller): LogoutCaller) -> Result<Reply<Empty>, ApiError> {
    if let Some(caller) = caller {
        ops::log_out(&app.env, &caller).await?;
    }
    Ok(Reply::ok(Empty {}))
}
