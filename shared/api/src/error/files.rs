//! The failures of operations on files.

use domain::Error;
use domain::text::Rejection;

use super::{ApiError, Code, Violation};

impl ApiError {
    /// The failure of an operation that does not fit the tree of files. Any other error is unforeseen here.
    pub(super) fn of_files(error: Error) -> Self {
        match error {
            Error::FileNotFound => ApiError::new(Code::NotFound, "No file or directory has this path."),
            Error::Exists => ApiError::new(Code::Exists, "A file or a directory has this path already."),
            Error::ChangesRemoved => ApiError::new(
                Code::CursorExpired,
                "Changes after this cursor were removed, because the feed keeps changes for a limited time, and a \
                 limited number. Read the feed from its start without a cursor, and then list the files anew.",
            ),
            Error::NotEmpty => ApiError::new(
                Code::NotEmpty,
                "The directory is not empty. Delete its entries first, or set `recursive`.",
            ),
            Error::NotADirectory => ApiError::new(
                Code::NotADirectory,
                "A directory is needed here, and a file has this path, or a part of it.",
            ),
            Error::IsADirectory => ApiError::new(
                Code::IsADirectory,
                "A file is needed here, and a directory has this path.",
            ),
            Error::Cycle => ApiError::new(
                Code::Cycle,
                "A directory cannot be moved into itself, or replace one that contains it.",
            ),
            Error::SessionBusy => ApiError::new(
                Code::SessionBusy,
                "A snapshot of the session is being restored, or many directories are being copied. Send the request \
             again later.",
            ),
            Error::DirectoryTooLarge => {
                let reason = Rejection(format!(
                    "must not be a directory of more than {} entries, with those below it",
                    domain::files::copies::MAX_COPIED
                ));
                ApiError::invalid(vec![Violation::new("/from", &reason)])
            }
            Error::RootDirectory => {
                let reason = Rejection::because("must not be the root directory");
                ApiError::invalid(vec![Violation::new("/path", &reason)])
            }
            Error::PreconditionRequired => ApiError::new(
                Code::PreconditionRequired,
                "With a personal access token, a file is only overwritten under `If-Match`. Get the file, and send its \
             `ETag`.",
            ),
            Error::EditRejected(reason) => ApiError::invalid(vec![Violation::new("/edits", &reason)]),
            Error::UnknownContent => {
                let reason = Rejection::because("is the digest of no content that was sent before");
                ApiError::invalid(vec![Violation::new("/digest", &reason)])
            }
            Error::ChangesetTooLarge => ApiError::new(
                Code::BodyTooLarge,
                "The operations write more than one transaction may. Send them in several requests.",
            ),
            error => ApiError::internal(error),
        }
    }
}
