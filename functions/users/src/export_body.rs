//! The wire format of an export.

use api::Prefix;
use api::openapi::schema::{Time, formatted, text};
use domain::Timestamp;
use domain::exports::{Export, LinkText, MAX_PART_BYTES, MAX_PARTS};
use serde::Serialize;
use utoipa::ToSchema;

api::schemas! {
    /// The state of an export.
    ExportState = text().enum_values(Some(["preparing", "ready", "tooManyParts"]));

    /// The token in the link to an export. The checksum of the example is wrong.
    ExportToken = text()
        .min_length(Some(110))
        .max_length(Some(110))
        .pattern(Some("^coditect_export_[0-9A-Za-z]{94}$"))
        .examples([concat!(
            "coditect_export_02xAinIDarTfXDwxcOsmjr3ESaTKldeaYXYOEPLqRZqq",
            "110ANQHhhrTZR1wmquBLbB3gzv468CiUvnSUJsO4fqWS000000",
        )]);

    /// The link to an export.
    ExportUrl = formatted("uri-reference")
        .description(Some(
            "The path of the first part, under the prefix of the request, for a browser or another program without an \
             access token. `?part=2` leads to the second one. Only the response to the request contains the link.",
        ))
        .max_length(Some(140))
        .pattern(Some("^(/api)?/v5/exports/coditect_export_[0-9A-Za-z]{94}$"))
        .examples([concat!(
            "/v5/exports/coditect_export_02xAinIDarTfXDwxcOsmjr3ESaTKldeaYXYOEPLqRZqq",
            "110ANQHhhrTZR1wmquBLbB3gzv468CiUvnSUJsO4fqWS000000",
        )]);

    /// A part of an export.
    ExportFile = formatted("binary").max_length(Some(MAX_PART_BYTES)).examples(["(zip)"]);
}

// The schema below repeats it.
const _: () = assert!(MAX_PARTS == 2000);

/// An export of an account: zip files of JSON lines.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Export)]
pub struct ExportBody {
    /// `preparing` while parts are missing, and then `ready`. `tooManyParts` if the export has failed: the audit log is
    /// too long, and the parts so far lack its newest events.
    #[schema(value_type = ExportState)]
    state: &'static str,
    /// When the export was requested.
    #[schema(value_type = Time)]
    requested_at: Timestamp,
    /// The instant whose data it contains; null until the data were read.
    #[schema(value_type = Option<Time>, required)]
    taken_at: Option<Timestamp>,
    /// When the export and its link end.
    #[schema(value_type = Time)]
    expires_at: Timestamp,
    /// The parts so far. Most exports have one.
    #[schema(max_items = 2000)]
    parts: Vec<PartBody>,
    /// The link, in the response to the request and nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ExportUrl, required = false)]
    download_url: Option<String>,
}

/// A part: a zip file of its own.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportPart)]
pub struct PartBody {
    /// Its length in bytes.
    #[schema(minimum = 1, maximum = 750_000, example = 5000)]
    bytes: usize,
}

impl ExportBody {
    pub(crate) fn new(export: &Export) -> Self {
        Self {
            state: match export.failure {
                Some(failure) => failure.as_str(),
                None if export.is_complete() => "ready",
                None => "preparing",
            },
            requested_at: export.requested_at,
            taken_at: export.taken_at,
            expires_at: export.expires_at,
            parts: export.parts.iter().map(|part| PartBody { bytes: part.bytes }).collect(),
            download_url: None,
        }
    }

    pub(crate) fn with_link(self, Prefix(prefix): Prefix, link: &LinkText) -> Self {
        Self {
            download_url: Some(format!("{prefix}/exports/{}", link.reveal())),
            ..self
        }
    }
}
