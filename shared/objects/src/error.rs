//! The object store's errors, with the same meaning in a bucket and in a folder.
//!
//! A caller distinguishes three kinds:
//!
//! - [`Error::Unavailable`]: the same call may succeed later.
//! - [`Error::NotFound`], [`Error::Exists`], [`Error::Mismatch`], [`Error::PartTooSmall`], [`Error::Range`],
//!   [`Error::TooLarge`], [`Error::Unusable`]: the call does not fit the objects, or exceeds a limit.
//! - [`Error::Refused`], [`Error::Corrupt`]: the configuration, the store or this program is defective.
//!
//! No message contains a presigned URL or a credential.

use std::time::Duration;

/// A failure of the object store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The object or the upload does not exist.
    #[error("the object or the upload does not exist")]
    NotFound,
    /// Another object has the key. Nothing was written.
    #[error("an object with this key and another content exists")]
    Exists,
    /// The bytes differ from their announced length or checksum, or the parts from the uploaded ones.
    #[error("the content differs from its announcement: {why}")]
    Mismatch {
        /// What differs.
        why: String,
    },
    /// A part other than the last one has fewer bytes than
    /// [`Objects::min_part_len`](crate::Objects::min_part_len).
    #[error("a part other than the last one is too small")]
    PartTooSmall,
    /// The range starts after the end of the object.
    #[error("the range starts after the end of the object")]
    Range,
    /// A length or a number is over its limit.
    #[error("{what} may be at most {limit}")]
    TooLarge {
        /// What is limited, with its unit.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// An argument has no meaning for the store.
    #[error("{why}")]
    Unusable {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The store cannot serve the call now; the same call may succeed later. A write may have taken place: repeat it,
    /// because writing the same bytes again succeeds.
    #[error("the object store is unavailable: {cause}")]
    Unavailable {
        /// The reason.
        cause: Cause,
    },
    /// The store refuses the call for a reason that later calls share: credentials, permissions, region, bucket.
    #[error("the object store refuses the call with status {status} ({code}); check OBJECTS and the AWS credentials")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The store's error code.
        code: String,
    },
    /// A response or a file cannot be understood.
    #[error("the object store is corrupt: {why}")]
    Corrupt {
        /// What is wrong.
        why: String,
    },
}

/// The reason why the object store is unavailable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// All attempts failed.
    #[error("gave up after {attempts} attempts; in the last one, {last}")]
    Attempts {
        /// Number of attempts.
        attempts: u32,
        /// Why the last one failed.
        last: Box<Cause>,
    },
    /// No complete response arrived in time.
    #[error("no complete response arrived in {timeout:?}")]
    Timeout {
        /// The limit of the attempt.
        timeout: Duration,
    },
    /// The connection failed or broke.
    #[error("the connection failed: {why}")]
    Connection {
        /// The reason, without the URL.
        why: String,
    },
    /// The store asks for a later attempt.
    #[error("the server responded with status {status} ({code})")]
    Busy {
        /// The HTTP status.
        status: u16,
        /// The store's error code.
        code: String,
    },
    /// The disk failed or is full.
    #[error("the disk failed: {why}")]
    Disk {
        /// The operating system's message.
        why: String,
    },
}

impl Error {
    /// The variant's name for telemetry, in lower case.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Exists => "exists",
            Self::Mismatch { .. } => "mismatch",
            Self::PartTooSmall => "part_too_small",
            Self::Range => "range",
            Self::TooLarge { .. } => "too_large",
            Self::Unusable { .. } => "unusable",
            Self::Unavailable { .. } => "unavailable",
            Self::Refused { .. } => "refused",
            Self::Corrupt { .. } => "corrupt",
        }
    }

    pub(crate) fn corrupt(why: impl Into<String>) -> Self {
        Self::Corrupt { why: why.into() }
    }

    pub(crate) fn mismatch(why: impl Into<String>) -> Self {
        Self::Mismatch { why: why.into() }
    }

    pub(crate) fn disk(error: &std::io::Error) -> Self {
        Self::Unavailable {
            cause: Cause::Disk { why: error.to_string() },
        }
    }
}
