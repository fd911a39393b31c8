//! The wire format of an upload.

use api::openapi::schema::{Id, Time};
use domain::uploads::{Destination, Upload};
use domain::{Timestamp, UploadId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::schema::FilePathText;

/// A file that arrives in parts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Upload)]
pub struct UploadBody {
    /// The id.
    #[schema(value_type = Id)]
    id: UploadId,
    /// The path that the file will have.
    #[schema(value_type = FilePathText)]
    path: String,
    /// The size of the file in bytes.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_u64, example = 10_000_000)]
    size: u64,
    /// The size of each part but the last one, in bytes.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 4_194_304)]
    part_size: u64,
    /// The number of parts. Their numbers begin with 1.
    #[schema(minimum = 0, maximum = 10_000, example = 3)]
    parts: u16,
    /// Whether parts may have to be sent to the URLs that `POST …/parts/{part}/url` returns.
    may_have_urls: bool,
    /// When the upload was begun.
    #[schema(value_type = Time)]
    created_at: Timestamp,
    /// When the upload ends, unless it is committed before.
    #[schema(value_type = Time)]
    expires_at: Timestamp,
}

impl From<Upload> for UploadBody {
    fn from(upload: Upload) -> Self {
        Self {
            id: upload.id,
            path: upload.path.as_str().to_owned(),
            size: upload.size,
            part_size: upload.part_size,
            parts: upload.parts(),
            may_have_urls: matches!(upload.destination, Destination::Objects { .. }),
            created_at: upload.created_at,
            expires_at: upload.expires_at,
        }
    }
}
