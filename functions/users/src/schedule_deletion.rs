//! `POST /users/me/deletion`

use api::openapi::problems;
use api::{ApiError, AppState, Authenticated, Body, PasswordBody, Reply};
use axum::extract::State;
use domain::deletion::ops;

use crate::deletion::DeletionBody;

/// Schedules the deletion of the caller's account, by default in 14 days. Until then, the account works as before, and
/// the deletion can be cancelled; a recovery of the account, or an undo of a change of its email, cancels it as well.
/// Then all logins end, and the user and the user's own tenant are deleted with all of their data. A deletion that is
/// scheduled already keeps its time. Attempts at the password are throttled like those of `POST /auth/reauthenticate`,
/// and count together with them; a right one counts as a login. Each schedule sends an email; three are free, and one
/// more each hour.
#[utoipa::path(
    post,
    path = "/users/me/deletion",
    tag = "users",
    operation_id = "scheduleDeletion",
    security(("accessToken" = [])),
    request_body = PasswordBody,
    responses(
        (status = 202, description = "The deletion is scheduled.", body = DeletionBody),
        problems::InvalidCredentials,
        problems::LastOwner,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Body(body): Body<PasswordBody>,
) -> Result<Reply<DeletionBody>, ApiError> {
    let deletion = ops::schedule(&app.env, &caller, &body.parse()?).await?;
    Ok(Reply::accepted(deletion.into()))
}
