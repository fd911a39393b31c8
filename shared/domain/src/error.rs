//! What can go wrong in an operation, in the product's words; the HTTP edge gives each a code and a status.

use crate::text::Rejection;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation was refused or could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Login: no such email, or not its password; deliberately one answer for both.
    #[error("email or password is wrong")]
    InvalidCredentials,
    /// The policy refuses a new password, for these reasons.
    #[error("the new password is not acceptable")]
    PasswordRejected(Vec<Rejection>),
    /// Refreshing: the token is unknown, has expired, or was used before; deliberately one answer for all.
    #[error("the refresh token is not valid")]
    InvalidRefreshToken,
    /// Too many attempts; how long to wait before the next.
    #[error("too many attempts; the next one may come in {} s", .wait.as_secs())]
    TooManyAttempts {
        /// How long to wait.
        wait: std::time::Duration,
    },
    /// Registration: another account holds the email.
    #[error("an account with this email exists")]
    EmailTaken,
    /// The resource does not exist in the caller's tenant.
    #[error("not found")]
    NotFound,
    /// The version that was found is not one that the caller expects.
    #[error("the version is another one")]
    PreconditionFailed,
    /// The idempotency key was used before, for something else.
    #[error("the idempotency key belongs to another request")]
    IdempotencyMismatch,
    /// The cursor was not made by this list with this filter.
    #[error("the cursor is not one of this list")]
    BadCursor,
    /// The tenant is the caller's, but their role does not allow this.
    #[error("the role in this tenant does not allow this")]
    Forbidden,
    /// The token is authentic, but its login has ended.
    #[error("the login behind this token has ended")]
    Revoked,
    /// A stored value is not what this version writes; never the caller's fault.
    #[error("stored {kind} cannot be read: {why}")]
    Corrupt {
        /// The kind of record, for the log.
        kind: &'static str,
        /// What the decoder said.
        why: String,
    },
    /// Password hashing failed, for want of memory for example.
    #[error("password hashing failed: {0}")]
    Hashing(String),
    /// The store refused or did not answer.
    #[error(transparent)]
    Store(#[from] kv::Error),
}

impl kv::RunError for Error {
    fn kv(&self) -> Option<&kv::Error> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}
