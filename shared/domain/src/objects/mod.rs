//! Objects: contents that are too large for the store, in an object store.
//!
//! The domain decides which objects exist, and names them; the program provides an [`ObjectStore`]. No transaction
//! waits for it: an operation calls it before or after its transactions. What is to be deleted is in a queue, which the
//! transaction writes that makes it unneeded ([`store`]); the sweep deletes it afterwards.

mod error;
pub mod keys;
pub(crate) mod store;
#[cfg(test)]
pub(crate) mod testing;

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

pub use self::error::ObjectError;
use crate::id::{TenantId, UploadId};
use crate::record::Record;

/// The name of an object: `{tenant id}/{upload id}`. Each upload has its own, so a name is never used again.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// The name of the object that an upload makes.
    pub(crate) fn of_upload(tenant: TenantId, upload: UploadId) -> Self {
        Self(format!("{tenant}/{upload}"))
    }

    /// The text: lower-case letters, digits, `-` and `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The lengths of parts that an object store accepts, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartLengths {
    /// Of every part but the last one.
    pub min: u64,
    /// If the client does not choose.
    pub default: u64,
    /// The largest.
    pub max: u64,
}

/// A part that an object store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// The number, from 1.
    pub number: u16,
    /// The number of bytes.
    pub len: u64,
    /// The object store's tag of the bytes.
    pub etag: String,
    /// The SHA-256 of the bytes; `None` if the object store does not report it.
    pub sha256: Option<[u8; 32]>,
}

/// A request that the client sends to the object store itself.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedRequest {
    /// The HTTP method.
    pub method: &'static str,
    /// The URL. It is the permission, so no log shows it.
    pub url: String,
    /// The headers that the client must send.
    pub headers: Vec<(String, String)>,
}

/// Without the URL.
impl fmt::Debug for SignedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedRequest")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// A call of the object store.
pub type Call<'a, T> = BoxFuture<'a, Result<T, ObjectError>>;

/// An object store. Every call can be repeated: one whose outcome is unknown has the same result the second time.
pub trait ObjectStore: fmt::Debug + Send + Sync {
    /// The lengths of parts.
    fn part_lengths(&self) -> PartLengths;

    /// Begins to make an object of parts. Returns the object store's id of the upload.
    fn create_upload<'a>(&'a self, key: &'a ObjectKey) -> Call<'a, String>;

    /// The request with which the client sends a part of this length and SHA-256; `None` if the object store has no
    /// URLs, and the program receives the part ([`put_part`](Self::put_part)).
    fn sign_part(
        &self,
        key: &ObjectKey,
        upload: &str,
        number: u16,
        part: (u64, [u8; 32]),
    ) -> Result<Option<SignedRequest>, ObjectError>;

    /// The request with which the client reads the object, also a range of it; `None` if the object store has no URLs,
    /// and the program sends the bytes ([`read`](Self::read)).
    fn sign_get(
        &self,
        key: &ObjectKey,
        content_type: &str,
        content_disposition: &str,
    ) -> Result<Option<SignedRequest>, ObjectError>;

    /// Writes a part, or replaces it.
    fn put_part<'a>(&'a self, key: &'a ObjectKey, upload: &'a str, number: u16, bytes: Bytes) -> Call<'a, ()>;

    /// All parts that were sent, by number. Fails with [`ObjectError::Missing`] if the upload is complete or aborted.
    fn list_parts<'a>(&'a self, key: &'a ObjectKey, upload: &'a str) -> Call<'a, Vec<StoredPart>>;

    /// Makes the object of these parts, and ends the upload. Succeeds if it has done so before.
    fn complete<'a>(&'a self, key: &'a ObjectKey, upload: &'a str, parts: &'a [StoredPart]) -> Call<'a, ()>;

    /// Ends the upload without an object, if it exists.
    fn abort<'a>(&'a self, key: &'a ObjectKey, upload: &'a str) -> Call<'a, ()>;

    /// Ends uploads that began at least `age` ago, up to a number of its own choice. Returns how many.
    fn abort_older_than(&self, age: Duration) -> Call<'_, usize>;

    /// The bytes of the object in this range. Fails with [`ObjectError::Missing`] if the object does not exist.
    fn read<'a>(&'a self, key: &'a ObjectKey, range: Range<u64>) -> Call<'a, Bytes>;

    /// Deletes the object, if it exists.
    fn delete<'a>(&'a self, key: &'a ObjectKey) -> Call<'a, ()>;
}

/// An object that is to be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectDeletion {
    /// The object. It may not exist.
    pub object: ObjectKey,
    /// The object store's id of its upload, if that may not have ended.
    pub upload: Option<String>,
}

impl Record for ObjectDeletion {
    const KIND: &'static str = "object deletion";
}
