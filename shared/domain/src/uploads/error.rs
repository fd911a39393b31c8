//! What can go wrong with an upload.

use crate::contents::Digest;
use crate::text::Rejection;

/// Why an upload cannot begin or continue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// A member of the request is not accepted.
    #[error("`{member}` {reason}")]
    Rejected {
        /// The member's name.
        member: &'static str,
        /// Why.
        reason: Rejection,
    },
    /// The tenant has as many uploads as a tenant may have.
    #[error("the tenant has {used} of {limit} uploads")]
    TooMany {
        /// The number of uploads.
        used: usize,
        /// Their maximum number.
        limit: usize,
    },
    /// The upload has no part with this number.
    #[error("the upload has {count} parts, and none with the number {number}")]
    NoSuchPart {
        /// The number.
        number: u16,
        /// The number of parts.
        count: u16,
    },
    /// The part has another length.
    #[error("part {number} has {actual} bytes instead of {expected}")]
    PartLength {
        /// The part's number.
        number: u16,
        /// The length that it must have.
        expected: u64,
        /// The length that it has.
        actual: u64,
    },
    /// The client must send the part to the object store, with a signed request.
    #[error("the part must be sent to the object store")]
    SentElsewhere,
    /// Parts were not sent.
    #[error("{} parts are missing", .numbers.len())]
    MissingParts {
        /// Their numbers, in order.
        numbers: Vec<u16>,
    },
    /// The file has another digest than the client expects. Of an object, the upload has ended.
    #[error("the file has the digest {actual}")]
    WrongDigest {
        /// Its digest.
        actual: Digest,
    },
    /// A part was replaced while the upload was committed.
    #[error("a part was replaced during the commit")]
    Changed,
}
