//! The store's errors, with the same meaning on every engine.
//!
//! A caller of [`Db::run`](crate::Db::run) distinguishes four kinds:
//!
//! - [`Error::Unavailable`]: the same request may succeed later.
//! - [`Error::Full`]: the disk is full, and only deletions succeed.
//! - The `…TooLarge` errors and [`Error::TooManyAppends`]: the request exceeds a limit.
//! - All others: a defect in the program or in the store.
//!
//! [`Error::Conflict`], [`Error::CommitUnknown`] and [`Error::TooOld`] occur only inside the closure. Return them with
//! `?`, and `run` retries. When it gives up, it returns [`Error::Unavailable`].

use std::path::PathBuf;
use std::time::Duration;

use crate::limits::{MAX_KEY_LEN, MAX_TRANSACTION_LEN, MAX_VALUE_LEN};

/// A failure of the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Another transaction wrote what this one had read, and committed first.
    #[error("another transaction changed what this one had read")]
    Conflict,
    /// The outcome of the commit is unknown.
    #[error("the store did not report whether the transaction was committed")]
    CommitUnknown,
    /// The transaction ran for longer than the store keeps its snapshot.
    #[error("the transaction ran for longer than the store keeps its snapshot")]
    TooOld,
    /// The store cannot serve the request now; the same request may succeed later.
    #[error("the store is unavailable: {cause}")]
    Unavailable {
        /// The reason.
        cause: Cause,
    },
    /// The disk is full or over its quota, or the store has reached its largest size; nothing was committed.
    ///
    /// Only transactions that [may use the reserve](crate::Txn::use_reserve) still succeed. FoundationDB never returns
    /// this error.
    #[error("the store is full: {why}")]
    Full {
        /// The limit that was reached.
        why: String,
    },
    /// A key is longer than [`MAX_KEY_LEN`], its root included.
    #[error("a key of {len} bytes (its root included) is over the limit of {MAX_KEY_LEN} bytes")]
    KeyTooLarge {
        /// Bytes of the key, its root included.
        len: usize,
    },
    /// A value is longer than [`MAX_VALUE_LEN`].
    #[error("a value of {len} bytes is over the limit of {MAX_VALUE_LEN} bytes")]
    ValueTooLarge {
        /// Bytes of the value.
        len: usize,
    },
    /// A transaction's writes exceed [`MAX_TRANSACTION_LEN`].
    #[error("a transaction with {len} bytes of writes is over the limit of {MAX_TRANSACTION_LEN} bytes")]
    TransactionTooLarge {
        /// Bytes of all writes as [`MAX_TRANSACTION_LEN`] counts them, including the rejected write.
        len: usize,
    },
    /// A transaction appended more than 65,536 times.
    #[error("a transaction can append at most 65536 entries")]
    TooManyAppends,
    /// The store could not be opened.
    #[error("cannot open the store in {}: {why}", folder.display())]
    Open {
        /// The folder (or file) in the settings.
        folder: PathBuf,
        /// The reason.
        why: String,
    },
    /// The FoundationDB cluster file cannot be used.
    #[error(
        "cannot use the FoundationDB cluster file {} (see FDB_CLUSTER_FILE and FDB_CLUSTER): {why}",
        file.display()
    )]
    Cluster {
        /// The cluster file in use.
        file: PathBuf,
        /// The reason.
        why: String,
    },
    /// A key does not consist of the expected elements.
    #[error("a key does not decode: {why}")]
    BadKey {
        /// The tuple layer's message.
        why: String,
    },
    /// The store's data is damaged.
    #[error("the store is corrupt: {why}")]
    Corrupt {
        /// The engine's message.
        why: String,
    },
    /// The store was misused, or failed in a way that has no error of its own.
    #[error("the store failed: {why}")]
    Engine {
        /// The engine's message.
        why: String,
    },
}

/// The reason why the store is unavailable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The deadline passed, and nothing was committed.
    #[error("the deadline of {deadline:?} passed in attempt {attempts}; nothing was committed")]
    Deadline {
        /// The time limit of the transaction.
        deadline: Duration,
        /// Number of attempts started.
        attempts: u32,
    },
    /// The deadline passed during a commit, which may or may not have taken place.
    #[error("the deadline of {deadline:?} passed in attempt {attempts} during the commit, which may have taken place")]
    Undecided {
        /// The time limit of the transaction.
        deadline: Duration,
        /// Number of attempts started.
        attempts: u32,
    },
    /// All attempts that the settings allow have failed.
    #[error("gave up after {attempts} attempts; in the last one, {last}")]
    Attempts {
        /// Number of attempts.
        attempts: u32,
        /// The error of the last one.
        last: Box<Error>,
    },
    /// The disk is failing; nothing was committed.
    #[error("the disk does not take the write: {why}")]
    Disk {
        /// The operating system's message.
        why: String,
    },
    /// The maximum number of open snapshots is reached.
    #[error("too many transactions are reading at the same time")]
    Readers,
    /// The engine is overloaded and requests a pause.
    #[error("the store is busy: {why}")]
    Busy {
        /// The engine's message.
        why: String,
    },
    /// The engine is stopped or unreachable.
    #[error("{why}")]
    Engine {
        /// The engine's message.
        why: String,
    },
}

impl Error {
    /// The variant's name for telemetry, in lower case. It contains no message, which may name a path or a host.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::CommitUnknown => "commit_unknown",
            Self::TooOld => "too_old",
            Self::Unavailable { .. } => "unavailable",
            Self::Full { .. } => "full",
            Self::KeyTooLarge { .. }
            | Self::ValueTooLarge { .. }
            | Self::TransactionTooLarge { .. }
            | Self::TooManyAppends => "too_large",
            Self::Open { .. } | Self::Cluster { .. } | Self::BadKey { .. } | Self::Corrupt { .. } => "defect",
            Self::Engine { .. } => "engine",
        }
    }

    /// Whether [`Db::run`](crate::Db::run) retries after this error, because a new attempt may succeed soon.
    ///
    /// A full disk is not retried: it does not become free within a request.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Conflict
                | Self::CommitUnknown
                | Self::TooOld
                | Self::Unavailable {
                    cause: Cause::Readers | Cause::Busy { .. }
                }
        )
    }
}

impl From<foundationdb_tuple::PackError> for Error {
    fn from(error: foundationdb_tuple::PackError) -> Self {
        Self::BadKey { why: error.to_string() }
    }
}

/// The error type of a closure for [`Db::run`](crate::Db::run). It can contain the store's error, so that `run` can
/// detect when to retry.
pub trait RunError: From<Error> {
    /// The store's error that this error contains, if any.
    fn kv(&self) -> Option<&Error>;
}

impl RunError for Error {
    fn kv(&self) -> Option<&Error> {
        Some(self)
    }
}
