//! `POST /auth/recovery`

use api::openapi::problems;
use api::{ApiError, AppState, Body, Checks, ClientInfo, Empty, Field, LoggedEmail, Reply};
use axum::extract::State;
use domain::Error;
use domain::users::{Email, recovery};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::pace::Pace;
use crate::schema;

/// The account to recover.
#[derive(Deserialize, ToSchema)]
#[schema(as = Recovery)]
pub struct RecoveryBody {
    /// The account's email.
    #[schema(value_type = schema::Email)]
    email: Field<String>,
}

impl RecoveryBody {
    fn parse(self) -> Result<Email, ApiError> {
        let mut checks = Checks::new();
        let email = checks.required("email", self.email, |text| Email::parse(&text));
        email.ok_or_else(|| checks.into_error())
    }
}

/// Sends an email with which the user chooses a new password. The response is the same whether an account has this
/// email or not. If too many emails to one address are requested, no further one is sent for a while, and the last one
/// stays valid.
#[utoipa::path(
    post,
    path = "/auth/recovery",
    tag = "authentication",
    operation_id = "requestRecovery",
    request_body = RecoveryBody,
    responses(
        (
            status = 202,
            description = "The email follows, if an account has this address and the deployment sends emails.",
            body = Empty
        ),
        problems::TooManyAttempts,
        problems::StoreFull,
        problems::StoreUnavailable,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    ClientInfo(client): ClientInfo,
    logged_email: LoggedEmail,
    Body(body): Body<RecoveryBody>,
) -> Result<Reply<Empty>, ApiError> {
    let pace = Pace::start();
    let email = body.parse()?;
    logged_email.record(&app, &email);
    let requested = recovery::request(&app.env, &client, &email).await;
    // The limit of a site depends on no account, and must not keep an execution waiting.
    if !matches!(requested, Err(Error::TooManyAttempts { .. })) {
        pace.keep().await;
    }
    requested?;
    Ok(Reply::accepted(Empty {}))
}
