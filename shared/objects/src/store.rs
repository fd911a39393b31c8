//! The interface: the same calls for a bucket and for a folder.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;

use crate::config::{self, Clock, ConfigError, Environment, Settings};
use crate::content::{Checksum, CompletedPart, Content, Head, Part, Parts};
use crate::error::Error;
use crate::folder::Folder;
use crate::key::{Key, UploadId};
use crate::presigned::{PresignedRequest, ResponseHeaders, check_validity};
use crate::s3::Bucket;

/// Most bytes of one call of [`Objects::put`], [`Objects::put_part`] and [`Objects::read`]: they pass through memory.
pub const MAX_BODY_LEN: u64 = 16 << 20;
/// Most parts of an upload.
pub const MAX_PARTS: u16 = 10_000;
/// Most keys of one call of [`Objects::delete_many`].
pub const MAX_DELETE: usize = 1000;

/// S3's least length of every part but the last.
const S3_MIN_PART_LEN: u64 = 5 << 20;

/// The object store. A clone is cheap.
#[derive(Clone, Debug)]
pub struct Objects(Arc<Store>);

#[derive(Debug)]
enum Store {
    Bucket(Box<Bucket>),
    Folder(Folder),
}

impl Objects {
    /// Opens the store that the value of `OBJECTS` names. A bucket is not contacted.
    ///
    /// `environment` provides `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION` and
    /// `AWS_DEFAULT_REGION`.
    pub fn open(objects: &str, environment: Environment<'_>, clock: Clock) -> Result<Self, ConfigError> {
        let store = match config::settings(objects, environment)? {
            Settings::S3(settings) => Store::Bucket(Box::new(Bucket::new(settings, clock)?)),
            Settings::Folder(folder) => Store::Folder(Folder::open(folder, clock).map_err(ConfigError::folder)?),
        };
        Ok(Self(Arc::new(store)))
    }

    /// The least length of every part but the last, in bytes.
    pub fn min_part_len(&self) -> u64 {
        match &*self.0 {
            Store::Bucket(_) => S3_MIN_PART_LEN,
            Store::Folder(_) => 1,
        }
    }

    /// A request that writes an object as a whole: exactly this content, and only if the key is free.
    ///
    /// `None` if the store has no URLs: the program then receives the bytes itself, and calls [`put`](Self::put).
    pub fn presign_put(
        &self,
        key: &Key,
        content: &Content,
        validity: Duration,
    ) -> Result<Option<PresignedRequest>, Error> {
        match &*self.0 {
            Store::Bucket(bucket) => bucket.presign_put(key, content, validity).map(Some),
            Store::Folder(_) => check_validity(validity).map(|()| None),
        }
    }

    /// A request that uploads a part: exactly this content. A repetition replaces the part.
    ///
    /// `None` if the store has no URLs: see [`put_part`](Self::put_part).
    pub fn presign_part(
        &self,
        key: &Key,
        upload: &UploadId,
        number: u16,
        content: &Content,
        validity: Duration,
    ) -> Result<Option<PresignedRequest>, Error> {
        check_number(number)?;
        match &*self.0 {
            Store::Bucket(bucket) => bucket.presign_part(key, upload, number, content, validity).map(Some),
            Store::Folder(_) => check_validity(validity).map(|()| None),
        }
    }

    /// A request that reads an object, also a range of it. It does not check that the object exists.
    ///
    /// `None` if the store has no URLs: see [`read`](Self::read).
    pub fn presign_get(
        &self,
        key: &Key,
        headers: &ResponseHeaders<'_>,
        validity: Duration,
    ) -> Result<Option<PresignedRequest>, Error> {
        match &*self.0 {
            Store::Bucket(bucket) => bucket.presign_get(key, headers, validity).map(Some),
            Store::Folder(_) => {
                check_validity(validity)?;
                headers.query().map(|_| None)
            }
        }
    }

    /// Writes an object of at most [`MAX_BODY_LEN`] bytes. Succeeds also if the object exists with the same content, so
    /// that a call whose outcome is unknown can be repeated.
    pub async fn put(&self, key: &Key, bytes: impl Into<Bytes>) -> Result<(), Error> {
        let bytes = bytes.into();
        check_body(bytes.len() as u64)?;
        let checksum = Checksum::whole(&Content::of(&bytes));
        let result = match &*self.0 {
            Store::Bucket(bucket) => bucket.put(key, bytes).await,
            Store::Folder(folder) => folder.put(key, bytes).await,
        };
        self.unless_it_exists(key, checksum, result).await
    }

    /// The object's length and checksum.
    pub async fn head(&self, key: &Key) -> Result<Head, Error> {
        match &*self.0 {
            Store::Bucket(bucket) => bucket.head(key).await,
            Store::Folder(folder) => folder.head(key).await,
        }
    }

    /// The bytes of the range, at most [`MAX_BODY_LEN`]; fewer if the object ends before.
    pub async fn read(&self, key: &Key, range: Range<u64>) -> Result<Bytes, Error> {
        let Some(len) = range.end.checked_sub(range.start).filter(|len| *len > 0) else {
            return Err(Error::Unusable {
                why: "the range is empty",
            });
        };
        check_body(len)?;
        match &*self.0 {
            Store::Bucket(bucket) => bucket.read(key, range).await,
            Store::Folder(folder) => folder.read(key, range).await,
        }
    }

    /// Deletes an object, if it exists.
    pub async fn delete(&self, key: &Key) -> Result<(), Error> {
        match &*self.0 {
            Store::Bucket(bucket) => bucket.delete(key).await,
            Store::Folder(folder) => folder.delete(key).await,
        }
    }

    /// Deletes the objects that exist of at most [`MAX_DELETE`] keys. The result is the keys that may still exist.
    pub async fn delete_many(&self, keys: &[Key]) -> Result<Vec<Key>, Error> {
        if keys.len() > MAX_DELETE {
            return Err(Error::TooLarge {
                what: "the number of keys to delete",
                limit: MAX_DELETE as u64,
            });
        }
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        match &*self.0 {
            Store::Bucket(bucket) => bucket.delete_many(keys).await,
            Store::Folder(folder) => folder.delete_many(keys).await,
        }
    }

    /// Starts an upload of an object in parts.
    pub async fn create_upload(&self, key: &Key) -> Result<UploadId, Error> {
        match &*self.0 {
            Store::Bucket(bucket) => bucket.create_upload(key).await,
            Store::Folder(folder) => folder.create_upload(key).await,
        }
    }

    /// Uploads a part of at most [`MAX_BODY_LEN`] bytes, or replaces it.
    pub async fn put_part(
        &self,
        key: &Key,
        upload: &UploadId,
        number: u16,
        bytes: impl Into<Bytes>,
    ) -> Result<Part, Error> {
        check_number(number)?;
        let bytes = bytes.into();
        check_body(bytes.len() as u64)?;
        match &*self.0 {
            Store::Bucket(bucket) => bucket.put_part(key, upload, number, bytes).await,
            Store::Folder(folder) => folder.put_part(key, upload, number, bytes).await,
        }
    }

    /// The uploaded parts with numbers over `after`, at most 1,000.
    pub async fn list_parts(&self, key: &Key, upload: &UploadId, after: u16) -> Result<Parts, Error> {
        match &*self.0 {
            Store::Bucket(bucket) => bucket.list_parts(key, upload, after).await,
            Store::Folder(folder) => folder.list_parts(key, upload, after).await,
        }
    }

    /// Makes the object of these parts, if the key is free, and ends the upload. Succeeds also if the object exists
    /// with the same parts, so that a call whose outcome is unknown can be repeated.
    pub async fn complete(&self, key: &Key, upload: &UploadId, parts: &[CompletedPart]) -> Result<(), Error> {
        if parts.is_empty() || !parts.is_sorted_by(|one, next| one.number < next.number) {
            let why = "an upload needs at least one part, in ascending order";
            return Err(Error::Unusable { why });
        }
        for part in parts {
            check_number(part.number)?;
        }
        let result = match &*self.0 {
            Store::Bucket(bucket) => bucket.complete(key, upload, parts).await,
            Store::Folder(folder) => folder.complete(key, upload, parts).await,
        };
        let checksum = Checksum::of_parts(parts);
        match &result {
            // An earlier attempt may have completed the upload.
            Err(Error::NotFound) => self.unless_it_exists(key, checksum, result).await,
            Err(Error::Exists) => {
                self.unless_it_exists(key, checksum, result).await?;
                // The object came from another upload of the same parts.
                self.abort(key, upload).await
            }
            _ => result,
        }
    }

    /// Ends an upload without an object, and deletes its parts. Succeeds also if the upload does not exist.
    pub async fn abort(&self, key: &Key, upload: &UploadId) -> Result<(), Error> {
        match &*self.0 {
            Store::Bucket(bucket) => bucket.abort(key, upload).await,
            Store::Folder(folder) => folder.abort(key, upload).await,
        }
    }

    /// Aborts uploads that started at least `age` ago, up to 1,000 of them, and returns how many. Stops at the first
    /// one that cannot be aborted. In a folder it also removes files that an interrupted write left.
    pub async fn abort_older_than(&self, age: Duration) -> Result<usize, Error> {
        match &*self.0 {
            Store::Bucket(bucket) => bucket.abort_older_than(age).await,
            Store::Folder(folder) => folder.abort_older_than(age).await,
        }
    }

    /// The result, or success if the object has this content already.
    async fn unless_it_exists(&self, key: &Key, checksum: Checksum, result: Result<(), Error>) -> Result<(), Error> {
        let Err(error @ (Error::Exists | Error::NotFound)) = result else {
            return result;
        };
        match self.head(key).await {
            Ok(head) if head.checksum == Some(checksum) => Ok(()),
            Ok(_) => Err(Error::Exists),
            Err(Error::NotFound) => Err(error),
            Err(failed) => Err(failed),
        }
    }
}

fn check_body(len: u64) -> Result<(), Error> {
    if len > MAX_BODY_LEN {
        return Err(Error::TooLarge {
            what: "the bytes of one call",
            limit: MAX_BODY_LEN,
        });
    }
    Ok(())
}

fn check_number(number: u16) -> Result<(), Error> {
    match number {
        0 => Err(Error::Unusable {
            why: "parts are numbered from 1",
        }),
        1..=MAX_PARTS => Ok(()),
        _ => Err(Error::TooLarge {
            what: "the number of a part",
            limit: u64::from(MAX_PARTS),
        }),
    }
}
