//! The wire format of an upload.

use std::collections::BTreeSet;

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
    part_count: u16,
    /// The parts in order: an interrupted upload continues with those that have not arrived. Absent in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 10_000)]
    parts: Option<Vec<PartBody>>,
    /// Whether parts may have to be sent to the URLs that `POST …/parts/{part}/url` returns.
    may_have_urls: bool,
    /// When the upload was begun.
    #[schema(value_type = Time)]
    created_at: Timestamp,
    /// When the upload ends, unless it is committed before.
    #[schema(value_type = Time)]
    expires_at: Timestamp,
}

/// A part of an upload.
#[derive(Serialize, ToSchema)]
#[schema(as = UploadPart)]
struct PartBody {
    /// The number.
    #[schema(minimum = 1, maximum = 10_000, example = 1)]
    n: u16,
    /// The size that it must have, in bytes.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 4_194_304)]
    size: u64,
    /// Whether it has arrived.
    arrived: bool,
}

impl UploadBody {
    /// The upload, of which the parts with these numbers have arrived.
    pub(crate) fn with_parts(upload: &Upload, arrived: &BTreeSet<u16>) -> Self {
        let parts = (1..=upload.parts()).filter_map(|n| {
            let size = upload.part_len(n).ok()?;
            let arrived = arrived.contains(&n);
            Some(PartBody { n, size, arrived })
        });
        Self {
            parts: Some(parts.collect()),
            ..Self::from(upload.clone())
        }
    }
}

/// Without its parts.
impl From<Upload> for UploadBody {
    fn from(upload: Upload) -> Self {
        Self {
            id: upload.id,
            path: upload.path.as_str().to_owned(),
            size: upload.size,
            part_size: upload.part_size,
            part_count: upload.parts(),
            parts: None,
            may_have_urls: matches!(upload.destination, Destination::Objects { .. }),
            created_at: upload.created_at,
            expires_at: upload.expires_at,
        }
    }
}
