//! The object store: contents of files that are too large for a record of the store.
//!
//! An object is immutable: it is written once, under a key that nothing else uses, and deleted. [`Objects`] hides where
//! objects are: in a bucket of S3 or of a server that speaks its protocol, or in a folder.

mod config;
mod content;
mod error;
mod folder;
mod key;
mod presigned;
mod s3;
mod store;

pub use config::{Clock, ConfigError, Environment};
pub use content::{Checksum, CompletedPart, Content, Head, Part, Parts};
pub use error::{Cause, Error};
pub use key::{BadKey, Key, UploadId};
pub use presigned::{MAX_VALIDITY, PresignedRequest, ResponseHeaders};
pub use store::{MAX_BODY_LEN, MAX_DELETE, MAX_PARTS, Objects};
