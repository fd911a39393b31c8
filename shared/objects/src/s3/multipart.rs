//! Uploads of an object in parts.

use std::time::Duration;

use hyper::Method;
use hyper::body::Bytes;

use super::bucket::{Bucket, IF_NONE_MATCH, MAX_DOCUMENT, check_len, header, with_content};
use super::call::Call;
use super::documents;
use crate::content::{CompletedPart, Content, Part, Parts};
use crate::error::Error;
use crate::key::{Key, UploadId};
use crate::presigned::PresignedRequest;

/// Uploads that one call looks at: S3's limit for a list.
const MAX_UPLOADS: &str = "1000";

impl Bucket {
    pub(crate) fn presign_part(
        &self,
        key: &Key,
        upload: &UploadId,
        number: u16,
        content: &Content,
        validity: Duration,
    ) -> Result<PresignedRequest, Error> {
        check_len(content.len)?;
        self.presign(&part(key, upload, number, content), "PUT", validity)
    }

    pub(crate) async fn create_upload(&self, key: &Key) -> Result<UploadId, Error> {
        let call = Call::to_object(Method::POST, key)
            .query("uploads", "")
            .header("x-amz-checksum-algorithm", "SHA256")
            .header("x-amz-checksum-type", "COMPOSITE");
        let response = self.send(&call, Bytes::new(), MAX_DOCUMENT, false).await?;
        UploadId::parse(&documents::upload_id(&response.body)?)
            .map_err(|_| Error::corrupt("the store chose a malformed upload id"))
    }

    pub(crate) async fn put_part(
        &self,
        key: &Key,
        upload: &UploadId,
        number: u16,
        bytes: Bytes,
    ) -> Result<Part, Error> {
        let content = Content::of(&bytes);
        let call = part(key, upload, number, &content);
        let response = self.send(&call, bytes, MAX_DOCUMENT, false).await?;
        let etag = header(&response.headers, "etag").ok_or_else(|| Error::corrupt("a part has no tag"))?;
        Ok(Part {
            number,
            etag: etag.to_owned(),
            len: content.len,
            sha256: Some(content.sha256),
        })
    }

    pub(crate) async fn list_parts(&self, key: &Key, upload: &UploadId, after: u16) -> Result<Parts, Error> {
        let call = Call::to_object(Method::GET, key)
            .query("max-parts", "1000")
            .query("part-number-marker", after.to_string())
            .query("uploadId", upload.as_str());
        let response = self.send(&call, Bytes::new(), MAX_DOCUMENT, false).await?;
        documents::parts(&response.body)
    }

    pub(crate) async fn complete(&self, key: &Key, upload: &UploadId, parts: &[CompletedPart]) -> Result<(), Error> {
        let call = Call::to_object(Method::POST, key)
            .query("uploadId", upload.as_str())
            .header(IF_NONE_MATCH, "*")
            .header("content-type", "application/xml");
        let body = Bytes::from(documents::complete(parts));
        self.send(&call, body, MAX_DOCUMENT, true).await?;
        Ok(())
    }

    pub(crate) async fn abort(&self, key: &Key, upload: &UploadId) -> Result<(), Error> {
        let call = Call::to_object(Method::DELETE, key).query("uploadId", upload.as_str());
        match self.send(&call, Bytes::new(), MAX_DOCUMENT, false).await {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn abort_older_than(&self, age: Duration) -> Result<usize, Error> {
        let call = Call::to_bucket(Method::GET)
            .query("max-uploads", MAX_UPLOADS)
            .query("uploads", "");
        let response = self.send(&call, Bytes::new(), MAX_DOCUMENT, false).await?;
        let now = (self.clock)();
        let mut aborted = 0;
        for upload in documents::unfinished(&response.body)? {
            let is_old = now.duration_since(upload.started).is_ok_and(|passed| passed >= age);
            // Uploads of other programs may have keys that are none here.
            if let (true, Ok(key), Ok(id)) = (is_old, Key::parse(&upload.key), UploadId::parse(&upload.id)) {
                self.abort(&key, &id).await?;
                aborted += 1;
            }
        }
        Ok(aborted)
    }
}

/// Without a condition: an upload of the same part replaces the earlier one, so a client can repeat it.
fn part<'a>(key: &'a Key, upload: &UploadId, number: u16, content: &Content) -> Call<'a> {
    let call = Call::to_object(Method::PUT, key)
        .query("partNumber", number.to_string())
        .query("uploadId", upload.as_str());
    with_content(call, content)
}
