//! Ids in paths.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use domain::SessionId;

use crate::error::ApiError;

/// The id at the end of the path. What is no id names nothing, and is answered as what is absent is.
#[derive(Clone, Copy, Debug)]
pub struct Id<T>(pub T);

impl<S: Send + Sync> FromRequestParts<S> for Id<SessionId> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| domain::Error::NotFound)?;
        let id = params
            .iter()
            .find_map(|(name, value)| (name == "id").then(|| SessionId::parse(value)));
        id.flatten().map(Self).ok_or_else(|| domain::Error::NotFound.into())
    }
}
