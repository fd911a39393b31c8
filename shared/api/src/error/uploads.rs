//! Failures of uploads.

use domain::text::Rejection;
use domain::uploads::UploadError;

use super::{ApiError, Code, Violation};
use crate::content::digest_field;
use crate::quota::QuotaBody;

/// The most missing parts that one response names.
const MAX_MISSING: usize = 100;

impl ApiError {
    /// The error for an upload that cannot begin or continue.
    pub(super) fn of_upload(error: UploadError) -> Self {
        match error {
            UploadError::Rejected { member, reason } => {
                ApiError::invalid(vec![Violation::new(format!("/{member}"), &reason)])
            }
            UploadError::TooMany { used, limit } => {
                let detail = format!("The tenant has {used} of {limit} uploads. Commit or cancel one.");
                ApiError {
                    quota: Some(Box::new(QuotaBody::fixed("uploads", used, limit))),
                    ..ApiError::new(Code::QuotaExceeded, detail)
                }
            }
            UploadError::NoSuchPart { number, count } => {
                let detail =
                    format!("The upload has {count} parts, from number 1 on, and none with the number {number}.");
                ApiError::new(Code::NotFound, detail)
            }
            UploadError::PartLength {
                number,
                expected,
                actual,
            } => {
                let reason = format!("must have {expected} bytes as part {number}, and has {actual}");
                ApiError::invalid(vec![Violation::new("", &Rejection(reason))])
            }
            UploadError::SentElsewhere => {
                let reason = "must be sent to the URL of the part, and not to the API";
                ApiError::invalid(vec![Violation::new("", &Rejection::because(reason))])
            }
            UploadError::MissingParts { numbers } => {
                let missing = numbers.iter().take(MAX_MISSING);
                let reason = Rejection::because("is missing");
                ApiError::invalid(
                    missing
                        .map(|number| Violation::new(format!("/parts/{number}"), &reason))
                        .collect(),
                )
            }
            UploadError::WrongDigest { actual } => {
                let reason = format!(
                    "does not match the file, whose digest is `{}`",
                    digest_field(actual.as_bytes())
                );
                ApiError::invalid(vec![Violation::new("/digest", &Rejection(reason))])
            }
            UploadError::Changed => ApiError::new(
                Code::PreconditionFailed,
                "A part was replaced during the commit. Commit the upload again.",
            ),
        }
    }
}
