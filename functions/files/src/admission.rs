//! Admission of requests before their bodies are read, and bytes of responses with their places.

use api::{ApiError, AppState};
use axum::body::Bytes;
use domain::Caller;
use domain::files::admission;
use domain::users::profile::Upload;

/// Admits the request if its body may be large, until the result is dropped.
pub async fn admit(app: &AppState, caller: &Caller, may_be_large: bool) -> Result<Option<Upload>, ApiError> {
    if !may_be_large {
        return Ok(None);
    }
    Ok(Some(admission::admit(&app.env, caller).await?))
}

/// Bytes of a response with the place that they take in memory. It is given back when the last of them is sent, or the
/// response is dropped.
pub struct Held<B, P> {
    bytes: B,
    _place: P,
}

impl<B: AsRef<[u8]> + Send + 'static, P: Send + 'static> Held<B, P> {
    /// The bytes; their last clone drops the place.
    pub fn bytes(bytes: B, place: P) -> Bytes {
        Bytes::from_owner(Self { bytes, _place: place })
    }
}

impl<B: AsRef<[u8]>, P> AsRef<[u8]> for Held<B, P> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}
