//! The caller of a request: the identity behind a verified token, before anything is read from the store.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use domain::access_tokens::{self, PresentedToken};
use domain::id::Id as _;
use domain::{Caller, LoginId, SecurityEvent, TenantId, Timestamp, UserId};
use jwt::{Bearer, Rejection};

use crate::client::client;
use crate::error::{ApiError, Code};
use crate::request_context::RequestContext;
use crate::state::AppState;

/// The caller of a request with a valid access token of a login, or with a well-formed personal access token, which the
/// operation verifies. Any other request is rejected.
#[derive(Clone, Debug)]
pub struct Authenticated(pub Caller);

/// How long after its expiry an access token may still end its login: long enough for a client that refreshes late,
/// and too short for a token from an old log or backup. A client that was away for longer logs out with its refresh
/// token.
pub const LOGOUT_AFTER_EXPIRY: Duration = Duration::from_hours(1);

/// The caller of a logout. An invalid token is rejected.
#[derive(Clone, Debug)]
pub enum LogoutCaller {
    /// The access token is valid, or expired at most [`LOGOUT_AFTER_EXPIRY`] ago; or it is a personal access token,
    /// which the operation rejects.
    Known(Caller),
    /// The access token expired earlier, and ends nothing.
    Expired,
    /// There is no access token.
    Absent,
}

impl FromRequestParts<AppState> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Some(token) = bearer(parts)? else {
            return Err(missing_token());
        };
        let now = state.env.clock.now();
        if let Some(caller) = token_caller(token, parts, now)? {
            return Ok(Self(caller));
        }
        let bearer = verify(token, state, now)?;
        Ok(Self(login_caller(bearer, parts, now)))
    }
}

impl FromRequestParts<AppState> for LogoutCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Some(token) = bearer(parts)? else {
            return Ok(Self::Absent);
        };
        let now = state.env.clock.now();
        if let Some(caller) = token_caller(token, parts, now)? {
            return Ok(Self::Known(caller));
        }
        match verify(token, state, now) {
            Ok(bearer) => Ok(Self::Known(login_caller(bearer, parts, now))),
            Err(Rejection::Expired { bearer, at }) if now <= Timestamp::from_seconds(at).plus(LOGOUT_AFTER_EXPIRY) => {
                Ok(Self::Known(login_caller(bearer, parts, now)))
            }
            Err(Rejection::Expired { .. }) => Ok(Self::Expired),
            Err(rejection) => Err(rejection.into()),
        }
    }
}

/// The rejection of a request without a token.
pub(crate) fn missing_token() -> ApiError {
    ApiError::new(
        Code::MissingToken,
        "Send the access token in the header `Authorization: Bearer …`.",
    )
}

fn verify(token: &str, state: &AppState, now: Timestamp) -> Result<Bearer, Rejection> {
    state.tokens.verify(token, now.as_seconds())
}

/// The caller to whom the verified token belongs.
fn login_caller(bearer: Bearer, parts: &Parts, now: Timestamp) -> Caller {
    let caller = Caller::verified(
        UserId::from_uuid(bearer.user),
        TenantId::from_uuid(bearer.tenant),
        LoginId::from_uuid(bearer.login),
        now,
        client(parts),
    );
    name_in_log(&caller, parts);
    caller
}

/// The caller with a personal access token; `None` if the token is another one. A malformed token is rejected without a
/// read of the store.
fn token_caller(token: &str, parts: &Parts, now: Timestamp) -> Result<Option<Caller>, ApiError> {
    if !token.starts_with(access_tokens::PREFIX) {
        return Ok(None);
    }
    let token = PresentedToken::parse(token).ok_or_else(malformed_token)?;
    let caller = Caller::with_access_token(&token, now, client(parts));
    name_in_log(&caller, parts);
    Ok(Some(caller))
}

fn malformed_token() -> ApiError {
    ApiError::new(
        Code::InvalidToken,
        "The personal access token is incomplete or mistyped: its checksum is wrong.",
    )
    .with_security_event(SecurityEvent::InvalidToken)
}

/// From here on the request's log line names this caller, once the identity is proved.
fn name_in_log(caller: &Caller, parts: &Parts) {
    if let Some(context) = parts.extensions.get::<RequestContext>() {
        context.set_identity(caller);
    }
}

/// The bearer token of the request, if it has one (RFC 6750, section 2.1).
fn bearer(parts: &Parts) -> Result<Option<&str>, Rejection> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), more) = (values.next(), values.next()) else {
        return Ok(None);
    };
    if more.is_some() {
        return Err(Rejection::Invalid("two Authorization headers"));
    }
    let value = value.to_str().map_err(|_| Rejection::Invalid("not ASCII"))?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("Bearer") => Ok(Some(token.trim())),
        _ if value.eq_ignore_ascii_case("Bearer") => Ok(Some("")),
        // Another scheme counts as no token; the response names the scheme that this API expects.
        _ => Ok(None),
    }
}
