//! Request bodies that are files: bytes with a media type of their own.

use std::convert::Infallible;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;

use crate::error::{ApiError, Code};
use crate::json::{check_content_coding, read};

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

    /// Reads the body, which has at most `max_bytes`: the limit that the route states.
    pub async fn read(self, max_bytes: usize) -> Result<Bytes, ApiError> {
        read(self.0, max_bytes).await
    }
}
