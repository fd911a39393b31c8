//! `POST /auth/reauthenticate`

use api::openapi::problems;
use api::{ApiError, AppState, Authenticated, Body, Checks, Empty, Field, Reply};
use axum::extract::State;
use domain::logins::reauthentication;
use domain::password::Password;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::schema;

/// The caller's password.
#[derive(Deserialize, ToSchema)]
#[schema(as = Reauthenticate)]
pub struct ReauthenticateBody {
    /// The current password.
    #[schema(value_type = schema::Password)]
    password: Field<String>,
}

impl ReauthenticateBody {
    fn parse(self) -> Result<Password, ApiError> {
        let mut checks = Checks::new();
        let password = checks.required("password", self.password, |text| Password::claimed(&text));
        password.ok_or_else(|| checks.into_error())
    }
}

/// Verifies the caller's password again. For ten minutes, the current login may then perform operations that require
/// it, such as ending logins. Attempts are throttled like those of a password change, and count together with them.
/// Each right one counts as a login.
#[utoipa::path(
    post,
    path = "/auth/reauthenticate",
    tag = "authentication",
    operation_id = "reauthenticate",
    security(("accessToken" = [])),
    request_body = ReauthenticateBody,
    responses(
        (status = 200, description = "The password is right.", body = Empty),
        problems::InvalidCredentials,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Body(body): Body<ReauthenticateBody>,
) -> Result<Reply<Empty>, ApiError> {
    reauthentication::reauthenticate(&app.env, &caller, &body.parse()?).await?;
    Ok(Reply::ok(Empty {}))
}
