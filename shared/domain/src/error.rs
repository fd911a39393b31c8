//! Everything that can go wrong in an operation; the HTTP layer gives each error a code and a status.

use std::time::Duration;

use crate::access_tokens::Scope;
use crate::id::TenantId;
use crate::objects::ObjectError;
use crate::security::SecurityEvent;
use crate::text::Rejection;
use crate::uploads::UploadError;
use crate::usage::Usage;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation was rejected or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Login: no account has this email, or the password is wrong. Deliberately one error for both.
    #[error("email or password is wrong")]
    InvalidCredentials,
    /// The policy rejects a new password, for these reasons.
    #[error("the policy rejects the new password")]
    PasswordRejected(Vec<Rejection>),
    /// The changed preferences would be too long or too deep.
    #[error("the preferences were rejected")]
    PreferencesRejected(Rejection),
    /// The body is no picture, or one that is not accepted.
    #[error("the picture was rejected: {0}")]
    PictureRejected(Rejection),
    /// Login and recovery: the password or the token is right, but an operator has suspended the user.
    #[error("the account is suspended")]
    Suspended,
    /// Refreshing: the token is unknown, has expired, or was used before. Deliberately one error for all; operators
    /// also see the event.
    #[error("the refresh token is not valid")]
    InvalidRefreshToken(Option<SecurityEvent>),
    /// Too many attempts.
    #[error("too many attempts; the next one is possible in {} s", .wait.as_secs())]
    TooManyAttempts {
        /// The time until the next attempt.
        wait: Duration,
        /// Names the limit for operators.
        event: SecurityEvent,
    },
    /// The operation would exceed this quota of the tenant.
    #[error("the tenant uses {} of {} of its quota `{}`", .0.used, .0.limit.unwrap_or_default(), .0.quota.as_str())]
    QuotaExceeded(Usage),
    /// The mail token is unknown, has expired or was used, or a newer email has replaced it. Deliberately one
    /// error for all.
    #[error("the mail token is not valid")]
    InvalidMailToken,
    /// The new email is the one that the account has.
    #[error("the account has this email already")]
    SameEmail,
    /// The account's email has not been verified, and the deployment requires it.
    #[error("the email has not been verified")]
    EmailNotVerified,
    /// Registration: another account has this email.
    #[error("an account with this email exists")]
    EmailTaken,
    /// These organisations, with their names, would lose their last owner.
    #[error("{} organisations would lose their last owner", .0.len())]
    LastOwner(Vec<(TenantId, String)>),
    /// The resource does not exist in the caller's tenant.
    #[error("not found")]
    NotFound,
    /// No file or directory has this path.
    #[error("no file or directory has this path")]
    FileNotFound,
    /// The path is taken.
    #[error("a file or directory has this path already")]
    Exists,
    /// The directory contains entries, and the operation is not recursive.
    #[error("the directory is not empty")]
    NotEmpty,
    /// A name in the middle of the path is a file, or the operation needs a directory.
    #[error("it is not a directory")]
    NotADirectory,
    /// The operation needs a file.
    #[error("it is a directory")]
    IsADirectory,
    /// The directory would be moved into itself, or replace a directory that contains it.
    #[error("a directory cannot be moved into itself")]
    Cycle,
    /// The operation does not apply to the root directory.
    #[error("the root directory cannot be changed")]
    RootDirectory,
    /// A program would overwrite a file without saying which version.
    #[error("a personal access token may only overwrite a file under a precondition")]
    PreconditionRequired,
    /// The session does other work that excludes the operation: a restore, or many copies of directories.
    #[error("the session is busy")]
    SessionBusy,
    /// The directory has more entries than can be copied at once.
    #[error("the directory has too many entries for a copy")]
    DirectoryTooLarge,
    /// The edit does not apply to the file.
    #[error("the edit was rejected: {0}")]
    EditRejected(Rejection),
    /// The tenant has no content with the digest that the operation names.
    #[error("the tenant has no content with this digest")]
    UnknownContent,
    /// The operations write more than one transaction may.
    #[error("the operations write too much for one transaction")]
    ChangesetTooLarge,
    /// A rehearsal of operations has ended without a commit. Never leaves this crate.
    #[error("the rehearsal has ended")]
    Rehearsed,
    /// The operation of a changeset with this index, from 0, was rejected, so none was applied.
    #[error("operation {index}: {error}")]
    Operation {
        /// The index.
        index: usize,
        /// Why.
        error: Box<Self>,
    },
    /// The resource belongs to another tenant. Responses are those of [`NotFound`](Self::NotFound).
    #[error("the resource belongs to another tenant")]
    ForeignId,
    /// The resource's version is not one that the caller expects.
    #[error("the resource has another version than the caller expects")]
    PreconditionFailed,
    /// An earlier request with other values used the idempotency key.
    #[error("the idempotency key belongs to another request")]
    IdempotencyMismatch,
    /// The cursor is forged, or belongs to another list, filter or tenant.
    #[error("the cursor does not belong to this list")]
    BadCursor,
    /// The feed does not keep all changes after the cursor any more.
    #[error("changes after the cursor were removed")]
    ChangesRemoved,
    /// The caller is a member of the tenant, but their role does not grant the permission.
    #[error("the role in this tenant does not allow this")]
    Forbidden,
    /// The personal access token lacks this scope; `None` if only a login has the permission.
    #[error("the scopes of the personal access token do not allow this")]
    InsufficientScope(Option<Scope>),
    /// No personal access token has this digest, or not any more.
    #[error("the personal access token does not exist")]
    InvalidToken,
    /// The personal access token has expired.
    #[error("the personal access token has expired")]
    ExpiredToken,
    /// The user has as many personal access tokens as a user may have.
    #[error("the user has {used} of {limit} personal access tokens")]
    TooManyAccessTokens {
        /// The number of tokens.
        used: usize,
        /// Their maximum number.
        limit: usize,
    },
    /// The tenant has more sessions than an export can have.
    #[error("the export would have {used} sessions, and at most {limit} are possible")]
    ExportTooLarge {
        /// The number of sessions, or of those that were read.
        used: usize,
        /// The largest number.
        limit: usize,
    },
    /// The caller has not entered the password lately, which the operation requires.
    #[error("the caller has to enter the password first")]
    ReauthenticationRequired,
    /// The token is authentic, but its login has ended, its user is suspended, or no longer a member of the
    /// tenant.
    #[error("the login behind this token has ended")]
    Revoked,
    /// A stored value cannot be decoded; never the client's fault.
    #[error("stored {kind} cannot be read: {why}")]
    Corrupt {
        /// The kind of record, for the log.
        kind: &'static str,
        /// The decoder's message.
        why: String,
    },
    /// Password hashing failed, for example because memory ran out.
    #[error("password hashing failed: {0}")]
    Hashing(String),
    /// An upload cannot begin or continue.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The object store failed or did not respond.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// The store failed or did not respond.
    #[error(transparent)]
    Store(#[from] kv::Error),
}

impl Error {
    /// The security event behind the error, if it is one.
    pub fn security_event(&self) -> Option<SecurityEvent> {
        match self {
            Self::InvalidCredentials => Some(SecurityEvent::WrongPassword),
            Self::Suspended => Some(SecurityEvent::SuspendedAccount),
            Self::PasswordRejected(_) => Some(SecurityEvent::PasswordRejected),
            Self::InvalidRefreshToken(event) => *event,
            Self::TooManyAttempts { event, .. } => Some(*event),
            Self::Upload(UploadError::TooMany { .. })
            | Self::QuotaExceeded(_)
            | Self::TooManyAccessTokens { .. }
            | Self::ExportTooLarge { .. } => Some(SecurityEvent::QuotaExceeded),
            Self::IdempotencyMismatch => Some(SecurityEvent::IdempotencyMismatch),
            Self::Operation { error, .. } => error.security_event(),
            Self::ForeignId => Some(SecurityEvent::ForeignId),
            Self::BadCursor => Some(SecurityEvent::ForeignCursor),
            Self::Forbidden => Some(SecurityEvent::Forbidden),
            Self::InsufficientScope(_) => Some(SecurityEvent::InsufficientScope),
            Self::InvalidToken => Some(SecurityEvent::InvalidToken),
            Self::Revoked => Some(SecurityEvent::RevokedToken),
            Self::PreferencesRejected(_)
            | Self::PictureRejected(_)
            | Self::EmailTaken
            | Self::InvalidMailToken
            | Self::SameEmail
            | Self::EmailNotVerified
            | Self::LastOwner(_)
            | Self::NotFound
            | Self::FileNotFound
            | Self::Exists
            | Self::NotEmpty
            | Self::NotADirectory
            | Self::IsADirectory
            | Self::Cycle
            | Self::RootDirectory
            | Self::PreconditionRequired
            | Self::SessionBusy
            | Self::DirectoryTooLarge
            | Self::EditRejected(_)
            | Self::UnknownContent
            | Self::ChangesetTooLarge
            | Self::ChangesRemoved
            | Self::Rehearsed
            | Self::PreconditionFailed
            | Self::ReauthenticationRequired
            | Self::ExpiredToken
            | Self::Corrupt { .. }
            | Self::Hashing(_)
            | Self::Upload(_)
            | Self::Objects(_)
            | Self::Store(_) => None,
        }
    }
}

impl kv::RunError for Error {
    fn kv(&self) -> Option<&kv::Error> {
        match self {
            Self::Store(error) => Some(error),
            Self::Operation { error, .. } => error.kv(),
            _ => None,
        }
    }
}
