//! `POST /auth/email/confirm`

use api::openapi::problems;
use api::{ApiError, AppState, Body, ClientInfo, Empty, Reply};
use axum::extract::State;
use domain::users::email_change;

use crate::mail_token::MailTokenBody;

/// Makes a new address the account's, with the mail token that was sent to it. The old address, if it
/// was verified, gets an email with which it can undo that for seven days.
#[utoipa::path(
    post,
    path = "/auth/email/confirm",
    tag = "authentication",
    operation_id = "confirmEmail",
    request_body = MailTokenBody,
    responses(
        (status = 200, description = "The account has the new email, which is verified.", body = Empty),
        problems::AccountSuspended,
        problems::EmailTaken,
        problems::NotFound,
        problems::TooManyAttempts,
        problems::StoreFull,
        problems::StoreUnavailable,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    ClientInfo(client): ClientInfo,
    Body(body): Body<MailTokenBody>,
) -> Result<Reply<Empty>, ApiError> {
    email_change::confirm(&app.env, &client, &body.parse()?).await?;
    Ok(Reply::ok(Empty {}))
}
