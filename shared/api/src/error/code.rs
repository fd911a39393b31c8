//! The error codes of the contract, listed once.

use axum::http::StatusCode;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::openapi::schema;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:ident, $title:literal;)+) => {
        /// What went wrong, for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $($(#[$doc])* $variant,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// The code as clients receive it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The status of a response with this code.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            /// The problem's title, the same for every occurrence.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }
        }
    };
}

codes! {
    /// The body is well-formed JSON, but values are bad or missing; or a parameter or a header has a bad value.
    ValidationFailed = "VALIDATION_FAILED", UNPROCESSABLE_ENTITY, "The request has bad values";
    /// The body is not JSON, not UTF-8, or not an object.
    MalformedBody = "MALFORMED_BODY", BAD_REQUEST, "The body is not a JSON object";
    /// The request is not valid HTTP.
    MalformedRequest = "MALFORMED_REQUEST", BAD_REQUEST, "The request is not valid HTTP";
    /// The body did not arrive in time.
    RequestTimeout = "REQUEST_TIMEOUT", REQUEST_TIMEOUT, "The body did not arrive in time";
    /// The email is unknown or the password is wrong.
    InvalidCredentials = "INVALID_CREDENTIALS", UNAUTHORIZED, "Email or password is wrong";
    /// The request has no access token.
    MissingToken = "MISSING_TOKEN", UNAUTHORIZED, "An access token is required";
    /// This API did not issue the access token, or it is a personal access token that was revoked.
    InvalidToken = "INVALID_TOKEN", UNAUTHORIZED, "The access token is not valid";
    /// The access token was valid, but has expired.
    ExpiredToken = "EXPIRED_TOKEN", UNAUTHORIZED, "The access token has expired";
    /// The access token's login has ended, or its user has no access any more.
    RevokedToken = "REVOKED_TOKEN", UNAUTHORIZED, "The login has ended";
    /// The refresh token is unknown, has expired, or was used before.
    InvalidRefreshToken = "INVALID_REFRESH_TOKEN", UNAUTHORIZED, "The refresh token is not valid";
    /// The path exists, but not with this method.
    MethodNotAllowed = "METHOD_NOT_ALLOWED", METHOD_NOT_ALLOWED, "Method not allowed";
    /// The body's media type is not JSON.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", UNSUPPORTED_MEDIA_TYPE, "The body's media type is not supported";
    /// The body is larger than the route accepts.
    BodyTooLarge = "BODY_TOO_LARGE", PAYLOAD_TOO_LARGE, "The body is too large";
    /// An unforeseen failure.
    Internal = "INTERNAL", INTERNAL_SERVER_ERROR, "Internal error";
    /// The caller's role is too low.
    Forbidden = "FORBIDDEN", FORBIDDEN, "The role does not allow this";
    /// The scopes of the personal access token do not allow it.
    InsufficientScope = "INSUFFICIENT_SCOPE", FORBIDDEN, "The token's scopes do not allow this";
    /// The password is right, but an operator has suspended the account.
    AccountSuspended = "ACCOUNT_SUSPENDED", FORBIDDEN, "The account is suspended";
    /// The deployment requires a verified email, and the account's is not.
    EmailNotVerified = "EMAIL_NOT_VERIFIED", FORBIDDEN, "The email is not verified";
    /// The password was not entered lately.
    ReauthenticationRequired = "REAUTHENTICATION_REQUIRED", FORBIDDEN, "The password is required again";
    /// The request uses cookies, and its origin may not.
    OriginNotAllowed = "ORIGIN_NOT_ALLOWED", FORBIDDEN, "The origin may not use cookies";
    /// The resource does not exist, or belongs to another tenant.
    NotFound = "NOT_FOUND", NOT_FOUND, "Not found";
    /// Another account has this email.
    EmailTaken = "EMAIL_TAKEN", CONFLICT, "Email already registered";
    /// Organisations would lose their last owner.
    LastOwner = "LAST_OWNER", CONFLICT, "An organisation would lose its last owner";
    /// A file or a directory has the path already.
    Exists = "EXISTS", CONFLICT, "The path is taken";
    /// The feed does not keep all changes after the cursor any more.
    CursorExpired = "CURSOR_EXPIRED", UNPROCESSABLE_ENTITY, "Changes after the cursor were removed";
    /// The directory contains entries.
    NotEmpty = "NOT_EMPTY", CONFLICT, "The directory is not empty";
    /// A part of the path is no directory.
    NotADirectory = "NOT_A_DIRECTORY", CONFLICT, "Not a directory";
    /// The path is that of a directory, and not of a file.
    IsADirectory = "IS_A_DIRECTORY", CONFLICT, "Is a directory";
    /// The directory would be moved into itself.
    Cycle = "CYCLE", CONFLICT, "A directory cannot contain itself";
    /// The session does other work that excludes the request.
    SessionBusy = "SESSION_BUSY", CONFLICT, "The session is busy";
    /// A program would overwrite a file without a precondition.
    PreconditionRequired = "PRECONDITION_REQUIRED", PRECONDITION_REQUIRED, "A precondition is required";
    /// The resource's version does not meet the request's preconditions.
    PreconditionFailed = "PRECONDITION_FAILED", PRECONDITION_FAILED, "The resource has another version";
    /// The range begins beyond the end of the file.
    RangeNotSatisfiable = "RANGE_NOT_SATISFIABLE", RANGE_NOT_SATISFIABLE, "The range is beyond the end";
    /// The idempotency key belongs to another request.
    IdempotencyMismatch = "IDEMPOTENCY_MISMATCH", UNPROCESSABLE_ENTITY,
        "The idempotency key belongs to another request";
    /// The client has to wait before the next attempt.
    TooManyAttempts = "TOO_MANY_ATTEMPTS", TOO_MANY_REQUESTS, "Too many attempts";
    /// The request would exceed a quota of the tenant.
    QuotaExceeded = "QUOTA_EXCEEDED", INSUFFICIENT_STORAGE, "A quota is used up";
    /// The server, or a client, has as many connections or requests in progress as it may have.
    TooManyConnections = "TOO_MANY_CONNECTIONS", SERVICE_UNAVAILABLE, "The server has too many connections";
    /// The store did not respond within the deadline.
    StoreUnavailable = "STORE_UNAVAILABLE", SERVICE_UNAVAILABLE, "The database did not respond";
    /// The store's disk is full; deletions still succeed.
    StoreFull = "STORE_FULL", INSUFFICIENT_STORAGE, "The database is full";
}

impl Code {
    /// The problem type's URI.
    pub fn uri(self) -> String {
        format!(
            "https://api.coditect.ai/problems/{}",
            self.as_str().to_ascii_lowercase().replace('_', "-")
        )
    }
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
