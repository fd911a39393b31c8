//! `POST /auth/recovery/complete`

use api::openapi::problems;
use api::{ApiError, AppState, Body, Checks, ClientInfo, Cookies, Field, Reply, Violation};
use axum::extract::State;
use domain::SecurityEvent;
use domain::mail_tokens::MailToken;
use domain::text::Rejection;
use domain::users::recovery;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::signed_in::SignedInBody;
use crate::transport::RequestedTransport;
use crate::{mail_token, schema};

/// A mail token, and the new password.
#[derive(Deserialize, ToSchema)]
#[schema(as = CompleteRecovery)]
pub struct CompleteRecoveryBody {
    /// The token.
    #[schema(value_type = schema::MailToken)]
    token: Field<String>,
    /// The password from now on.
    #[schema(value_type = schema::NewPassword)]
    password: Field<String>,
    /// Where the response has its tokens.
    #[schema(value_type = Option<schema::Transport>)]
    transport: Field<String>,
}

impl CompleteRecoveryBody {
    /// Leaves the password unchecked, because the policy depends on the account.
    fn parse(self) -> Result<(MailToken, String, RequestedTransport), ApiError> {
        let mut checks = Checks::new();
        let token = checks.required("token", self.token, schema::bounded);
        let password = checks.required("password", self.password, Ok::<_, Rejection>);
        let transport = checks.optional("transport", self.transport, |text| RequestedTransport::parse(&text));
        match (token, password, transport) {
            (Some(token), Some(password), Some(transport)) => {
                Ok((mail_token::parse(&token)?, password, transport.unwrap_or_default()))
            }
            _ => Err(checks.into_error()),
        }
    }
}

/// Chooses a new password with a mail token. Verifies the address that the email was sent to, ends all logins of the
/// user, revokes the personal access tokens, cancels a deletion of the account unless an operator ordered it, and opens
/// a new login. If the policy rejects the password, the token stays valid. So it does if an operator has suspended the
/// user, which is 403 `ACCOUNT_SUSPENDED`.
#[utoipa::path(
    post,
    path = "/auth/recovery/complete",
    tag = "authentication",
    operation_id = "completeRecovery",
    request_body = CompleteRecoveryBody,
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
        problems::AccountSuspended,
        problems::NotFound,
        problems::OriginNotAllowed,
        problems::TooManyAttempts,
        problems::StoreFull,
        problems::StoreUnavailable,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    ClientInfo(client): ClientInfo,
    cookies: Cookies,
    Body(body): Body<CompleteRecoveryBody>,
) -> Result<Reply<SignedInBody>, ApiError> {
    let (token, password, transport) = body.parse()?;
    let transport = transport.check(&cookies)?;
    let recovered = recovery::complete(&app.env, &client, &token, &password).await;
    let signed_in = recovered.map_err(|error| match error {
        domain::Error::PasswordRejected(reasons) => rejected(&reasons),
        error => error.into(),
    })?;
    SignedInBody::reply(Reply::ok, &app, &signed_in, transport)
}

fn rejected(reasons: &[Rejection]) -> ApiError {
    let violations = reasons.iter().map(|reason| Violation {
        pointer: "/password".to_owned(),
        message: reason.to_string(),
    });
    ApiError::invalid(violations.collect()).with_security_event(SecurityEvent::PasswordRejected)
}
