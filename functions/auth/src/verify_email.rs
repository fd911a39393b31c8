//! `POST /auth/email/verify`

use api::openapi::problems;
use api::{ApiError, AppState, Body, ClientInfo, Empty, Reply};
use axum::extract::State;
use domain::users::verification;

use crate::mail_token::MailTokenBody;

/// Verifies the account's address with a mail token. `GET` and `HEAD` never use a token, so programs that open
/// every link of an email do no harm.
#[utoipa::path(
    post,
    path = "/auth/email/verify",
    tag = "authentication",
    operation_id = "verifyEmail",
    request_body = MailTokenBody,
    responses(
        (status = 200, description = "The address is verified.", body = Empty),
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
    verification::verify(&app.env, &client, &body.parse()?).await?;
    Ok(Reply::ok(Empty {}))
}
