//! `POST /auth/refresh`

use api::openapi::problems;
use api::{ApiError, AppState, Body, Checks, ClientInfo, Field, Reply};
use axum::extract::State;
use domain::Error;
use domain::logins::{RefreshToken, ops};
use domain::text::Rejection;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::schema;
use crate::signed_in::SignedInBody;

/// The refresh token of a login.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Refresh)]
pub struct RefreshBody {
    /// The `refreshToken` of the last response.
    #[schema(value_type = schema::RefreshToken)]
    refresh_token: Field<String>,
}

impl RefreshBody {
    fn parse(self) -> Result<RefreshToken, ApiError> {
        let mut checks = Checks::new();
        match checks.required("refreshToken", self.refresh_token, Ok::<_, Rejection>) {
            Some(text) => RefreshToken::parse(&text).ok_or_else(|| Error::InvalidRefreshToken(None).into()),
            None => Err(checks.into_error()),
        }
    }
}

/// Exchanges a refresh token for new tokens. For 30 seconds after that, the old token is accepted at most twice more,
/// for two tabs that refresh at once and for a lost response. Each use receives a refresh token of its own. Keep one
/// copy of the refresh token per browser profile or installation, for example in storage that all tabs share or in a
/// cookie, and replace it after each exchange. Tabs that each keep their own copy look like a thief. The login ends
/// if a token was copied: if a replaced token is used after the 30 seconds, or if different refresh tokens from one
/// exchange are used at two exchanges in a row. A client that gets 401 reads the stored token again, because another
/// tab may have replaced it. If it has not changed, the client logs out with it (`POST /auth/logout`), which ends the
/// login for a thief, too.
#[utoipa::path(
    post,
    path = "/auth/refresh",
    tag = "authentication",
    operation_id = "refresh",
    request_body = RefreshBody,
    responses(
        (
            status = 200,
            description = "The login's new tokens.",
            body = SignedInBody,
            links((
                "refresh" = (
                    operation_id = "refresh",
                    request_body = json!({"refreshToken": "$response.body#/data/refreshToken"})
                )
            ))
        ),
        problems::InvalidRefreshToken,
        problems::TooManyAttempts,
        problems::QuotaExceeded,
        problems::StoreFull,
        problems::StoreUnavailable,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    ClientInfo(client): ClientInfo,
    Body(body): Body<RefreshBody>,
) -> Result<Reply<SignedInBody>, ApiError> {
    let signed_in = ops::refresh(&app.env, &client, &body.parse()?).await?;
    SignedInBody::reply(Reply::ok, &app, signed_in)
}
