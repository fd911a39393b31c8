//! Failures as the contract has them: a code, a status, a text for the caller, and a cause for the log.
//!
//! An [`ApiError`] becomes a response without a body that carries the error along; the edge, which knows the request's
//! id, writes the problem document (RFC 9457) and logs the cause, once. The cause is never sent.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::text::Rejection;
use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::openapi::schema;

/// Every code of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// Well-formed JSON, bad values or missing members.
    ValidationFailed,
    /// Not JSON, not UTF-8, or not an object.
    MalformedBody,
    /// Unknown email or wrong password.
    InvalidCredentials,
    /// No token was sent.
    MissingToken,
    /// The token is not one of ours.
    InvalidToken,
    /// The token was one of ours.
    ExpiredToken,
    /// The token's login has ended.
    RevokedToken,
    /// The refresh token is unknown, has expired, or was used before.
    InvalidRefreshToken,
    /// The path knows other methods.
    MethodNotAllowed,
    /// The body is not JSON by its media type.
    UnsupportedMediaType,
    /// The body is larger than the route takes.
    BodyTooLarge,
    /// Anything unforeseen.
    Internal,
    /// The role is too low.
    Forbidden,
    /// Absent, or another tenant's.
    NotFound,
    /// Another account holds the email.
    EmailTaken,
    /// The version is not one that the request names.
    PreconditionFailed,
    /// The idempotency key belongs to another request.
    IdempotencyMismatch,
    /// The next attempt has to wait.
    TooManyAttempts,
    /// The database did not answer within the deadline.
    StoreUnavailable,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::ValidationFailed,
        Self::MalformedBody,
        Self::InvalidCredentials,
        Self::MissingToken,
        Self::InvalidToken,
        Self::ExpiredToken,
        Self::RevokedToken,
        Self::InvalidRefreshToken,
        Self::MethodNotAllowed,
        Self::UnsupportedMediaType,
        Self::BodyTooLarge,
        Self::Internal,
        Self::Forbidden,
        Self::NotFound,
        Self::EmailTaken,
        Self::PreconditionFailed,
        Self::IdempotencyMismatch,
        Self::TooManyAttempts,
        Self::StoreUnavailable,
    ];

    /// The code as it is sent.
    pub fn as_str(self) -> &'static str {
        self.parts().0
    }

    /// Its status.
    pub fn status(self) -> StatusCode {
        self.parts().1
    }

    /// What it is called, the same for every occurrence.
    pub fn title(self) -> &'static str {
        self.parts().2
    }

    /// The problem type's URI.
    pub fn uri(self) -> String {
        format!(
            "https://api.coditect.ai/problems/{}",
            self.as_str().to_ascii_lowercase().replace('_', "-")
        )
    }

    fn parts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::ValidationFailed => (
                "VALIDATION_FAILED",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The request has bad values",
            ),
            Self::MalformedBody => (
                "MALFORMED_BODY",
                StatusCode::BAD_REQUEST,
                "The body is not a JSON object",
            ),
            Self::InvalidCredentials => (
                "INVALID_CREDENTIALS",
                StatusCode::UNAUTHORIZED,
                "Email or password is wrong",
            ),
            Self::MissingToken => ("MISSING_TOKEN", StatusCode::UNAUTHORIZED, "An access token is required"),
            Self::InvalidToken => (
                "INVALID_TOKEN",
                StatusCode::UNAUTHORIZED,
                "The access token is not valid",
            ),
            Self::ExpiredToken => (
                "EXPIRED_TOKEN",
                StatusCode::UNAUTHORIZED,
                "The access token has expired",
            ),
            Self::InvalidRefreshToken => (
                "INVALID_REFRESH_TOKEN",
                StatusCode::UNAUTHORIZED,
                "The refresh token is not valid",
            ),
            Self::PreconditionFailed => (
                "PRECONDITION_FAILED",
                StatusCode::PRECONDITION_FAILED,
                "The resource has another version",
            ),
            Self::IdempotencyMismatch => (
                "IDEMPOTENCY_MISMATCH",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The idempotency key belongs to another request",
            ),
            Self::TooManyAttempts => ("TOO_MANY_ATTEMPTS", StatusCode::TOO_MANY_REQUESTS, "Too many attempts"),
            Self::RevokedToken => ("REVOKED_TOKEN", StatusCode::UNAUTHORIZED, "The login has ended"),
            Self::MethodNotAllowed => (
                "METHOD_NOT_ALLOWED",
                StatusCode::METHOD_NOT_ALLOWED,
                "Method not allowed",
            ),
            Self::UnsupportedMediaType => (
                "UNSUPPORTED_MEDIA_TYPE",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body's media type is not supported",
            ),
            Self::BodyTooLarge => ("BODY_TOO_LARGE", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::Internal => ("INTERNAL", StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
            Self::Forbidden => ("FORBIDDEN", StatusCode::FORBIDDEN, "The role does not allow this"),
            Self::NotFound => ("NOT_FOUND", StatusCode::NOT_FOUND, "Not found"),
            Self::EmailTaken => ("EMAIL_TAKEN", StatusCode::CONFLICT, "Email already registered"),
            Self::StoreUnavailable => (
                "STORE_UNAVAILABLE",
                StatusCode::SERVICE_UNAVAILABLE,
                "The database did not answer",
            ),
        }
    }
}

/// One bad value of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Violation {
    /// Where: a JSON Pointer (RFC 6901) into the body, or to the query parameter or the header of that name.
    #[schema(format = "json-pointer", max_length = 200, example = "/name")]
    pub pointer: String,
    /// Why, as a sentence about the value.
    #[schema(min_length = 1, max_length = 500, example = "is required")]
    pub message: String,
}

/// A failure on its way to the caller.
#[derive(Clone, Debug)]
pub struct ApiError {
    pub(crate) code: Code,
    pub(crate) detail: Cow<'static, str>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) cause: Option<Arc<str>>,
    pub(crate) retry_after: Option<Duration>,
}

impl ApiError {
    /// A failure with a text for the caller.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            violations: Vec::new(),
            cause: None,
            retry_after: (code == Code::StoreUnavailable).then_some(Duration::from_secs(1)),
        }
    }

    /// Bad values, each with its place.
    pub fn invalid(violations: Vec<Violation>) -> Self {
        let detail = match &violations[..] {
            [Violation { pointer, message }] => format!("{pointer} {message}."),
            _ => format!(
                "{} values are missing or not acceptable; see `errors`.",
                violations.len()
            ),
        };
        Self {
            violations,
            ..Self::new(Code::ValidationFailed, detail)
        }
    }

    /// Something unforeseen; `cause` is for the log.
    pub fn internal(cause: impl Display) -> Self {
        Self::new(
            Code::Internal,
            "Something went wrong on our side. Quote the request id when you report it.",
        )
        .with_cause(cause)
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Notes a cause for the log.
    #[must_use]
    pub fn with_cause(self, cause: impl Display) -> Self {
        Self {
            cause: Some(cause.to_string().into()),
            ..self
        }
    }
}

impl From<domain::Error> for ApiError {
    fn from(error: domain::Error) -> Self {
        use domain::Error;
        match error {
            Error::InvalidCredentials => Self::new(Code::InvalidCredentials, "No account has this email and password."),
            Error::PreconditionFailed => Self::new(
                Code::PreconditionFailed,
                "The resource's version is not one that `If-Match` and `If-None-Match` ask for. Get it again.",
            ),
            Error::IdempotencyMismatch => Self::new(
                Code::IdempotencyMismatch,
                "This `Idempotency-Key` was used for a request with other values, or for a registration whose account has \
                 another password by now. Use a new key for a new request.",
            ),
            Error::BadCursor => Self::invalid(vec![violation("/cursor", &domain::page::invalid_cursor())]),
            Error::PasswordRejected(reasons) => Self::invalid(
                reasons
                    .iter()
                    .map(|refused| violation("/newPassword", refused))
                    .collect(),
            ),
            Error::InvalidRefreshToken => Self::new(
                Code::InvalidRefreshToken,
                "The refresh token is unknown, has expired, or was used before. Log in again.",
            ),
            Error::TooManyAttempts { wait } => Self {
                retry_after: Some(wait),
                ..Self::new(
                    Code::TooManyAttempts,
                    "Too many attempts. Wait as long as the header `Retry-After` says.",
                )
            },
            Error::EmailTaken => Self::new(Code::EmailTaken, "An account with this email exists."),
            Error::NotFound => Self::new(Code::NotFound, "There is nothing here that this token may see."),
            Error::Forbidden => Self::new(Code::Forbidden, "The role in this tenant does not allow this."),
            Error::Revoked => Self::new(
                Code::RevokedToken,
                "The login behind this token has ended. Log in again.",
            ),
            Error::Store(error @ kv::Error::Unavailable { .. }) => Self::new(
                Code::StoreUnavailable,
                "The database did not answer in time. Try again.",
            )
            .with_cause(error),
            Error::Store(_) | Error::Corrupt { .. } | Error::Hashing(_) => Self::internal(error),
        }
    }
}

impl From<jwt::Rejection> for ApiError {
    fn from(refusal: jwt::Rejection) -> Self {
        match refusal {
            jwt::Rejection::Expired(_) => expired_token(),
            jwt::Rejection::Invalid(_) => {
                Self::new(Code::InvalidToken, "The access token is not one that this API issued.").with_cause(refusal)
            }
        }
    }
}

impl From<jwt::SignError> for ApiError {
    fn from(error: jwt::SignError) -> Self {
        Self::internal(error)
    }
}

/// The refusal of a token that was one of ours.
pub(crate) fn expired_token() -> ApiError {
    ApiError::new(
        Code::ExpiredToken,
        "The access token has expired. Get the next one with the refresh token, or log in again.",
    )
}

/// A refusal of the value at `pointer`.
pub(crate) fn violation(pointer: &str, refused: &Rejection) -> Violation {
    Violation {
        pointer: pointer.to_owned(),
        message: refused.to_string(),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        let headers = response.headers_mut();
        if self.code.status() == StatusCode::UNAUTHORIZED {
            // RFC 6750, section 3: the error is named only if a token was sent.
            let challenge = match self.code {
                Code::InvalidToken | Code::ExpiredToken | Code::RevokedToken => r#"Bearer error="invalid_token""#,
                _ => "Bearer",
            };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(wait) = self.retry_after {
            // In whole seconds (RFC 9110, section 10.2.3), and never too early.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// A failure, as a problem document (RFC 9457).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Problem<'a> {
    /// Always false.
    #[schema(schema_with = never)]
    success: bool,
    /// The problem's type: the same for every problem with this code.
    #[serde(rename = "type")]
    #[schema(
        format = "uri",
        max_length = 100,
        example = "https://api.coditect.ai/problems/not-found"
    )]
    uri: String,
    /// What it is called: the same for every problem with this code.
    #[schema(min_length = 1, max_length = 100, example = "Not found")]
    title: &'static str,
    /// The answer's status.
    #[schema(minimum = 400, maximum = 599, example = 404)]
    status: u16,
    /// What happened this time, for people.
    #[schema(
        min_length = 1,
        max_length = 500,
        example = "There is nothing here that this token may see."
    )]
    detail: &'a str,
    /// What happened, for programs.
    #[schema(value_type = Code)]
    code: &'static str,
    /// The request's id, as in the header `X-Request-Id`.
    #[schema(value_type = schema::RequestId)]
    request_id: &'a str,
    /// Every bad value; with `VALIDATION_FAILED` alone.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<Violation>, required = false, min_items = 1, max_items = 100)]
    errors: &'a [Violation],
}

fn never() -> RefOr<Schema> {
    schema::constant(false)
}

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        schema::text()
            .description(Some("What went wrong, for programs."))
            .enum_values(Some(Self::ALL.map(Self::as_str)))
            .into()
    }
}

impl ToSchema for Code {}

impl<'a> Problem<'a> {
    pub(crate) fn new(error: &'a ApiError, request_id: &'a str) -> Self {
        Self {
            success: false,
            uri: error.code.uri(),
            title: error.code.title(),
            status: error.code.status().as_u16(),
            detail: &error.detail,
            code: error.code.as_str(),
            request_id,
            errors: &error.violations,
        }
    }
}
