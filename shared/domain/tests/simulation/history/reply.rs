//! The replies of operations.

use std::time::Duration;

use domain::logins::{Login, SignedIn};
use domain::sessions::Session;
use domain::usage::Usage;
use domain::users::profile::Account;
use domain::{Error, audit};
use kv::Cause;

/// The result of a call.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    SignedIn(Box<SignedIn>),
    Session(Box<Session>),
    /// The session that an earlier request with the same idempotency key created.
    SessionReplayed(Box<Session>),
    Sessions(Vec<Session>),
    Logins(Vec<Login>),
    Account(Box<Account>),
    Audit(audit::ops::Page),
    Done,
    /// The number of logins that the operation ended.
    Ended(usize),
    /// There was nothing to change.
    Unchanged,
    EmailTaken,
    InvalidCredentials,
    InvalidRefreshToken,
    TooManyAttempts(Duration),
    QuotaExceeded(Usage),
    NotFound,
    IdempotencyMismatch,
    PreconditionFailed,
    Revoked,
    ReauthenticationRequired,
    Suspended,
    /// The operation may have taken effect, or may still do so.
    Unknown,
    /// The operation did not take effect and never will.
    NotExecuted,
    /// A reply that no operation may give.
    Unexpected(String),
}

impl Reply {
    /// The names of the replies that must occur, so that no case stays untested.
    pub(crate) const NAMES: [&str; 23] = [
        "signed in",
        "session",
        "session replayed",
        "sessions",
        "logins",
        "account",
        "audit events",
        "done",
        "ended",
        "unchanged",
        "email taken",
        "invalid credentials",
        "invalid refresh token",
        "too many attempts",
        "quota exceeded",
        "not found",
        "idempotency mismatch",
        "precondition failed",
        "revoked",
        "reauthentication required",
        "suspended",
        "unknown",
        "not executed",
    ];

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::SignedIn(_) => "signed in",
            Self::Session(_) => "session",
            Self::SessionReplayed(_) => "session replayed",
            Self::Sessions(_) => "sessions",
            Self::Logins(_) => "logins",
            Self::Account(_) => "account",
            Self::Audit(_) => "audit events",
            Self::Done => "done",
            Self::Ended(_) => "ended",
            Self::Unchanged => "unchanged",
            Self::EmailTaken => "email taken",
            Self::InvalidCredentials => "invalid credentials",
            Self::InvalidRefreshToken => "invalid refresh token",
            Self::TooManyAttempts(_) => "too many attempts",
            Self::QuotaExceeded(_) => "quota exceeded",
            Self::NotFound => "not found",
            Self::IdempotencyMismatch => "idempotency mismatch",
            Self::PreconditionFailed => "precondition failed",
            Self::Revoked => "revoked",
            Self::ReauthenticationRequired => "reauthentication required",
            Self::Suspended => "suspended",
            Self::Unknown => "unknown",
            Self::NotExecuted => "not executed",
            Self::Unexpected(_) => "unexpected",
        }
    }

    /// Whether the reply states that the operation took effect, or found that it had nothing to change.
    pub(crate) fn is_success(&self) -> bool {
        matches!(
            self,
            Self::SignedIn(_)
                | Self::Session(_)
                | Self::SessionReplayed(_)
                | Self::Sessions(_)
                | Self::Logins(_)
                | Self::Account(_)
                | Self::Audit(_)
                | Self::Done
                | Self::Ended(_)
                | Self::Unchanged
        )
    }
}

impl From<Error> for Reply {
    fn from(error: Error) -> Self {
        match error {
            Error::EmailTaken => Self::EmailTaken,
            Error::InvalidCredentials => Self::InvalidCredentials,
            Error::InvalidRefreshToken(_) => Self::InvalidRefreshToken,
            Error::TooManyAttempts { wait, .. } => Self::TooManyAttempts(wait),
            Error::QuotaExceeded(usage) => Self::QuotaExceeded(usage),
            Error::NotFound | Error::ForeignId => Self::NotFound,
            Error::IdempotencyMismatch => Self::IdempotencyMismatch,
            Error::PreconditionFailed => Self::PreconditionFailed,
            Error::Revoked => Self::Revoked,
            Error::ReauthenticationRequired => Self::ReauthenticationRequired,
            Error::Suspended => Self::Suspended,
            Error::Store(kv::Error::Unavailable {
                cause: Cause::Undecided { .. },
            }) => Self::Unknown,
            Error::Store(kv::Error::Unavailable { .. } | kv::Error::Full { .. }) => Self::NotExecuted,
            error => Self::Unexpected(error.to_string()),
        }
    }
}
