//! `POST /auth/email/undo`

use api::openapi::problems;
use api::{ApiError, AppState, Body, ClientInfo, Empty, Reply};
use axum::extract::State;
use domain::users::email_change;

use crate::mail_token::MailTokenBody;

/// Makes an old address the account's again, with the mail token that was sent to it. Ends all logins of the
/// user and the password, which the person who changed the email knew, revokes the personal access tokens, cancels a
/// deletion of the account unless an operator ordered it, and sends the address an email to choose a new password.
#[utoipa::path(
    post,
    path = "/auth/email/undo",
    tag = "authentication",
    operation_id = "undoEmail",
    request_body = MailTokenBody,
    responses(
        (status = 200, description = "The account has the old email, and all logins have ended.", body = Empty),
        problems::EmailTaken,
        problems::NotFound,
        problems::StoreFull,
        problems::StoreUnavailable,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    ClientInfo(client): ClientInfo,
    Body(body): Body<MailTokenBody>,
) -> Result<Reply<Empty>, ApiError> {
    email_change::undo(&app.env, &client, &body.parse()?).await?;
    Ok(Reply::ok(Empty {}))
}
