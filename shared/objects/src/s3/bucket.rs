//! Whole objects of a bucket.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{CONTENT_LENGTH, HeaderMap};

use super::call::Call;
use super::documents;
use super::http::{Http, Limits, Response, Signed};
use super::signer::Signer;
use crate::config::{BucketSettings, Clock, ConfigError};
use crate::content::{self, Checksum, Content, Head};
use crate::error::Error;
use crate::key::Key;
use crate::presigned::{PresignedRequest, ResponseHeaders, check_validity};

/// Validity of the store's own requests: longer than all attempts, and enough for clocks that differ.
const OWN_VALIDITY: Duration = Duration::from_secs(300);
/// Longest document in a response, in bytes: 1,000 parts or uploads have less.
pub(super) const MAX_DOCUMENT: usize = 4 << 20;
/// Longest object of one PUT, and longest part, in bytes: S3's limit.
const MAX_PUT: u64 = 5 << 30;

pub(super) const CHECKSUM: &str = "x-amz-checksum-sha256";
pub(super) const IF_NONE_MATCH: &str = "if-none-match";

/// A bucket.
pub(crate) struct Bucket {
    signer: Signer,
    http: Http,
    pub(super) clock: Clock,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.signer.fmt(f)
    }
}

impl Bucket {
    pub(crate) fn new(settings: BucketSettings, clock: Clock) -> Result<Self, ConfigError> {
        Ok(Self {
            signer: Signer::new(settings, clock.clone())?,
            http: Http::new(Limits::default())?,
            clock,
        })
    }

    pub(crate) fn presign_put(
        &self,
        key: &Key,
        content: &Content,
        validity: Duration,
    ) -> Result<PresignedRequest, Error> {
        check_len(content.len)?;
        self.presign(&put(key, content), "PUT", validity)
    }

    pub(crate) fn presign_get(
        &self,
        key: &Key,
        headers: &ResponseHeaders<'_>,
        validity: Duration,
    ) -> Result<PresignedRequest, Error> {
        let mut call = Call::to_object(Method::GET, key);
        for (name, value) in headers.query()? {
            call = call.query(name, value);
        }
        self.presign(&call, "GET", validity)
    }

    pub(super) fn presign(
        &self,
        call: &Call<'_>,
        method: &'static str,
        validity: Duration,
    ) -> Result<PresignedRequest, Error> {
        check_validity(validity)?;
        Ok(PresignedRequest {
            method,
            url: self.signer.sign(call, validity)?.into(),
            headers: call.headers.clone(),
        })
    }

    pub(crate) async fn put(&self, key: &Key, bytes: Bytes) -> Result<(), Error> {
        let content = Content::of(&bytes);
        self.send(&put(key, &content), bytes, MAX_DOCUMENT, false).await?;
        Ok(())
    }

    pub(crate) async fn head(&self, key: &Key) -> Result<Head, Error> {
        let call = Call::to_object(Method::HEAD, key).header("x-amz-checksum-mode", "ENABLED");
        let response = self.send(&call, Bytes::new(), MAX_DOCUMENT, false).await?;
        let len = header(&response.headers, CONTENT_LENGTH.as_str())
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Error::corrupt("a response has no length of the object"))?;
        let checksum = match header(&response.headers, CHECKSUM) {
            Some(text) => {
                Some(Checksum::parse(text).ok_or_else(|| Error::corrupt("an object has a malformed checksum"))?)
            }
            None => None,
        };
        Ok(Head { len, checksum })
    }

    /// The range is not empty.
    pub(crate) async fn read(&self, key: &Key, range: Range<u64>) -> Result<Bytes, Error> {
        let last = range.end - 1;
        let call = Call::to_object(Method::GET, key).header("range", format!("bytes={}-{last}", range.start));
        let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        // An error's document may be longer than the range.
        let limit = len.max(MAX_DOCUMENT);
        let response = self.send(&call, Bytes::new(), limit, false).await?;
        if response.body.len() > len {
            return Err(Error::corrupt("a response has more bytes than the range"));
        }
        // A server that does not know ranges responds with the start of the object.
        let is_range = header(&response.headers, "content-range")
            .is_some_and(|text| text.starts_with(&format!("bytes {}-", range.start)));
        if !is_range && range.start > 0 {
            return Err(Error::corrupt("a response has another range than the requested one"));
        }
        Ok(response.body)
    }

    pub(crate) async fn delete(&self, key: &Key) -> Result<(), Error> {
        let call = Call::to_object(Method::DELETE, key);
        match self.send(&call, Bytes::new(), MAX_DOCUMENT, false).await {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn delete_many(&self, keys: &[Key]) -> Result<Vec<Key>, Error> {
        let body = Bytes::from(documents::delete(keys));
        let call = Call::to_bucket(Method::POST).query("delete", "");
        let call = with_content(call, &Content::of(&body));
        let response = self.send(&call, body, MAX_DOCUMENT, false).await?;
        let mut failed = Vec::new();
        for (key, code) in documents::failed_deletions(&response.body)? {
            if code == "NoSuchKey" {
                continue;
            }
            let known = keys.iter().find(|known| known.as_str() == key);
            let known = known.ok_or_else(|| Error::corrupt("a response names another key than the request"))?;
            tracing::warn!(key = %known, code, "an object was not deleted");
            failed.push(known.clone());
        }
        Ok(failed)
    }

    pub(super) async fn send(
        &self,
        call: &Call<'_>,
        body: Bytes,
        max_response: usize,
        is_slow: bool,
    ) -> Result<Response, Error> {
        let request = Signed {
            method: call.method.clone(),
            url: self.signer.sign(call, OWN_VALIDITY)?,
            headers: call.headers.clone(),
            body,
            max_response,
            is_slow,
        };
        self.http.send(&request).await
    }
}

/// Only if the key is free: an object never changes.
fn put<'a>(key: &'a Key, content: &Content) -> Call<'a> {
    with_content(Call::to_object(Method::PUT, key), content).header(IF_NONE_MATCH, "*")
}

/// Signs the length and the checksum, so that the store accepts no other bytes.
pub(super) fn with_content<'a>(call: Call<'a>, content: &Content) -> Call<'a> {
    call.header("content-length", content.len.to_string())
        .header(CHECKSUM, content::encode(&content.sha256))
}

pub(super) fn check_len(len: u64) -> Result<(), Error> {
    if len > MAX_PUT {
        return Err(Error::TooLarge {
            what: "the bytes of one upload",
            limit: MAX_PUT,
        });
    }
    Ok(())
}

pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
