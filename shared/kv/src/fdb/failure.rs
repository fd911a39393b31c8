//! Translation of the client's errors.

use foundationdb::FdbError;

use crate::error::{Cause, Error};
use crate::limits::MAX_TRANSACTION_LEN;

/// Translates a client error into the store's (codes: `flow/error_definitions.h` in FoundationDB's source).
pub(super) fn failure(error: FdbError) -> Error {
    let why = || format!("{error} ({})", error.code());
    match error.code() {
        1020 => Error::Conflict,
        1007 => Error::TooOld,
        2101 => Error::TransactionTooLarge {
            len: MAX_TRANSACTION_LEN,
        },
        _ if error.is_maybe_committed() => Error::CommitUnknown,
        _ if error.is_retryable() => Error::Unavailable {
            cause: Cause::Busy { why: why() },
        },
        // A timeout, a cancelled operation, a locked cluster, another protocol version, or a cluster file that was
        // damaged after the check at open.
        1025 | 1031 | 1038 | 1026 | 1101 | 2104 => Error::Unavailable {
            cause: Cause::Engine { why: why() },
        },
        _ => Error::Engine { why: why() },
    }
}

/// Whether a commit with this error has certainly not taken place: it was rejected, or never sent.
pub(super) fn is_not_committed(error: FdbError) -> bool {
    error.is_retryable_not_committed() || (2000..3000).contains(&error.code())
}
