//! Who is calling: a verified token, before anything is read from the store.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::header;
use axum::http::request::Parts;
use domain::{Caller, LoginId, TenantId, UserId, id::Id as _};

use crate::error::{ApiError, Code};
use crate::state::AppState;

/// A request with a valid access token. As `Option<Authenticated>`, a request with a valid token or none.
#[derive(Clone, Copy, Debug)]
pub struct Authenticated(pub Caller);

impl FromRequestParts<AppState> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        authenticate(parts, state)?.ok_or_else(|| {
            ApiError::new(
                Code::MissingToken,
                "Send the access token in the header `Authorization: Bearer …`.",
            )
        })
    }
}

impl OptionalFromRequestParts<AppState> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Option<Self>, ApiError> {
        authenticate(parts, state)
    }
}

fn authenticate(parts: &Parts, state: &AppState) -> Result<Option<Authenticated>, ApiError> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), more) = (values.next(), values.next()) else {
        return Ok(None);
    };
    let invalid = |why: &'static str| ApiError::from(jwt::Refusal::Invalid(why));
    if more.is_some() {
        return Err(invalid("two Authorization headers"));
    }
    let value = value.to_str().map_err(|_| invalid("not ASCII"))?;
    let token = match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("Bearer") => token.trim(),
        _ if value.eq_ignore_ascii_case("Bearer") => "",
        // Another scheme is none of ours; the answer says which one is.
        _ => return Ok(None),
    };
    let claims = state.tokens.verify(token, state.env.clock.now().as_seconds())?;
    Ok(Some(Authenticated(Caller::verified(
        UserId::from_uuid(claims.sub),
        TenantId::from_uuid(claims.tenant_id),
        LoginId::from_uuid(claims.login_id),
    ))))
}
