//! `POST /users/me/email`. It verifies a password, so this function serves it.

use api::openapi::problems;
use api::{ApiError, AppState, Authenticated, Body, Checks, Empty, Field, Reply};
use axum::extract::State;
use domain::password::Password;
use domain::users::{Email, email_change};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::schema;

/// The new email, and the caller's password.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChangeEmail)]
pub struct ChangeEmailBody {
    /// The new email.
    #[schema(value_type = schema::Email)]
    email: Field<String>,
    /// The current password.
    #[schema(value_type = schema::Password)]
    password: Field<String>,
}

impl ChangeEmailBody {
    fn parse(self) -> Result<(Email, Password), ApiError> {
        let mut checks = Checks::new();
        let email = checks.required("email", self.email, |text| Email::parse(&text));
        let password = checks.required("password", self.password, |text| Password::claimed(&text));
        match (email, password) {
            (Some(email), Some(password)) => Ok((email, password)),
            _ => Err(checks.into_error()),
        }
    }
}

/// Requests another email for the account. Nothing changes until the new address confirms the email that is sent to it.
/// A newer request replaces an older one. Attempts at the password are throttled like those of a password change, and
/// count together with them.
#[utoipa::path(
    post,
    path = "/users/me/email",
    tag = "users",
    operation_id = "changeEmail",
    security(("accessToken" = [])),
    request_body = ChangeEmailBody,
    responses(
        (
            status = 202,
            description = "The email to the new address follows, if the deployment sends emails.",
            body = Empty
        ),
        problems::InvalidCredentials,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Body(body): Body<ChangeEmailBody>,
) -> Result<Reply<Empty>, ApiError> {
    let (email, password) = body.parse()?;
    email_change::request(&app.env, &caller, &password, &email).await?;
    Ok(Reply::accepted(Empty {}))
}
