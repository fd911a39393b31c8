//! `POST /auth/password`

use api::openapi::problems;
use api::{ApiError, AppState, Authenticated, Body, Checks, Cookies, Field, Reply};
use axum::extract::State;
use domain::password::Password;
use domain::text::Rejection;
use domain::users::ops;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::schema;
use crate::signed_in::SignedInBody;
use crate::transport::RequestedTransport;

/// The current and the new password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChangePassword)]
pub struct PasswordBody {
    /// The password until now.
    #[schema(value_type = schema::Password)]
    current_password: Field<String>,
    /// The password from now on.
    #[schema(value_type = schema::NewPassword)]
    new_password: Field<String>,
    /// Where the response has its tokens.
    #[schema(value_type = Option<schema::Transport>)]
    transport: Field<String>,
}

impl PasswordBody {
    /// Leaves the new password unchecked, because the policy depends on the account.
    fn parse(self) -> Result<(Password, String, RequestedTransport), ApiError> {
        let mut checks = Checks::new();
        let current = checks.required("currentPassword", self.current_password, |text| {
            Password::claimed(&text)
        });
        let new = checks.required("newPassword", self.new_password, Ok::<_, Rejection>);
        let transport = checks.optional("transport", self.transport, |text| RequestedTransport::parse(&text));
        match (current, new, transport) {
            (Some(current), Some(new), Some(transport)) => Ok((current, new, transport.unwrap_or_default())),
            _ => Err(checks.into_error()),
        }
    }
}

/// Changes the caller's password, ends all logins of the caller including the current one, and opens a new one. The new
/// password must differ from the current one. Wrong passwords are throttled; the network from which the login was
/// refreshed last has attempts of its own. So a client in another network refreshes after 429, and tries again.
#[utoipa::path(
    post,
    path = "/auth/password",
    tag = "authentication",
    operation_id = "changePassword",
    security(("accessToken" = [])),
    request_body = PasswordBody,
    responses(
        (
            status = 200,
            description = "The password is the new one, all logins have ended, and this is a new one.",
            body = SignedInBody,
            headers(("Set-Cookie")),
            links((
                "refresh" = (
                    operation_id = "refresh",
                    request_body = json!({"refreshToken": "$response.body#/data/refreshToken"})
                )
            ))
        ),
        problems::InvalidCredentials,
        problems::OriginNotAllowed,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    cookies: Cookies,
    Body(body): Body<PasswordBody>,
) -> Result<Reply<SignedInBody>, ApiError> {
    let (current, new, transport) = body.parse()?;
    let transport = transport.check(&cookies)?;
    let signed_in = ops::change_password(&app.env, &caller, &current, &new).await?;
    SignedInBody::reply(Reply::ok, &app, &signed_in, transport)
}
