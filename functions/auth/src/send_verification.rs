//! `POST /auth/email/verification`

use api::openapi::problems;
use api::{ApiError, AppState, Authenticated, Empty, Reply};
use axum::extract::State;
use domain::users::verification;

/// Sends the email to verify the account's address again, unless it is verified. The token in it replaces the earlier
/// one. Too many emails in a short time are rejected.
#[utoipa::path(
    post,
    path = "/auth/email/verification",
    tag = "authentication",
    operation_id = "sendVerification",
    security(("accessToken" = [])),
    responses(
        (
            status = 202,
            description = "The email follows, if the address is not verified and the deployment sends emails.",
            body = Empty
        ),
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
) -> Result<Reply<Empty>, ApiError> {
    verification::send_again(&app.env, &caller).await?;
    Ok(Reply::accepted(Empty {}))
}
