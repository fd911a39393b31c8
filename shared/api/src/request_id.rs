//! The id of a request, which its response, its log line and its audit events carry.

use std::sync::Arc;

use axum::http::HeaderName;
use domain::TokenId;
use serde::{Serialize, Serializer};
use uuid::Uuid;

/// The response header that carries the id.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id that the front door assigned to a request, or else a generated one.
///
/// A client's own `X-Request-Id` is ignored, because it could be the id of another request. Clones share the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    /// The id that a front door assigned.
    pub(crate) fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The id of a request whose front door assigns none.
    pub(crate) fn generated(id: TokenId) -> Self {
        Self::new(id.uuid().hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
