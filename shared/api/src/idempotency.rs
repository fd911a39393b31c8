//! The header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).

use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::request::Parts;
use domain::idempotency;
use domain::text::Rejection;

use crate::error::{ApiError, Violation};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The key under which the client may retry this request, if it sent one.
#[derive(Clone, Debug)]
pub struct IdempotencyKey(pub Option<idempotency::IdempotencyKey>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut values = parts.headers.get_all(HEADER).iter();
        let key = match (values.next(), values.next()) {
            (None, _) => return Ok(Self(None)),
            (Some(value), None) => idempotency::IdempotencyKey::parse(&String::from_utf8_lossy(value.as_bytes())),
            (Some(_), Some(_)) => Err(Rejection("must be given once".to_owned())),
        };
        key.map(|key| Self(Some(key)))
            .map_err(|reason| ApiError::invalid(vec![Violation::new("/Idempotency-Key", &reason)]))
    }
}
