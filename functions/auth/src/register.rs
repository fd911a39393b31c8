//! `POST /auth/register`

use api::openapi::{parameters, problems};
use api::{ApiError, AppState, Body, Checks, ClientInfo, Cookies, Field, IdempotencyKey, LoggedEmail, Reply};
use axum::extract::State;
use domain::SecurityEvent;
use domain::idempotency::Outcome;
use domain::password::Password;
use domain::password::{Context, Policy};
use domain::text::Name;
use domain::users::Email;
use domain::users::ops::{self, Registration};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::schema;
use crate::signed_in::SignedInBody;
use crate::transport::{RequestedTransport, Transport};

/// An account to register.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Registration)]
pub struct RegisterBody {
    /// The email to log in with; no other account may have it.
    #[schema(value_type = schema::Email)]
    email: Field<String>,
    /// The password to log in with.
    #[schema(value_type = schema::NewPassword)]
    password: Field<String>,
    /// The user's first name; blank counts as absent.
    #[schema(value_type = Option<schema::PersonName>)]
    first_name: Field<String>,
    /// The user's last name; blank counts as absent.
    #[schema(value_type = Option<schema::PersonName>)]
    last_name: Field<String>,
    /// The user's company, which names the tenant; blank counts as absent.
    #[schema(value_type = Option<schema::PersonName>)]
    company: Field<String>,
    /// Where the response has its tokens.
    #[schema(value_type = Option<schema::Transport>)]
    transport: Field<String>,
}

impl RegisterBody {
    fn parse(self, passwords: Policy, cookies: &Cookies) -> Result<(Registration, Transport), ApiError> {
        let mut checks = Checks::new();
        let email = checks.required("email", self.email, |text| Email::parse(&text));
        let mut name = |pointer, field: Field<String>| {
            checks
                .optional(pointer, field, |text| Name::parse_optional(&text))
                .map(Option::flatten)
        };
        let first_name = name("firstName", self.first_name);
        let last_name = name("lastName", self.last_name);
        let company = name("company", self.company);
        let transport = checks.optional("transport", self.transport, |text| RequestedTransport::parse(&text));
        let transport = transport.map(|transport| transport.unwrap_or_default().check(cookies));
        // Last, because the policy compares the password with the other members. If one of them is invalid, or the
        // origin may not use cookies, the request is rejected anyway, and only the length is checked.
        let names = [&first_name, &last_name, &company];
        let is_valid = email.is_some() && names.iter().all(|name| name.is_some()) && matches!(transport, Some(Ok(_)));
        let passwords = if is_valid { passwords } else { passwords.length_only() };
        let context = Context::of(email.as_ref(), names.into_iter().flatten().flatten());
        let mut is_rejected = false;
        let password = checks.required("password", self.password, |text| {
            Password::chosen(&text, passwords, &context).inspect_err(|_| is_rejected = true)
        });
        match (email, password, first_name, last_name, company, transport) {
            (Some(email), Some(password), Some(first_name), Some(last_name), Some(company), Some(transport)) => {
                let transport = transport?;
                let registration = Registration {
                    email,
                    password,
                    first_name,
                    last_name,
                    company,
                };
                Ok((registration, transport))
            }
            _ if is_rejected => Err(checks.into_error().with_security_event(SecurityEvent::PasswordRejected)),
            _ => Err(checks.into_error()),
        }
    }
}

/// Registers an account with its own tenant, and signs the user in. A repeated request with the same `Idempotency-Key`
/// opens a new login of the same account and returns the same user and tenant. It verifies the password and counts as
/// an attempt, like a login.
#[utoipa::path(
    post,
    path = "/auth/register",
    tag = "authentication",
    operation_id = "register",
    params(parameters::IdempotencyKey),
    request_body = RegisterBody,
    responses(
        (
            status = 201,
            description = "The account and its first login.",
            body = SignedInBody,
            headers(("Idempotency-Replayed"), ("Set-Cookie")),
            links(
                (
                    "logIn" = (
                        operation_id = "logIn",
                        request_body = json!({"email": "$request.body#/email", "password": "$request.body#/password"})
                    )
                ),
                (
                    "refresh" = (
                        operation_id = "refresh",
                        request_body = json!({"refreshToken": "$response.body#/data/refreshToken"})
                    )
                ),
            )
        ),
        problems::EmailTaken,
        problems::AccountSuspended,
        problems::OriginNotAllowed,
        problems::TooManyAttempts,
        problems::StoreFull,
        problems::StoreUnavailable,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    ClientInfo(client): ClientInfo,
    IdempotencyKey(key): IdempotencyKey,
    logged_email: LoggedEmail,
    cookies: Cookies,
    Body(body): Body<RegisterBody>,
) -> Result<Reply<SignedInBody>, ApiError> {
    let (registration, transport) = body.parse(app.env.limits.passwords, &cookies)?;
    logged_email.record(&app, &registration.email);
    let (signed_in, replayed) = match ops::register(&app.env, &client, registration, key.as_ref()).await? {
        Outcome::Fresh(signed_in) => (signed_in, false),
        Outcome::Replayed(signed_in) => (signed_in, true),
    };
    Ok(SignedInBody::reply(Reply::created, &app, &signed_in, transport)?.replayed(replayed))
}
