//! The caller of a request: the identity behind a verified token, before anything is read from the store.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, header};
use domain::access_tokens::{self, PresentedToken};
use domain::id::Id as _;
use domain::text::Rejection;
use domain::users::Email;
use domain::{Caller, LoginId, SecurityEvent, TenantId, Timestamp, UserId};
use jwt::Bearer;

use crate::client::client;
use crate::error::{ApiError, Code, Violation};
use crate::path::Id;
use crate::request_context::RequestContext;
use crate::state::AppState;

/// The header that selects a tenant. A response to a request with it has it, too.
pub(crate) const TENANT_HEADER: HeaderName = HeaderName::from_static("coditect-tenant");

/// The caller of a request with a valid access token of a login, or with a well-formed personal access token, which the
/// operation verifies. Any other request is rejected.
#[derive(Clone, Debug)]
pub struct Authenticated(pub Caller);

/// The caller of a request to a tenant: [`Authenticated`], in the tenant that the header `Coditect-Tenant` selects.
/// Without the header, it is that of the token. The operation checks that the caller is a member.
#[derive(Clone, Debug)]
pub struct TenantCaller(pub Caller);

/// The caller of a request to the organisation that the path names with its `{id}`. The operation checks that the
/// caller is a member.
#[derive(Clone, Debug)]
pub struct OrganizationCaller(pub Caller);

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
        let caller = authenticated(parts, state)?;
        name_in_log(&caller, parts);
        Ok(Self(caller))
    }
}

impl FromRequestParts<AppState> for TenantCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let mut caller = authenticated(parts, state)?;
        let selected = selected_tenant(parts);
        if let Ok(Some(tenant)) = selected {
            caller = caller.select(tenant);
            if let Some(context) = parts.extensions.get::<RequestContext>() {
                context.set_selected_tenant(tenant);
            }
        }
        name_in_log(&caller, parts);
        selected.map(|_| Self(caller))
    }
}

impl FromRequestParts<AppState> for OrganizationCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let caller = authenticated(parts, state)?;
        let id = Id::<TenantId>::from_request_parts(parts, state).await;
        let caller = match id {
            Ok(Id(tenant)) => caller.select(tenant),
            Err(_) => caller,
        };
        name_in_log(&caller, parts);
        id.map(|_| Self(caller))
    }
}

/// The email in the access token of the request, which is that of when the token was signed; `None` in other tokens. A
/// hint that saves a store trip: the token may be older than the account's email, and is not verified here.
#[derive(Clone, Debug)]
pub struct EmailClaim(pub Option<Email>);

impl FromRequestParts<AppState> for EmailClaim {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        let token = bearer(parts).ok().flatten();
        let email = token.and_then(jwt::claimed_email);
        Ok(Self(email.and_then(|email| Email::parse(&email).ok())))
    }
}

impl FromRequestParts<AppState> for LogoutCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let Some(token) = bearer(parts)? else {
            return Ok(Self::Absent);
        };
        let now = state.env.clock.now();
        let known = |caller: Caller| {
            name_in_log(&caller, parts);
            Ok(Self::Known(caller))
        };
        if let Some(caller) = token_caller(token, parts, now)? {
            return known(caller);
        }
        match verify(token, state, now) {
            Ok(bearer) => known(login_caller(bearer, parts, now)),
            Err(jwt::Rejection::Expired { bearer, at })
                if now <= Timestamp::from_seconds(at).plus(LOGOUT_AFTER_EXPIRY) =>
            {
                known(login_caller(bearer, parts, now))
            }
            Err(jwt::Rejection::Expired { .. }) => Ok(Self::Expired),
            Err(rejection) => Err(rejection.into()),
        }
    }
}

fn authenticated(parts: &Parts, state: &AppState) -> Result<Caller, ApiError> {
    let Some(token) = bearer(parts)? else {
        return Err(missing_token());
    };
    let now = state.env.clock.now();
    match token_caller(token, parts, now)? {
        Some(caller) => Ok(caller),
        None => Ok(login_caller(verify(token, state, now)?, parts, now)),
    }
}

/// The tenant that the request selects; `None` if it selects none.
fn selected_tenant(parts: &Parts) -> Result<Option<TenantId>, ApiError> {
    let mut values = parts.headers.get_all(TENANT_HEADER).iter();
    let reason = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => match value.to_str().ok().and_then(TenantId::parse) {
            Some(tenant) => return Ok(Some(tenant)),
            None => "must be the id of a tenant: a UUID with hyphens",
        },
        (Some(_), Some(_)) => "must be given once",
    };
    let violation = Violation::new("/Coditect-Tenant", &Rejection(reason.to_owned()));
    Err(ApiError::invalid(vec![violation]))
}

/// The rejection of a request without a token.
pub(crate) fn missing_token() -> ApiError {
    ApiError::new(
        Code::MissingToken,
        "Send the access token in the header `Authorization: Bearer …`.",
    )
}

fn verify(token: &str, state: &AppState, now: Timestamp) -> Result<Bearer, jwt::Rejection> {
    state.tokens.verify(token, now.as_seconds())
}

/// The caller to whom the verified token belongs.
fn login_caller(bearer: Bearer, parts: &Parts, now: Timestamp) -> Caller {
    Caller::verified(
        UserId::from_uuid(bearer.user),
        TenantId::from_uuid(bearer.tenant),
        LoginId::from_uuid(bearer.login),
        now,
        client(parts),
    )
}

/// The caller with a personal access token; `None` if the token is another one. A malformed token is rejected without a
/// read of the store.
fn token_caller(token: &str, parts: &Parts, now: Timestamp) -> Result<Option<Caller>, ApiError> {
    if !token.starts_with(access_tokens::PREFIX) {
        return Ok(None);
    }
    let token = PresentedToken::parse(token).ok_or_else(malformed_token)?;
    Ok(Some(Caller::with_access_token(&token, now, client(parts))))
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
fn bearer(parts: &Parts) -> Result<Option<&str>, jwt::Rejection> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), more) = (values.next(), values.next()) else {
        return Ok(None);
    };
    if more.is_some() {
        return Err(jwt::Rejection::Invalid("two Authorization headers"));
    }
    let value = value.to_str().map_err(|_| jwt::Rejection::Invalid("not ASCII"))?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("Bearer") => Ok(Some(token.trim())),
        _ if value.eq_ignore_ascii_case("Bearer") => Ok(Some("")),
        // Another scheme counts as no token; the response names the scheme that this API expects.
        _ => Ok(None),
    }
}
