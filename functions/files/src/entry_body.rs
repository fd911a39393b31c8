//! The wire format of a file or a directory.

use api::Version;
use api::content::{digest_field, media_type};
use api::openapi::schema::Time;
use domain::Timestamp;
use domain::files::{EntryTag, FileEntry, Node};
use serde::Serialize;
use utoipa::ToSchema;

use crate::schema::{DigestText, EntityTag, EntryKind, EntryName, EntryPath, MediaType};

/// What an entry is.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A file.
    File,
    /// A directory.
    Directory,
}

/// A file or a directory.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Entry)]
pub struct EntryBody {
    /// The path.
    #[schema(value_type = EntryPath)]
    path: String,
    /// The last name of the path.
    #[schema(value_type = EntryName)]
    name: String,
    /// What it is.
    #[schema(value_type = EntryKind)]
    kind: Kind,
    /// The size in bytes; 0 for a directory.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_u64, example = 12)]
    size: u64,
    /// The media type, which follows the name; null for a directory.
    #[schema(value_type = Option<MediaType>, required)]
    media_type: Option<&'static str>,
    /// When the content was written, or the directory made.
    #[schema(value_type = Time)]
    modified_at: Timestamp,
    /// The entity tag, for preconditions.
    #[schema(value_type = EntityTag)]
    etag: String,
    /// The digest of the content; null for a directory.
    #[schema(value_type = Option<DigestText>, required)]
    digest: Option<String>,
}

/// The version of an entry with this tag.
pub(crate) fn version(tag: EntryTag) -> Version {
    tag.to_bytes().into()
}

impl From<FileEntry> for EntryBody {
    fn from(entry: FileEntry) -> Self {
        let name = entry.path.name().to_owned();
        let (kind, media_type) = match entry.node {
            Node::File { .. } => (Kind::File, Some(media_type(&name))),
            Node::Directory { .. } => (Kind::Directory, None),
        };
        Self {
            kind,
            size: entry.node.size(),
            media_type,
            modified_at: entry.modified_at,
            etag: version(entry.tag()).text(),
            digest: entry.node.digest().map(|digest| digest_field(digest.as_bytes())),
            path: entry.path.as_str().to_owned(),
            name,
        }
    }
}
