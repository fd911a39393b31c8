//! Contents of files: bytes under their SHA-256 digest, stored once per tenant and counted by reference.
//!
//! `README.md` explains how references, garbage and concurrent writers fit together.

pub(crate) mod chunks;
mod digest;
pub(crate) mod garbage;
pub mod keys;
pub(crate) mod store;
#[cfg(test)]
mod tests;

use std::fmt;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

pub(crate) use self::digest::Hasher;
pub use self::digest::{Digest, HasherState, ParseDigestError};
use crate::objects::ObjectKey;
use crate::record::Record;

/// The largest content in bytes; larger files are in the object store.
pub const MAX_BYTES: u64 = 4 << 20;

/// The bytes of every chunk but a content's last one. It must never change, because a chunk's number is its offset
/// divided by this length.
///
/// A chunk fits into two pages of LMDB without waste (2 × 4,096 minus a page header of 16), and stays below the 10 kB
/// up to which FoundationDB recommends values.
pub const CHUNK_BYTES: usize = 8176;

/// A content with its digest. Made before the transaction, because hashing takes time. Clones share the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    digest: Digest,
    bytes: Bytes,
}

impl Content {
    /// The content with these bytes. Hashes all of them: for a body in pieces, see [`Builder`].
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            digest: Digest::of(&bytes),
            bytes,
        }
    }

    /// The content with these bytes, hashed while other requests of the thread run.
    pub async fn hash(bytes: Bytes) -> Self {
        let mut hasher = Hasher::default();
        hasher.update_in_steps(&bytes).await;
        let digest = hasher.finish();
        Self { digest, bytes }
    }

    /// The content with these bytes, whose digest is known.
    pub(crate) fn with_digest(digest: Digest, bytes: Bytes) -> Self {
        Self { digest, bytes }
    }

    /// The digest of the bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The number of bytes.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }
}

/// Without the bytes.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("digest", &self.digest)
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

/// Collects a content that arrives in pieces, and hashes each piece at once, so that no long computation remains for
/// the end.
#[derive(Debug, Default)]
pub struct Builder {
    hasher: Hasher,
    bytes: BytesMut,
}

impl Builder {
    /// An empty builder. With room for all bytes, the content takes no more memory than they have.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            hasher: Hasher::default(),
            bytes: BytesMut::with_capacity(bytes),
        }
    }

    /// Appends a piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.hasher.update(piece);
        self.bytes.extend_from_slice(piece);
    }

    /// The number of bytes so far.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The content with all pieces.
    pub fn finish(self) -> Content {
        Content {
            digest: self.hasher.finish(),
            bytes: self.bytes.freeze(),
        }
    }
}

/// What is stored about a content besides its bytes. It never changes while the content exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    /// The number of bytes.
    pub size: u64,
    /// The object with the bytes; `None` if the store has them as chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectKey>,
}

impl Record for Header {
    const KIND: &'static str = "content";
}
