//! Ids in paths.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use domain::{LoginId, SessionId};

use crate::error::ApiError;

/// The path's `{id}`. Text that is not an id gets the same 404 as the id of an absent resource.
#[derive(Clone, Copy, Debug)]
pub struct Id<T>(pub T);

/// An id that a path can name.
pub trait PathId: Sized {
    /// Parses the only form that the contract allows.
    fn parse(text: &str) -> Option<Self>;
}

impl PathId for SessionId {
    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl PathId for LoginId {
    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl<S: Send + Sync, T: PathId> FromRequestParts<S> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| domain::Error::NotFound)?;
        let id = params
            .iter()
            .find_map(|(name, value)| (name == "id").then(|| T::parse(value)));
        id.flatten().map(Self).ok_or_else(|| domain::Error::NotFound.into())
    }
}
