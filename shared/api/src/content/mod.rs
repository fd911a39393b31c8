//! The contents of files: raw bytes, with ranges, preconditions, digests, and headers that keep browsers from running
//! them.

mod digest;
mod disposition;
mod media_type;
mod range;

use std::convert::Infallible;
use std::ops::Range;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
pub use digest::{Sha256Digest, StatedDigests, digest_field, parse_digest_field};
pub use media_type::media_type;

use self::range::Selected;
use crate::error::{ApiError, Code};
use crate::preconditions::{Preconditions, Version};

/// A page of a file can do nothing, and has an origin of its own.
const SANDBOX: &str = "sandbox; default-src 'none'";

/// What a file is, apart from its bytes.
#[derive(Clone, Copy, Debug)]
pub struct FileInfo<'a> {
    /// The last part of its path.
    pub name: &'a str,
    /// The size in bytes.
    pub size: u64,
    /// The version, which follows the content.
    pub version: Version,
    /// The digest of the content.
    pub digest: Sha256Digest,
}

/// What a request for the content of a file asks for, apart from the file.
#[derive(Debug)]
pub struct ContentRequest {
    is_head: bool,
    headers: HeaderMap,
}

impl<S: Send + Sync> FromRequestParts<S> for ContentRequest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.method, &parts.headers))
    }
}

/// What a response contains of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Nothing: the client has this version.
    NotModified,
    /// Nothing: the request is a `HEAD`.
    Head,
    /// The whole file.
    Whole,
    /// These bytes of it, at least one.
    Part(Range<u64>),
    /// Nothing: the range begins beyond the end.
    Unsatisfiable,
}

impl Selection {
    /// The bytes that the response contains of a file of this size.
    pub fn bytes(&self, size: u64) -> Range<u64> {
        match self {
            Self::NotModified | Self::Head | Self::Unsatisfiable => 0..0,
            Self::Whole => 0..size,
            Self::Part(part) => part.clone(),
        }
    }
}

impl ContentRequest {
    fn of(method: &Method, headers: &HeaderMap) -> Self {
        let relevant = [header::IF_MATCH, header::IF_NONE_MATCH, header::RANGE, header::IF_RANGE];
        let relevant = relevant.iter().flat_map(|name| {
            let values = headers.get_all(name).iter();
            values.map(move |value| (name.clone(), value.clone()))
        });
        Self {
            is_head: method == Method::HEAD,
            headers: relevant.collect(),
        }
    }

    /// Selects what the response contains of a file of this size and version, in the order of RFC 9110, section 13.2.2.
    /// Rejects a version that the client does not expect.
    pub fn select(&self, size: u64, version: Version) -> Result<Selection, ApiError> {
        let preconditions = Preconditions::read(&self.headers);
        if !preconditions.matches(version) {
            return Err(domain::Error::PreconditionFailed.into());
        }
        if preconditions.client_has(version) {
            return Ok(Selection::NotModified);
        }
        // `Range` is defined for `GET` only.
        if self.is_head {
            return Ok(Selection::Head);
        }
        Ok(match range::select(&self.headers, size, version) {
            Selected::Whole => Selection::Whole,
            Selected::Part(part) => Selection::Part(part),
            Selected::Unsatisfiable => Selection::Unsatisfiable,
        })
    }
}

/// The error for a range beyond the end of a file of this size.
pub(crate) fn unsatisfiable(size: u64) -> ApiError {
    let detail = format!("The range begins beyond the end of the file, which has {size} bytes.");
    ApiError::new(Code::RangeNotSatisfiable, detail)
}

/// The response to a range beyond the end of a file of this size.
fn respond_to_unsatisfiable(size: u64) -> Response {
    let mut response = unsatisfiable(size).into_response();
    let value = range::unsatisfied_range(size);
    response
        .headers_mut()
        .extend(value.map(|value| (header::CONTENT_RANGE, value)));
    response
}

/// The response with the content of a file, or with a part of it.
///
/// `body` has the bytes that [`Selection::bytes`] names. It is complete, because the log shows a response that fails in
/// the middle as a success.
pub fn file_response(file: FileInfo<'_>, selection: &Selection, body: impl Into<Body>) -> Response {
    let mut response = match selection {
        Selection::Unsatisfiable => return respond_to_unsatisfiable(file.size),
        Selection::NotModified | Selection::Head => Response::default(),
        Selection::Whole | Selection::Part(_) => Response::new(body.into()),
    };
    response.extensions_mut().insert(RawBytes);
    *response.status_mut() = match selection {
        Selection::NotModified => StatusCode::NOT_MODIFIED,
        Selection::Head | Selection::Whole | Selection::Unsatisfiable => StatusCode::OK,
        Selection::Part(_) => StatusCode::PARTIAL_CONTENT,
    };
    let headers = response.headers_mut();
    headers.reserve(16);
    headers.insert(header::ETAG, file.version.header());
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(digest) = HeaderValue::try_from(digest_field(&file.digest)) {
        headers.insert(digest::REPR_DIGEST, digest);
    }
    let length = match selection {
        Selection::Part(part) => {
            headers.extend(range::content_range(part, file.size).map(|value| (header::CONTENT_RANGE, value)));
            part.end - part.start
        }
        // RFC 9110, section 8.6: the length of the body that a `GET` without conditions has.
        _ => file.size,
    };
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if *selection != Selection::NotModified {
        let (content_type, disposition) = content_headers(file.name);
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert(header::CONTENT_DISPOSITION, disposition);
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    }
    response
}

/// `Content-Type` and `Content-Disposition` of a file with this name.
pub fn content_headers(name: &str) -> (HeaderValue, HeaderValue) {
    let media_type = media_type(name);
    (
        media_type::content_type(media_type),
        disposition::content_disposition(name, media_type),
    )
}

/// Marks a response whose body is bytes of a client: behind a front door of Lambda it is sent as base64, whatever its
/// media type is. As text, bytes that are not UTF-8 would be replaced, and a byte order mark removed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawBytes;

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    const FILE: FileInfo<'_> = FileInfo {
        name: "a.html",
        size: 10,
        version: Version::Digest([7; 16]),
        digest: [7; 32],
    };

    fn request(method: &Method, headers: &[(header::HeaderName, &str)]) -> ContentRequest {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()));
        ContentRequest::of(method, &headers.collect())
    }

    fn select(method: &Method, headers: &[(header::HeaderName, &str)]) -> Result<Selection, Code> {
        let selection = request(method, headers).select(FILE.size, FILE.version);
        selection.map_err(|error| error.code())
    }

    #[test]
    fn preconditions_precede_ranges() {
        let tag = &*FILE.version.text();
        let (get, head) = (&Method::GET, &Method::HEAD);
        let part = (header::RANGE, "bytes=1-2");
        let beyond = (header::RANGE, "bytes=10-");
        let other = "\"1\"";
        assert_eq!(select(get, &[]), Ok(Selection::Whole));
        assert_eq!(select(head, &[]), Ok(Selection::Head));
        assert_eq!(select(get, std::slice::from_ref(&part)), Ok(Selection::Part(1..3)));
        assert_eq!(select(head, std::slice::from_ref(&part)), Ok(Selection::Head));
        assert_eq!(select(get, std::slice::from_ref(&beyond)), Ok(Selection::Unsatisfiable));
        assert_eq!(select(head, std::slice::from_ref(&beyond)), Ok(Selection::Head));
        for method in [get, head] {
            let known = select(method, &[(header::IF_NONE_MATCH, tag), beyond.clone()]);
            assert_eq!(known, Ok(Selection::NotModified));
            let conditions = [(header::IF_MATCH, other), (header::IF_NONE_MATCH, tag), part.clone()];
            assert_eq!(select(method, &conditions), Err(Code::PreconditionFailed));
        }
        let fresh = [(header::IF_MATCH, tag), (header::IF_NONE_MATCH, other), part.clone()];
        assert_eq!(select(get, &fresh), Ok(Selection::Part(1..3)));
        assert_eq!(select(get, &[(header::IF_RANGE, other), beyond]), Ok(Selection::Whole));
    }

    #[tokio::test]
    async fn a_response_has_the_selected_bytes_and_exact_headers() {
        for (selection, status, length, range) in [
            (Selection::Whole, 200, "10", None),
            (Selection::Head, 200, "10", None),
            (Selection::NotModified, 304, "10", None),
            (Selection::Part(1..3), 206, "2", Some("bytes 1-2/10")),
            (Selection::Part(9..10), 206, "1", Some("bytes 9-9/10")),
        ] {
            let bytes = selection.bytes(FILE.size);
            let sent: Vec<u8> = (bytes.start..bytes.end).map(|_| b'x').collect();
            let response = file_response(FILE, &selection, sent.clone());
            assert_eq!(response.status(), status, "{selection:?}");
            let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
            assert_eq!(header("content-length"), Some(length), "{selection:?}");
            assert_eq!(header("content-range"), range, "{selection:?}");
            assert_eq!(header("etag"), Some("\"07070707070707070707070707070707\""));
            assert!(header("repr-digest").unwrap().starts_with("sha-256=:BwcH"));
            assert_eq!(header("accept-ranges"), Some("bytes"));
            if status == 304 {
                assert_eq!(header("content-type"), None);
            } else {
                assert_eq!(header("content-type"), Some("text/html; charset=utf-8"));
                assert_eq!(header("content-disposition"), Some("attachment; filename=\"a.html\""));
                assert_eq!(header("content-security-policy"), Some(SANDBOX));
            }
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, sent, "{selection:?}");
        }
    }

    #[test]
    fn the_error_for_a_range_beyond_the_end_has_the_size() {
        let response = file_response(FILE, &Selection::Unsatisfiable, Vec::new());
        assert_eq!(response.status(), 416);
        assert_eq!(response.headers()[header::CONTENT_RANGE], "bytes */10");
    }
}
