//! `POST /auth/refresh`

use api::{ApiError, AppState, Body, Checks, Field, Reply, Sender};
use axum::extract::State;
use domain::Error;
use domain::logins::{RefreshToken, ops};
use domain::text::Refused;
use serde::Deserialize;

use crate::signed_in::SignedInBody;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RefreshBody {
    refresh_token: Field<String>,
}

impl RefreshBody {
    fn parse(self) -> Result<RefreshToken, ApiError> {
        let mut checks = Checks::new();
        match checks.required("refreshToken", self.refresh_token, Ok::<_, Refused>) {
            Some(text) => RefreshToken::parse(&text).ok_or_else(|| Error::InvalidRefreshToken.into()),
            None => Err(checks.refuse()),
        }
    }
}

/// Exchanges a refresh token for a new access token and the next refresh token.
pub async fn refresh(
    State(app): State<AppState>,
    Sender(client): Sender,
    Body(body): Body<RefreshBody>,
) -> Result<Reply<SignedInBody>, ApiError> {
    let signed_in = ops::refresh(&app.env, &client, &body.parse()?).await?;
    Ok(Reply::ok(SignedInBody::sign(&app, signed_in)?))
}
