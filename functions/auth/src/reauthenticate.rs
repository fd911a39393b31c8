//! `POST /auth/reauthenticate`

use api::openapi::problems;
use api::{ApiError, AppState, Authenticated, Body, Empty, PasswordBody, Reply};
use axum::extract::State;
use domain::logins::reauthentication;

/// Verifies the caller's password again. For ten minutes, the current login may then perform operations that require
/// it, such as ending logins. Attempts are throttled like those of a password change, and count together with them.
/// Each right one counts as a login.
#[utoipa::path(
    post,
    path = "/auth/reauthenticate",
    tag = "authentication",
    operation_id = "reauthenticate",
    security(("accessToken" = [])),
    request_body = PasswordBody,
    responses(
        (status = 200, description = "The password is right.", body = Empty),
        problems::InvalidCredentials,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Body(body): Body<PasswordBody>,
) -> Result<Reply<Empty>, ApiError> {
    reauthentication::reauthenticate(&app.env, &caller, &body.parse()?).await?;
    Ok(Reply::ok(Empty {}))
}
