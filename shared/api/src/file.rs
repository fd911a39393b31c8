//! Request bodies that are files: bytes with a media type of their own.

use std::convert::Infallible;

use axum::body::{Bytes, HttpBody as _};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use headers::{ContentType, HeaderMapExt as _};
use serde::de::DeserializeOwned;

use crate::content::StatedDigests;
use crate::error::{ApiError, Code};
use crate::json::{BODY_MAX_BYTES, check_content_coding, check_media_type, parse, read};

/// Marks a request whose body came as text with a replacement character (U+FFFD), which the client may not have sent:
/// front doors of Lambda pass some media types on as text, and replace bytes that are not UTF-8.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MayBeReplaced;

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

    /// Rejects a body that is not the bytes of a whole content: with a content coding, or with a range, which would
    /// replace all that is there (RFC 9110, section 14.5). Any media type is accepted, and has no meaning: browsers
    /// send that of the file, and `curl` that of forms.
    pub fn check_is_bytes(&self) -> Result<(), ApiError> {
        let headers = self.0.headers();
        if headers.typed_try_get::<ContentType>().is_err() {
            let detail = "Send the body with a well-formed `Content-Type`, or without one.";
            return Err(ApiError::new(Code::UnsupportedMediaType, detail));
        }
        check_content_coding(headers)?;
        if headers.contains_key(header::CONTENT_RANGE) {
            let detail = "Send the whole content, without `Content-Range`: a part would replace all of it.";
            return Err(ApiError::new(Code::MalformedRequest, detail));
        }
        self.check_is_unchanged(headers)
    }

    /// Rejects a body in which a front door may have replaced bytes, unless its digest shows that it has not.
    fn check_is_unchanged(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        if self.0.extensions().get::<MayBeReplaced>().is_none() || StatedDigests::read(headers)?.has_any() {
            return Ok(());
        }
        let detail = "The front door passed the body on as text, in which it replaces bytes that are not UTF-8. Send \
                      it as `Content-Type: application/octet-stream`, or with its `Content-Digest`.";
        Err(ApiError::new(Code::UnsupportedMediaType, detail))
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
    fn bytes_have_any_media_type_and_no_coding() {
        for headers in [
            &[][..],
            &[(header::CONTENT_TYPE, "application/octet-stream")],
            &[(header::CONTENT_TYPE, "Text/Plain; charset=latin1")],
            &[(header::CONTENT_TYPE, "image/png")],
            &[(header::CONTENT_TYPE, "application/x-www-form-urlencoded")],
            &[(header::CONTENT_ENCODING, "identity")],
        ] {
            file(headers, b"").check_is_bytes().unwrap();
        }
        for headers in [
            [(header::CONTENT_TYPE, "text")],
            [(header::CONTENT_TYPE, "")],
            [(header::CONTENT_ENCODING, "gzip")],
        ] {
            let error = file(&headers, b"").check_is_bytes().unwrap_err();
            assert_eq!(error.code(), Code::UnsupportedMediaType, "{headers:?}");
        }
    }

    #[test]
    fn bytes_are_a_whole_content() {
        for range in ["bytes 0-4/10", "bytes */10", "x"] {
            let part = file(&[(header::CONTENT_RANGE, range)], b"hello");
            assert_eq!(
                part.check_is_bytes().unwrap_err().code(),
                Code::MalformedRequest,
                "{range}"
            );
        }
    }

    #[test]
    fn text_in_which_bytes_may_be_replaced_needs_a_digest() {
        let text = |headers: &[(header::HeaderName, &str)]| {
            let mut file = file(headers, "\u{fffd}".as_bytes());
            file.0.extensions_mut().insert(MayBeReplaced);
            file.check_is_bytes().map_err(|error| error.code())
        };
        let digest = header::HeaderName::from_static("content-digest");
        let of_another = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
        assert_eq!(text(&[]), Err(Code::UnsupportedMediaType));
        assert_eq!(text(&[(digest.clone(), "md5=:AAAA:")]), Err(Code::UnsupportedMediaType));
        // The handler compares it.
        assert_eq!(text(&[(digest, of_another)]), Ok(()));
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
