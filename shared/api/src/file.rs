//! Request bodies that are files: bytes with a media type of their own.

use std::convert::Infallible;

use axum::body::{Bytes, HttpBody as _};
use axum::extract::{FromRequest, Request};
use axum::http::header;

use serde::de::DeserializeOwned;

use crate::content::StatedDigests;
use crate::error::{ApiError, Code};
use crate::json::{BODY_MAX_BYTES, check_content_coding, check_media_type, parse, read};

/// A body that was not read yet, so that a handler can first decide whether it reads it at all.
#[derive(Debug)]
pub struct File(Request);

impl<S: Send + Sync> FromRequest<S> for File {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        Ok(Self(request))
    }
}

impl File {
    /// The body's media type, without parameters: one of `accepted`. Any other, and a content coding, is rejected.
    pub fn media_type(&self, accepted: &[&'static str]) -> Result<&'static str, ApiError> {
        let value = self.0.headers().get(header::CONTENT_TYPE);
        let value = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = value.split(';').next().unwrap_or_default().trim();
        let known = accepted.iter().find(|known| kind.eq_ignore_ascii_case(known));
        let known = known.ok_or_else(|| {
            let detail = format!("Send the body with one of these media types: {}.", accepted.join(", "));
            ApiError::new(Code::UnsupportedMediaType, detail)
        })?;
        check_content_coding(self.0.headers())?;
        Ok(known)
    }

    /// Rejects a body that is not sent as bytes of any kind: with another media type than `application/octet-stream`,
    /// or with a content coding. Front doors of Lambda pass other types as text, and replace bytes that are not UTF-8.
    pub fn check_is_bytes(&self) -> Result<(), ApiError> {
        if self.0.headers().contains_key(header::CONTENT_TYPE) {
            self.media_type(&["application/octet-stream"])?;
        }
        check_content_coding(self.0.headers())
    }

    /// The digests that the request states for its body.
    pub fn stated_digests(&self) -> Result<StatedDigests, ApiError> {
        StatedDigests::read(self.0.headers())
    }

    /// Reads the body, which has at most `max_bytes`: the limit that the route states. Rejects a body whose length is
    /// not the declared one, which a server's body always has.
    pub async fn read(self, max_bytes: usize) -> Result<Bytes, ApiError> {
        let declared = self.0.headers().get(header::CONTENT_LENGTH).cloned();
        let bytes = read(self.0, max_bytes).await?;
        match declared {
            Some(declared) if declared.as_bytes() != bytes.len().to_string().as_bytes() => Err(other_length(&bytes)),
            _ => Ok(bytes),
        }
    }

    /// Whether the body may be larger than the bodies of most routes: it says so, or does not state its length.
    pub fn may_be_large(&self) -> bool {
        let most = self.0.body().size_hint().upper();
        most.is_none_or(|most| most > BODY_MAX_BYTES as u64)
    }

    /// Reads a body of JSON, which has at most `max_bytes`: the limit that the route states.
    pub async fn read_json<T: DeserializeOwned>(self, max_bytes: usize) -> Result<T, ApiError> {
        check_media_type(self.0.headers())?;
        parse(&read(self.0, max_bytes).await?)
    }
}

fn other_length(bytes: &Bytes) -> ApiError {
    let detail = format!(
        "The body has {} bytes, and `Content-Length` says otherwise.",
        bytes.len()
    );
    ApiError::new(Code::MalformedBody, detail)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn file(headers: &[(header::HeaderName, &str)], body: &'static [u8]) -> File {
        let mut request = Request::put("/").body(Body::from(body)).unwrap();
        for (name, value) in headers {
            request.headers_mut().append(name, value.parse().unwrap());
        }
        File(request)
    }

    #[test]
    fn bytes_have_no_media_type_or_the_one_of_bytes_and_no_coding() {
        for headers in [
            &[][..],
            &[(header::CONTENT_TYPE, "application/octet-stream")],
            &[(header::CONTENT_TYPE, "Application/Octet-Stream; a=b")],
            &[(header::CONTENT_ENCODING, "identity")],
        ] {
            file(headers, b"").check_is_bytes().unwrap();
        }
        for headers in [
            [(header::CONTENT_TYPE, "text/plain")],
            [(header::CONTENT_TYPE, "")],
            [(header::CONTENT_ENCODING, "gzip")],
        ] {
            let error = file(&headers, b"").check_is_bytes().unwrap_err();
            assert_eq!(error.code(), Code::UnsupportedMediaType, "{headers:?}");
        }
    }

    #[tokio::test]
    async fn a_body_of_another_length_than_declared_is_rejected() {
        assert_eq!(file(&[], b"abc").read(9).await.unwrap(), "abc");
        let declared = |length| file(&[(header::CONTENT_LENGTH, length)], b"abc").read(9);
        assert_eq!(declared("3").await.unwrap(), "abc");
        for wrong in ["2", "4", "", "-3", "03", "three"] {
            let error = declared(wrong).await.unwrap_err();
            assert_eq!(error.code(), Code::MalformedBody, "{wrong}");
        }
    }
}
