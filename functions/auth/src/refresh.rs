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

/// A login that wants its next tokens.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Refresh)]
pub struct RefreshBody {
    /// What the last answer said.
    #[schema(value_type = schema::RefreshToken)]
    refresh_token: Field<String>,
}

impl RefreshBody {
    fn parse(self) -> Result<RefreshToken, ApiError> {
        let mut checks = Checks::new();
        match checks.required("refreshToken", self.refresh_token, Ok::<_, Rejection>) {
            Some(text) => RefreshToken::parse(&text).ok_or_else(|| Error::InvalidRefreshToken.into()),
            None => Err(checks.into_error()),
        }
    }
}

/// Exchanges a refresh token for a new access token and the next refresh token. For 30 seconds more the old one answers the same successor, so that
/// an answer that was lost can be asked for again; used after that, it ends its login, because somebody has a copy of it.
#[utoipa::path(
    post,
    path = "/auth/refresh",
    tag = "authentication",
    operation_id = "refresh",
    request_body = RefreshBody,
    responses(
        (
            status = 200,
            description = "The login's next tokens.",
            body = SignedInBody,
            links((
                "refresh" = (
                    operation_id = "refresh",
                    request_body = json!({"refreshToken": "$response.body#/data/refreshToken"})
                )
            ))
        ),
        problems::InvalidRefreshToken,
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
