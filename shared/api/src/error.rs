//! Failures: a code, a text for the client, and a cause for the log.
//!
//! An [`ApiError`] becomes a response without a body that carries the error as an extension. The outermost layer, which
//! knows the request's id, writes the [problem document](crate::problem) and logs the cause. The cause is never sent.

mod code;
mod files;
mod uploads;

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
pub use code::Code;
use domain::SecurityEvent;
use domain::access_tokens::Scope;
use domain::objects::ObjectError;
use domain::text::Rejection;
use domain::usage::Quota;
use serde::Serialize;
use utoipa::ToSchema;

use crate::organization::OrganizationBody;
use crate::quota::QuotaBody;

/// One bad value of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Violation {
    /// The place: a JSON Pointer (RFC 6901) into the body, which is empty for the body itself; or `/` and the name of a
    /// query parameter or header.
    #[schema(format = "json-pointer", max_length = 200, example = "/name")]
    pub pointer: String,
    /// The reason, as the rest of a sentence about the value.
    #[schema(min_length = 1, max_length = 2000, example = "is required")]
    pub message: String,
}

impl Violation {
    /// The reason why domain code rejected the value at `pointer`.
    pub(crate) fn new(pointer: impl Into<String>, reason: &Rejection) -> Self {
        Self {
            pointer: pointer.into(),
            message: reason.to_string(),
        }
    }
}

/// A failure on its way to the client.
#[derive(Clone, Debug)]
pub struct ApiError {
    pub(crate) code: Code,
    pub(crate) detail: Cow<'static, str>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) cause: Option<Arc<str>>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) security: Option<SecurityEvent>,
    pub(crate) quota: Option<Box<QuotaBody>>,
    /// The scope that a personal access token lacks.
    pub(crate) scope: Option<Scope>,
    pub(crate) organizations: Vec<OrganizationBody>,
}

impl ApiError {
    /// A failure with a text for the client.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            violations: Vec::new(),
            cause: None,
            retry_after: matches!(code, Code::StoreUnavailable | Code::TooManyConnections)
                .then_some(Duration::from_secs(1)),
            security: None,
            quota: None,
            scope: None,
            organizations: Vec::new(),
        }
    }

    /// A request with bad values, each with its place.
    pub fn invalid(violations: Vec<Violation>) -> Self {
        let detail = match &violations[..] {
            [Violation { pointer, message }] if pointer.is_empty() => format!("The body {message}."),
            [Violation { pointer, message }] => format!("{pointer} {message}."),
            _ => format!("{} values are missing or not valid; see `errors`.", violations.len()),
        };
        Self {
            violations,
            ..Self::new(Code::ValidationFailed, detail)
        }
    }

    /// An unforeseen failure; only the log shows `cause`.
    pub fn internal(cause: impl Display) -> Self {
        Self::new(
            Code::Internal,
            "An error occurred in the API. Quote the request id when you report it.",
        )
        .with_cause(cause)
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The failure of a part of the request: its violations are within this place. Without any, the place itself is
    /// one, if the client can change it or its quota.
    fn within(mut self, place: &str) -> Self {
        let is_of_client = self.code.status().is_client_error() || self.code == Code::QuotaExceeded;
        if self.violations.is_empty() && is_of_client {
            let message = self.detail.trim_end_matches('.').to_owned();
            self.violations.push(Violation {
                pointer: place.to_owned(),
                message,
            });
            return self;
        }
        for violation in &mut self.violations {
            violation.pointer.insert_str(0, place);
        }
        self
    }

    /// Adds a cause for the log.
    #[must_use]
    pub fn with_cause(self, cause: impl Display) -> Self {
        Self {
            cause: Some(cause.to_string().into()),
            ..self
        }
    }

    /// Names a security event for the log.
    #[must_use]
    pub fn with_security_event(self, event: SecurityEvent) -> Self {
        Self {
            security: Some(event),
            ..self
        }
    }
}

/// What makes room in a quota.
fn advice(quota: Quota) -> &'static str {
    match quota {
        Quota::Sessions => "Delete sessions to make room.",
        Quota::StoredBytes => "Delete sessions or files to make room, and empty the trash.",
        Quota::Files => "Delete files and empty the trash to make room.",
        Quota::Snapshots => "Delete snapshots to make room.",
        Quota::IdempotencyKeys => "A key is free again 24 hours after its request.",
        Quota::AuditEvents => "The quota is free again at midnight (UTC).",
    }
}

impl From<domain::Error> for ApiError {
    fn from(error: domain::Error) -> Self {
        use domain::Error;
        let security = error.security_event();
        let error = match error {
            Error::InvalidCredentials => Self::new(Code::InvalidCredentials, "No account has this email and password."),
            Error::Suspended => Self::new(
                Code::AccountSuspended,
                "An operator has suspended this account. Contact the support.",
            ),
            Error::PreconditionFailed => Self::new(
                Code::PreconditionFailed,
                "The resource's version does not meet `If-Match` or `If-None-Match`. Get the resource and try again.",
            ),
            Error::IdempotencyMismatch => Self::new(
                Code::IdempotencyMismatch,
                "This `Idempotency-Key` was used for a request with other values, or for a registration whose account \
                 has another password by now. Use a new key for a new request.",
            ),
            Error::BadCursor => Self::invalid(vec![Violation::new("/cursor", &domain::page::invalid_cursor())]),
            Error::PasswordRejected(reasons) => Self::invalid(
                reasons
                    .iter()
                    .map(|reason| Violation::new("/newPassword", reason))
                    .collect(),
            ),
            Error::PreferencesRejected(reason) => Self::invalid(vec![Violation::new("/preferences", &reason)]),
            Error::PictureRejected(reason) => Self::invalid(vec![Violation::new("", &reason)]),
            Error::InvalidRefreshToken(_) => Self::new(
                Code::InvalidRefreshToken,
                "The refresh token is unknown, has expired, or was used before. Log in again.",
            ),
            Error::TooManyAttempts { wait, .. } => Self {
                retry_after: Some(wait),
                ..Self::new(
                    Code::TooManyAttempts,
                    "Too many attempts. Wait for the number of seconds in the header `Retry-After`.",
                )
            },
            Error::QuotaExceeded(usage) => quota_exceeded(usage),
            Error::EmailNotVerified => Self::new(
                Code::EmailNotVerified,
                "Open the link in the email that was sent to the account's address. `POST /auth/email/verification` \
                 sends it again.",
            ),
            Error::InvalidMailToken => Self::new(
                Code::NotFound,
                "The token is unknown or has expired, was used before, or a newer email has replaced it. Request a new \
                 email.",
            ),
            Error::SameEmail => {
                let reason = Rejection("must differ from the current email".to_owned());
                Self::invalid(vec![Violation::new("/email", &reason)])
            }
            Error::EmailTaken => Self::new(Code::EmailTaken, "An account with this email exists."),
            Error::LastOwner(organizations) => last_owner(organizations),
            Error::NotFound | Error::ForeignId => {
                Self::new(Code::NotFound, "No resource with this id is available to this token.")
            }
            Error::Operation { index, error } => Self::from(*error).within(&format!("/operations/{index}")),
            error @ (Error::FileNotFound
            | Error::ChangesRemoved
            | Error::Exists
            | Error::NotEmpty
            | Error::NotADirectory
            | Error::IsADirectory
            | Error::Cycle
            | Error::RootDirectory
            | Error::PreconditionRequired
            | Error::EditRejected(_)
            | Error::UnknownContent
            | Error::ChangesetTooLarge
            | Error::SessionBusy
            | Error::DirectoryTooLarge) => Self::of_files(error),
            Error::Forbidden => Self::new(Code::Forbidden, "The role in this tenant does not allow this."),
            Error::InsufficientScope(scope) => insufficient_scope(scope),
            Error::InvalidToken => Self::new(
                Code::InvalidToken,
                "This API did not issue the personal access token, or it was revoked.",
            ),
            Error::ExpiredToken => expired_personal_token(),
            Error::TooManyAccessTokens { used, limit } => too_many_access_tokens(used, limit),
            Error::ExportTooLarge { used, limit } => export_too_large(used, limit),
            Error::ReauthenticationRequired => Self::new(
                Code::ReauthenticationRequired,
                "Enter the password at `POST /auth/reauthenticate`, and try again within ten minutes.",
            ),
            Error::Revoked => Self::new(
                Code::RevokedToken,
                "The login of this token has ended, or its user has no access any more. Log in again.",
            ),
            Error::Store(error) => store_failure(error),
            Error::Upload(error) => Self::of_upload(error),
            Error::Objects(error @ ObjectError::Unavailable(_)) => Self::new(
                Code::StoreUnavailable,
                "The storage of large files did not respond in time. Try again.",
            )
            .with_cause(error),
            Error::Corrupt { .. } | Error::Hashing(_) | Error::Rehearsed | Error::Objects(_) => Self::internal(error),
        };
        Self { security, ..error }
    }
}

impl From<jwt::Rejection> for ApiError {
    fn from(rejection: jwt::Rejection) -> Self {
        match rejection {
            jwt::Rejection::Expired { .. } => expired_token(),
            jwt::Rejection::Invalid(_) => Self::new(Code::InvalidToken, "This API did not issue the access token.")
                .with_cause(rejection)
                .with_security_event(SecurityEvent::InvalidToken),
        }
    }
}

impl From<jwt::SignError> for ApiError {
    fn from(error: jwt::SignError) -> Self {
        Self::internal(error)
    }
}

/// The error for an access token that was valid once.
pub(crate) fn expired_token() -> ApiError {
    ApiError::new(
        Code::ExpiredToken,
        "The access token has expired. Get a new one with the refresh token, or log in again.",
    )
}

fn store_failure(error: kv::Error) -> ApiError {
    let (code, detail) = match error {
        kv::Error::Unavailable { .. } => (
            Code::StoreUnavailable,
            "The database did not respond in time. Try again.",
        ),
        kv::Error::Full { .. } => (
            Code::StoreFull,
            "The database has no space left. Reading and deleting still work.",
        ),
        error => return ApiError::internal(domain::Error::Store(error)),
    };
    ApiError::new(code, detail).with_cause(error)
}

fn quota_exceeded(usage: domain::usage::Usage) -> ApiError {
    let detail = format!(
        "The tenant uses {} of its quota `{}` of {}, and this request needs more. {}",
        usage.used,
        usage.quota.as_str(),
        usage.limit.unwrap_or_default(),
        advice(usage.quota),
    );
    ApiError {
        quota: Some(Box::new(usage.into())),
        ..ApiError::new(Code::QuotaExceeded, detail)
    }
}

fn last_owner(organizations: Vec<(domain::TenantId, String)>) -> ApiError {
    ApiError {
        organizations: organizations.into_iter().map(OrganizationBody::from).collect(),
        ..ApiError::new(
            Code::LastOwner,
            "Organisations would lose their last owner; see `organizations`. Make another member an owner, or delete \
             them.",
        )
    }
}

/// The error for a personal access token that was valid once.
fn expired_personal_token() -> ApiError {
    ApiError::new(
        Code::ExpiredToken,
        "The personal access token has expired. Create another one.",
    )
}

/// The error for a personal access token that lacks this scope; `None` if only a login may do it.
fn insufficient_scope(scope: Option<Scope>) -> ApiError {
    let detail = match scope {
        Some(scope) => format!(
            "The personal access token needs the scope `{}` for this.",
            scope.as_str()
        )
        .into(),
        None => Cow::Borrowed(
            "No scope of a personal access token allows this. Log in, and use the access token of the login.",
        ),
    };
    ApiError {
        scope,
        ..ApiError::new(Code::InsufficientScope, detail)
    }
}

/// The error for a user with as many personal access tokens as a user may have.
fn too_many_access_tokens(used: usize, limit: usize) -> ApiError {
    let detail = format!("The user has {used} of {limit} personal access tokens. Revoke one that is not used.");
    ApiError {
        quota: Some(Box::new(QuotaBody::fixed("accessTokens", used, limit))),
        ..ApiError::new(Code::QuotaExceeded, detail)
    }
}

/// The error for an account with more sessions than an export can have.
fn export_too_large(used: usize, limit: usize) -> ApiError {
    ApiError {
        quota: Some(Box::new(QuotaBody::fixed("exportedSessions", used, limit))),
        ..ApiError::new(
            Code::QuotaExceeded,
            "The account has too many sessions for an export. Read the lists of sessions and events instead.",
        )
    }
}

/// The challenge for a token that lacks this scope (RFC 6750, section 3.1).
fn scope_challenge(scope: Option<Scope>) -> HeaderValue {
    let error = r#"Bearer error="insufficient_scope""#;
    let challenge = scope.map(|scope| format!(r#"{error}, scope="{}""#, scope.as_str()));
    challenge
        .and_then(|challenge| HeaderValue::try_from(challenge).ok())
        .unwrap_or(HeaderValue::from_static(error))
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        let headers = response.headers_mut();
        if self.code.status() == StatusCode::UNAUTHORIZED {
            // RFC 6750, section 3: the challenge has an error only if the request had a token.
            let challenge = match self.code {
                Code::InvalidToken | Code::ExpiredToken | Code::RevokedToken => r#"Bearer error="invalid_token""#,
                _ => "Bearer",
            };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self.code == Code::InsufficientScope {
            headers.insert(header::WWW_AUTHENTICATE, scope_challenge(self.scope));
        }
        if let Some(wait) = self.retry_after {
            // Whole seconds (RFC 9110, section 10.2.3), rounded up so that a client never retries too early.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use domain::Error;

    use super::*;

    fn of_operation(error: Error) -> ApiError {
        let error = Box::new(error);
        Error::Operation { index: 3, error }.into()
    }

    #[test]
    fn the_failure_of_an_operation_points_to_it() {
        let error = of_operation(Error::Exists);
        assert_eq!(error.code(), Code::Exists);
        assert_eq!(error.violations[0].pointer, "/operations/3");
        let error = of_operation(Error::EditRejected(Rejection("does not apply".to_owned())));
        assert_eq!(error.code(), Code::ValidationFailed);
        assert_eq!(error.violations[0].pointer, "/operations/3/edits");
        let usage = domain::usage::Usage {
            quota: Quota::StoredBytes,
            used: 10,
            limit: Some(10),
        };
        let error = of_operation(Error::QuotaExceeded(usage));
        assert!(error.quota.is_some());
        assert_eq!(error.violations[0].pointer, "/operations/3");
    }

    #[test]
    fn a_failure_that_is_not_the_clients_points_to_no_operation() {
        let why = "secret".to_owned();
        let kind = "file entry";
        let error = of_operation(Error::Corrupt { kind, why });
        assert!(error.violations.is_empty() && error.cause.is_some());
        assert!(!error.detail.contains("secret"));
    }
}
