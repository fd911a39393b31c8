//! The object store of the deployment (`OBJECTS`), as the domain needs it.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use domain::objects::{Call, ObjectError, ObjectKey, ObjectStore, PartLengths, SignedRequest, StoredPart};
use domain::{Clock, SystemClock, contents};
use hyper::body::Bytes;
use objects::{CompletedPart, Content, Error, Key, Objects, PresignedRequest, ResponseHeaders, UploadId};

use crate::config::{ConfigError, ObjectSettings};

/// How long a client may take to begin a signed request.
const VALIDITY: Duration = Duration::from_secs(900);

/// The length of parts that clients send to a bucket, if they do not choose: few requests, and short repetitions.
const DEFAULT_BUCKET_PART: u64 = 8 << 20;

/// The largest part that clients send to a bucket.
const MAX_BUCKET_PART: u64 = 64 << 20;

/// The smallest part that this program receives.
const MIN_FOLDER_PART: u64 = 1 << 20;

/// Opens the object store with these settings, on the clock of the operating system.
pub fn open(settings: &ObjectSettings) -> Result<Arc<dyn ObjectStore>, ConfigError> {
    let opened = LargeFiles::open(
        settings.objects(),
        &|name| settings.variable(name),
        Arc::new(SystemClock),
    );
    let opened = opened.map_err(|error| ConfigError::new(error.variable(), error.problem()))?;
    Ok(Arc::new(opened))
}

/// A bucket or a folder.
#[derive(Debug)]
pub struct LargeFiles(Objects);

impl LargeFiles {
    /// Opens the store that `objects`, the value of `OBJECTS`, names. `lookup` returns the values of further variables.
    pub fn open(
        objects: &str,
        lookup: &dyn Fn(&str) -> Option<String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, objects::ConfigError> {
        let now = move || {
            let millis = u64::try_from(clock.now().as_millis()).unwrap_or_default();
            SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
        };
        Objects::open(objects, lookup, Arc::new(now)).map(Self)
    }

    /// Whether clients send parts to the object store themselves.
    fn has_urls(&self) -> bool {
        self.0.min_part_len() > 1
    }
}

fn key(object: &ObjectKey) -> Result<Key, ObjectError> {
    Key::parse(object.as_str()).map_err(|error| ObjectError::Failed(error.to_string()))
}

fn upload_id(upload: &str) -> Result<UploadId, ObjectError> {
    UploadId::parse(upload).map_err(|error| ObjectError::Failed(error.to_string()))
}

fn failure(error: Error) -> ObjectError {
    match error {
        Error::NotFound | Error::Mismatch { .. } | Error::Range => ObjectError::Missing(error.to_string()),
        Error::Unavailable { cause } => ObjectError::Unavailable(cause.to_string()),
        error => ObjectError::Failed(error.to_string()),
    }
}

fn signed(request: PresignedRequest) -> SignedRequest {
    let headers = request.headers.into_iter();
    SignedRequest {
        method: request.method,
        url: request.url,
        headers: headers.map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}

fn completed(part: &StoredPart) -> Result<CompletedPart, ObjectError> {
    let number = part.number;
    let sha256 = part.sha256;
    let sha256 = sha256.ok_or_else(|| ObjectError::Failed(format!("part {number} was stored without a checksum")))?;
    Ok(CompletedPart {
        number,
        etag: part.etag.clone(),
        sha256,
    })
}

impl ObjectStore for LargeFiles {
    fn part_lengths(&self) -> PartLengths {
        if self.has_urls() {
            return PartLengths {
                min: self.0.min_part_len(),
                default: DEFAULT_BUCKET_PART,
                max: MAX_BUCKET_PART,
            };
        }
        PartLengths {
            min: MIN_FOLDER_PART,
            default: contents::MAX_BYTES,
            max: contents::MAX_BYTES,
        }
    }

    fn create_upload<'a>(&'a self, object: &'a ObjectKey) -> Call<'a, String> {
        Box::pin(async move {
            let upload = self.0.create_upload(&key(object)?).await.map_err(failure)?;
            Ok(upload.as_str().to_owned())
        })
    }

    fn sign_part(
        &self,
        object: &ObjectKey,
        upload: &str,
        number: u16,
        (len, sha256): (u64, [u8; 32]),
    ) -> Result<Option<SignedRequest>, ObjectError> {
        let content = Content { len, sha256 };
        let request = self
            .0
            .presign_part(&key(object)?, &upload_id(upload)?, number, &content, VALIDITY);
        Ok(request.map_err(failure)?.map(signed))
    }

    fn sign_get(
        &self,
        object: &ObjectKey,
        content_type: &str,
        content_disposition: &str,
    ) -> Result<Option<SignedRequest>, ObjectError> {
        let headers = ResponseHeaders {
            content_type: Some(content_type),
            content_disposition: Some(content_disposition),
        };
        let request = self.0.presign_get(&key(object)?, &headers, VALIDITY);
        Ok(request.map_err(failure)?.map(signed))
    }

    fn put_part<'a>(&'a self, object: &'a ObjectKey, upload: &'a str, number: u16, bytes: Bytes) -> Call<'a, ()> {
        Box::pin(async move {
            let (key, upload) = (key(object)?, upload_id(upload)?);
            self.0.put_part(&key, &upload, number, bytes).await.map_err(failure)?;
            Ok(())
        })
    }

    fn list_parts<'a>(&'a self, object: &'a ObjectKey, upload: &'a str) -> Call<'a, Vec<StoredPart>> {
        Box::pin(async move {
            let (key, upload) = (key(object)?, upload_id(upload)?);
            let (mut parts, mut next) = (Vec::new(), Some(0));
            while let Some(after) = next {
                let page = self.0.list_parts(&key, &upload, after).await.map_err(failure)?;
                parts.extend(page.parts.into_iter().map(|part| StoredPart {
                    number: part.number,
                    len: part.len,
                    etag: part.etag,
                    sha256: part.sha256,
                }));
                next = page.next;
            }
            Ok(parts)
        })
    }

    fn complete<'a>(&'a self, object: &'a ObjectKey, upload: &'a str, parts: &'a [StoredPart]) -> Call<'a, ()> {
        Box::pin(async move {
            let (key, upload) = (key(object)?, upload_id(upload)?);
            let parts: Vec<_> = parts.iter().map(completed).collect::<Result<_, _>>()?;
            self.0.complete(&key, &upload, &parts).await.map_err(failure)
        })
    }

    fn abort<'a>(&'a self, object: &'a ObjectKey, upload: &'a str) -> Call<'a, ()> {
        Box::pin(async move {
            let (key, upload) = (key(object)?, upload_id(upload)?);
            self.0.abort(&key, &upload).await.map_err(failure)
        })
    }

    fn abort_older_than(&self, age: Duration) -> Call<'_, usize> {
        Box::pin(async move { self.0.abort_older_than(age).await.map_err(failure) })
    }

    fn read<'a>(&'a self, object: &'a ObjectKey, range: Range<u64>) -> Call<'a, Bytes> {
        Box::pin(async move { self.0.read(&key(object)?, range).await.map_err(failure) })
    }

    fn delete<'a>(&'a self, object: &'a ObjectKey) -> Call<'a, ()> {
        Box::pin(async move { self.0.delete(&key(object)?).await.map_err(failure) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The object that an upload makes.
    fn object() -> ObjectKey {
        let text = "\"6a3bf5a8-a797-586a-8a9f-249fe0640660/01a21afc-45ee-7497-b779-2e746480f562\"";
        serde_json::from_str(text).unwrap()
    }

    fn store(folder: &tempfile::TempDir) -> LargeFiles {
        let objects = format!("file:{}", folder.path().display());
        LargeFiles::open(&objects, &|_| None, Arc::new(SystemClock)).unwrap()
    }

    #[tokio::test]
    async fn an_object_is_made_of_its_parts_read_and_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let (store, object) = (store(&folder), object());
        let upload = store.create_upload(&object).await.unwrap();
        assert_eq!(store.sign_part(&object, &upload, 1, (1, [0; 32])).unwrap(), None);
        for (number, bytes) in [(2, "world"), (1, "other"), (1, "hello ")] {
            store.put_part(&object, &upload, number, bytes.into()).await.unwrap();
        }
        let parts = store.list_parts(&object, &upload).await.unwrap();
        assert_eq!(
            parts.iter().map(|part| (part.number, part.len)).collect::<Vec<_>>(),
            [(1, 6), (2, 5)]
        );
        for _ in 0..2 {
            store.complete(&object, &upload, &parts).await.unwrap();
        }
        assert!(matches!(
            store.list_parts(&object, &upload).await,
            Err(ObjectError::Missing(_))
        ));
        assert_eq!(store.read(&object, 4..8).await.unwrap(), "o wo");
        for _ in 0..2 {
            store.abort(&object, &upload).await.unwrap();
            store.delete(&object).await.unwrap();
        }
        assert!(matches!(store.read(&object, 0..1).await, Err(ObjectError::Missing(_))));
    }

    #[tokio::test]
    async fn an_aborted_upload_makes_no_object() {
        let folder = tempfile::tempdir().unwrap();
        let (store, object) = (store(&folder), object());
        let upload = store.create_upload(&object).await.unwrap();
        store.put_part(&object, &upload, 1, "hello".into()).await.unwrap();
        let parts = store.list_parts(&object, &upload).await.unwrap();
        store.abort(&object, &upload).await.unwrap();
        assert!(matches!(
            store.complete(&object, &upload, &parts).await,
            Err(ObjectError::Missing(_))
        ));
        assert!(matches!(store.read(&object, 0..1).await, Err(ObjectError::Missing(_))));
    }
}
