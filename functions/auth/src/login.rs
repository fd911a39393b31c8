//! `POST /auth/login`

use api::openapi::problems;
use api::{ApiError, AppState, Body, Checks, ClientInfo, Cookies, Field, LoggedEmail, Reply};
use axum::extract::State;
use domain::Error;
use domain::logins::ops;
use domain::password::Password;
use domain::throttle::DeviceToken;
use domain::users::Email;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::pace::Pace;
use crate::schema;
use crate::signed_in::SignedInBody;
use crate::transport::RequestedTransport;

/// Email and password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Credentials)]
pub struct LoginBody {
    /// The account's email.
    #[schema(value_type = schema::Email)]
    email: Field<String>,
    /// The account's password.
    #[schema(value_type = schema::Password)]
    password: Field<String>,
    /// The device token of an earlier login, which gives this device attempts of its own; ignored if invalid.
    #[schema(
        value_type = Option<String>,
        max_length = 1024,
        example = "coditect_dt_UNcbT3_yzB2MX0vQSAzjCPPIZ2mpnoEmbXPMqGJM5tE"
    )]
    device_token: Field<String>,
    /// Where the response has its tokens; with `cookie`, a device token is also read from its cookie.
    #[schema(value_type = Option<schema::Transport>)]
    transport: Field<String>,
}

impl LoginBody {
    fn parse(self) -> Result<(Email, Password, Option<DeviceToken>, RequestedTransport), ApiError> {
        let mut checks = Checks::new();
        let email = checks.required("email", self.email, |text| Email::parse(&text));
        let password = checks.required("password", self.password, |text| Password::claimed(&text));
        // A damaged token must not keep a user out.
        let device = checks.optional("deviceToken", self.device_token, |text| {
            schema::bounded(text).map(|text| DeviceToken::parse(&text))
        });
        let transport = checks.optional("transport", self.transport, |text| RequestedTransport::parse(&text));
        match (email, password, device, transport) {
            (Some(email), Some(password), Some(device), Some(transport)) => {
                Ok((email, password, device.flatten(), transport.unwrap_or_default()))
            }
            _ => Err(checks.into_error()),
        }
    }
}

/// Logs in with email and password. The right password of an account that an operator has suspended is 403
/// `ACCOUNT_SUSPENDED`.
#[utoipa::path(
    post,
    path = "/auth/login",
    tag = "authentication",
    operation_id = "logIn",
    request_body(
        content = LoginBody,
        examples(
            ("body" = (
                summary = "A program that keeps its tokens itself",
                value = json!({"email": "test@example.com", "password": "password123"})
            )),
            ("cookie" = (
                summary = "A page whose tokens are in cookies",
                value = json!({"email": "test@example.com", "password": "password123", "transport": "cookie"})
            )),
        )
    ),
    responses(
        (
            status = 200,
            description = "The new login.",
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
    logged_email: LoggedEmail,
    cookies: Cookies,
    Body(body): Body<LoginBody>,
) -> Result<Reply<SignedInBody>, ApiError> {
    let pace = Pace::start();
    let (email, password, device, transport) = body.parse()?;
    logged_email.record(&app, &email);
    let transport = transport.check(&cookies)?;
    let device = transport.device(device, &cookies)?;
    let logged_in = ops::log_in(&app.env, &client, &email, &password, device.as_ref()).await;
    // Only this failure is the same with and without an account. A throttled attempt ends before the account is read.
    if matches!(logged_in, Err(Error::InvalidCredentials)) {
        pace.keep().await;
    }
    SignedInBody::reply(Reply::ok, &app, &logged_in?, transport)
}
