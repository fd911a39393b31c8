//! What can go wrong in the store, in terms that mean the same on every engine.
//!
//! A caller of [`Db::run`](crate::Db::run) needs to tell apart only three kinds: [`Error::Unavailable`] (try again later), the
//! `…TooLarge` errors and [`Error::TooManyAppends`] (the request asks too much), and the rest (a defect or a broken store).
//! [`Error::Conflict`], [`Error::CommitUnknown`] and [`Error::TooOld`] are met inside the closure only: pass them on with `?`
//! and `run` tries again; once it gives up it answers [`Error::Unavailable`].

use std::path::PathBuf;
use std::time::Duration;

use crate::txn::{MAX_KEY_LEN, MAX_TRANSACTION_LEN, MAX_VALUE_LEN};

/// A failure of the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Something this transaction read was written by another one before it committed.
    #[error("another transaction changed what this one had read")]
    Conflict,
    /// The store did not say whether the commit took place.
    #[error("the store did not say whether the transaction was committed")]
    CommitUnknown,
    /// The transaction outlived the time the store keeps its snapshot for.
    #[error("the transaction ran for longer than the store keeps its snapshot")]
    TooOld,
    /// The store cannot serve now; the same request may succeed later.
    #[error("the store is unavailable: {cause}")]
    Unavailable {
        /// What stands in the way.
        cause: Cause,
    },
    /// A key, with the root, is over [`MAX_KEY_LEN`] bytes.
    #[error("a key of {len} bytes (its root included) is over the limit of {MAX_KEY_LEN} bytes")]
    KeyTooLarge {
        /// Bytes of the key and its root.
        len: usize,
    },
    /// A value is over [`MAX_VALUE_LEN`] bytes.
    #[error("a value of {len} bytes is over the limit of {MAX_VALUE_LEN} bytes")]
    ValueTooLarge {
        /// Bytes of the value.
        len: usize,
    },
    /// The writes of one transaction are over [`MAX_TRANSACTION_LEN`] bytes.
    #[error("a transaction with {len} bytes of writes is over the limit of {MAX_TRANSACTION_LEN} bytes")]
    TransactionTooLarge {
        /// Bytes of all writes as [`MAX_TRANSACTION_LEN`] counts them, with the write that was refused.
        len: usize,
    },
    /// A transaction appended more than 65,536 times.
    #[error("a transaction can append at most 65536 entries")]
    TooManyAppends,
    /// The store could not be opened.
    #[error("cannot open the store in {}: {why}", folder.display())]
    Open {
        /// The folder (or file) the settings name.
        folder: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The cluster file can not be used.
    #[error("cannot use the FoundationDB cluster file {} (see FDB_CLUSTER_FILE and FDB_CLUSTER): {why}", file.display())]
    Cluster {
        /// The file that the settings lead to.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A key does not hold the elements it was expected to hold.
    #[error("a key does not decode: {why}")]
    BadKey {
        /// What the tuple layer found.
        why: String,
    },
    /// The store's data is damaged.
    #[error("the store is corrupt: {why}")]
    Corrupt {
        /// What the engine found.
        why: String,
    },
    /// The store was misused, or failed in a way that has no better name here.
    #[error("the store failed: {why}")]
    Engine {
        /// What the engine said.
        why: String,
    },
}

/// Why the store is unavailable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The deadline passed and nothing was committed.
    #[error("the deadline of {deadline:?} passed in attempt {attempts}; nothing was committed")]
    Deadline {
        /// The time the whole run had.
        deadline: Duration,
        /// Attempts begun.
        attempts: u32,
    },
    /// The deadline passed while the commit was being written; it may or may not have taken place.
    #[error("the deadline of {deadline:?} passed in attempt {attempts} during the commit, which may have taken place")]
    Undecided {
        /// The time the whole run had.
        deadline: Duration,
        /// Attempts begun.
        attempts: u32,
    },
    /// Every attempt allowed by the settings failed.
    #[error("gave up after {attempts} attempts; in the last one, {last}")]
    Attempts {
        /// Attempts made.
        attempts: u32,
        /// The error of the last one.
        last: Box<Error>,
    },
    /// The disk is full, over quota, or failing; nothing was committed.
    #[error("the disk does not take the write: {why}")]
    Disk {
        /// What the operating system said.
        why: String,
    },
    /// All snapshots the store can keep at once are in use.
    #[error("too many transactions are reading at once")]
    Readers,
    /// The engine asks to be left alone for a moment.
    #[error("the store is busy: {why}")]
    Busy {
        /// What the engine said.
        why: String,
    },
    /// The engine is stopped or cannot be reached.
    #[error("{why}")]
    Engine {
        /// What the engine said.
        why: String,
    },
}

impl Error {
    /// Whether a fresh attempt may succeed at once, so that [`Db::run`](crate::Db::run) makes one.
    ///
    /// A full disk is not among them: waiting inside the request does not empty it.
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

/// The error of a closure given to [`Db::run`](crate::Db::run): it can carry the store's own error, so that `run` knows when
/// to try again.
pub trait RunError: From<Error> {
    /// The store's error in it, if that is what it is.
    fn kv(&self) -> Option<&Error>;
}

impl RunError for Error {
    fn kv(&self) -> Option<&Error> {
        Some(self)
    }
}
