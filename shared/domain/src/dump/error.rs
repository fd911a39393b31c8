//! Why an export or an import failed.

/// The result of an export or an import.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an export or an import failed: each text is one sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store contains a part of a dump.
    #[error("the store contains an import that has not finished; repeat `gateway import` with the same dump")]
    Unfinished,
    /// A transaction committed during an export that reads in many transactions.
    #[error("the store changed during the export; stop its servers and its janitor, and repeat the export")]
    Changed,
    /// The target of an import contains other data.
    #[error("the store contains data, and an import needs an empty one: choose another STORE or STORE_ROOT")]
    NotEmpty,
    /// The target of an import contains a part of another dump.
    #[error("the store contains an import of another dump that has not finished; repeat it with that dump")]
    OtherDump,
    /// Two imports at the same time.
    #[error("another import into the same store is running")]
    Concurrent,
    /// The imported data is not the dump's.
    #[error(
        "the store differs from the dump: another program wrote to it, or an earlier import read a damaged dump; \
         erase the store and repeat"
    )]
    Mismatch,
    /// The input is not a dump.
    #[error("the input is no dump of this product")]
    NoDump,
    /// The dump has another version.
    #[error("the dump has format {0}, and this program reads format {1}")]
    Version(u32, u32),
    /// The end of the dump is missing.
    #[error("the dump is incomplete: its end is missing")]
    Truncated,
    /// Something follows the end of the dump.
    #[error("the dump is damaged: something follows after its end")]
    Trailing,
    /// The content of the dump is wrong.
    #[error("the dump is damaged: {0}")]
    Damaged(String),
    /// A record of the store cannot be read.
    #[error(transparent)]
    Record(crate::error::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] kv::Error),
}

impl From<crate::error::Error> for Error {
    fn from(error: crate::error::Error) -> Self {
        match error {
            crate::error::Error::Store(error) => Self::Store(error),
            error => Self::Record(error),
        }
    }
}

impl kv::RunError for Error {
    fn kv(&self) -> Option<&kv::Error> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}
