//! Directory entries: what listing and stat show, in one record.

use serde::{Deserialize, Serialize};

use crate::contents::Digest;
use crate::files::{EntryTag, FilePath};
use crate::id::DirectoryId;
use crate::record::{NewerMembers, Record, keeps_newer_members};
use crate::time::Timestamp;

/// What an entry of a directory is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Node {
    /// A file.
    File {
        /// The number of its bytes.
        size: u64,
        /// The digest of its content.
        digest: Digest,
        /// Whether the object store has its content, and not the store.
        #[serde(default, skip_serializing_if = "is_false")]
        is_object: bool,
    },
    /// A directory.
    Directory {
        /// Its id, under which its own entries are; it stays when the directory moves.
        id: DirectoryId,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Node {
    /// The id of a directory; `None` for a file.
    pub fn directory(&self) -> Option<DirectoryId> {
        match self {
            Self::Directory { id } => Some(*id),
            Self::File { .. } => None,
        }
    }

    /// The digest of the content of a file; `None` for a directory.
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Self::File { digest, .. } => Some(digest),
            Self::Directory { .. } => None,
        }
    }

    /// The number of bytes of a file; 0 for a directory.
    pub fn size(&self) -> u64 {
        match self {
            Self::File { size, .. } => *size,
            Self::Directory { .. } => 0,
        }
    }

    /// The entity tag.
    pub fn tag(&self) -> EntryTag {
        match self {
            Self::File { digest, .. } => {
                let mut tag = [0; 16];
                tag.copy_from_slice(&digest.as_bytes()[..16]);
                EntryTag(tag)
            }
            Self::Directory { id } => EntryTag(*id.as_bytes()),
        }
    }
}

/// An entry of a directory, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    /// What it is.
    pub node: Node,
    /// When the content of the file was written, or the directory made.
    pub modified_at: Timestamp,
    /// The epoch in which the entry was written to this place: snapshots of earlier epochs do not contain it.
    pub birth: u64,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub newer: NewerMembers,
}

impl Record for Entry {
    const KIND: &'static str = "file entry";

    keeps_newer_members!();
}

/// An entry with its path, as operations return it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// The path.
    pub path: FilePath,
    /// What it is.
    pub node: Node,
    /// When the content of the file was written, or the directory made. Of the root directory, when its session was
    /// created.
    pub modified_at: Timestamp,
}

impl FileEntry {
    pub(crate) fn new(path: FilePath, entry: &Entry) -> Self {
        Self {
            path,
            node: entry.node.clone(),
            modified_at: entry.modified_at,
        }
    }

    /// The entity tag.
    pub fn tag(&self) -> EntryTag {
        self.node.tag()
    }
}
