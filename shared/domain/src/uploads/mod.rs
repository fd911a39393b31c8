//! Uploads: files that arrive in parts, in any order, and become an entry of the tree all at once.
//!
//! A file of up to 4 MiB is assembled in the store, a larger one in the object store. `README.md` explains the steps,
//! and what happens to uploads that are never committed.

mod assembled;
pub mod commit;
mod error;
pub mod keys;
pub mod ops;
mod plan;
pub(crate) mod store;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::assembled::Assembled;
pub use self::error::UploadError;
pub use self::plan::Draft;
use crate::contents::{Digest, HasherState};
use crate::files::{FilePath, Node};
use crate::id::{SessionId, UploadId};
use crate::objects::ObjectKey;
use crate::record::{NewerMembers, Record, keeps_newer_members};
use crate::time::Timestamp;

/// The time from the creation of an upload until its end.
pub const LIFETIME: Duration = Duration::from_hours(24);

/// The maximum number of uploads of a tenant at the same time.
pub const MAX_UPLOADS: usize = 100;

/// The maximum number of parts of an upload.
pub const MAX_PARTS: u16 = 10_000;

/// The largest file in bytes. The commit reads and hashes all of them.
pub const MAX_BYTES: u64 = 4 << 30;

/// Where the bytes of an upload arrive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Destination {
    /// In the store.
    Store,
    /// In the object store.
    Objects {
        /// The object that the upload makes.
        object: ObjectKey,
        /// The object store's id of the upload; `None` until it has begun.
        upload: Option<String>,
    },
}

/// The progress of hashing an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hashed {
    /// The number of bytes.
    pub bytes: u64,
    /// The state of the hasher after them.
    pub state: HasherState,
}

/// An upload in progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Upload {
    /// The id.
    pub id: UploadId,
    /// The session whose file it will be.
    pub session: SessionId,
    /// The path that the file will have.
    pub path: FilePath,
    /// The number of bytes, which are counted as stored from the beginning.
    pub size: u64,
    /// The digest that the client expects of the whole file.
    pub digest: Option<Digest>,
    /// The number of bytes of each part but the last one.
    pub part_size: u64,
    /// Where the bytes arrive.
    pub destination: Destination,
    /// How far the commit has hashed the object; `None` before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hashed: Option<Hashed>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ends, unless it is committed before.
    pub expires_at: Timestamp,
    /// Further members of a newer version of the record.
    #[serde(skip)]
    pub newer: NewerMembers,
}

impl Record for Upload {
    const KIND: &'static str = "upload";

    keeps_newer_members!();
}

impl Upload {
    /// The number of parts.
    pub fn parts(&self) -> u16 {
        u16::try_from(self.size.div_ceil(self.part_size.max(1))).unwrap_or(u16::MAX)
    }

    /// The number of bytes of the part with this number, from 1. Fails if there is no such part.
    pub fn part_len(&self, number: u16) -> Result<u64, UploadError> {
        let count = self.parts();
        if !(1..=count).contains(&number) {
            return Err(UploadError::NoSuchPart { number, count });
        }
        let before = u64::from(number - 1) * self.part_size;
        Ok(self.part_size.min(self.size - before))
    }

    /// Whether both have the same draft and session.
    pub(crate) fn has_same_draft(&self, other: &Self) -> bool {
        let draft = |of: &Self| (of.session, of.path.clone(), of.size, of.digest, of.part_size);
        draft(self) == draft(other)
    }

    /// Whether it can still be used.
    pub(crate) fn is_alive(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

/// The outcome of a commit, for a client that did not receive it. It is kept as long as the upload would have been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Committed {
    /// The session of the file.
    pub session: SessionId,
    /// The path.
    pub path: FilePath,
    /// The file, as the commit made it.
    pub node: Node,
    /// When the commit made it.
    pub modified_at: Timestamp,
    /// Until when the outcome is kept.
    pub expires_at: Timestamp,
}

impl Record for Committed {
    const KIND: &'static str = "committed upload";
}

/// A part that the store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Part {
    /// The digest of its bytes.
    pub digest: Digest,
}

impl Record for Part {
    const KIND: &'static str = "upload part";
}
