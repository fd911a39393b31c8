//! Ids in paths, and the prefix of a path.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use domain::exports::PresentedLink;
use domain::users::profile::AvatarDigest;
use domain::{AccessTokenId, LoginId, SessionId, SnapshotId, TrashItemId, UploadId};

use crate::error::ApiError;
use crate::request_context::RequestContext;
use crate::router::PREFIXES;

/// The prefix of the request's path, for paths of other resources in the response's body.
#[derive(Clone, Copy, Debug)]
pub struct Prefix(pub &'static str);

impl<S: Send + Sync> FromRequestParts<S> for Prefix {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let context = parts.extensions.get::<RequestContext>();
        let alias_prefix = context.map_or("", RequestContext::alias_prefix);
        let [own, alias] = PREFIXES;
        Ok(Self(if alias_prefix.is_empty() { own } else { alias }))
    }
}

/// The path's `{id}`, `{digest}` or `{token}`. Text that is not an id gets the same 404 as the id of an absent
/// resource.
#[derive(Clone, Copy, Debug)]
pub struct Id<T>(pub T);

/// The path's `{item}`, `{snapshot}` or `{upload}`, which is a part of the resource with the `{id}`.
#[derive(Clone, Copy, Debug)]
pub struct SubId<T>(pub T);

/// The path's `{part}`: the number of a part of an upload. Other text gets the 404 of an absent part.
#[derive(Clone, Copy, Debug)]
pub struct PartNumber(pub u16);

impl PathId for PartNumber {
    fn parse(text: &str) -> Option<Self> {
        let number = text
            .parse()
            .ok()
            .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        number.map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PartNumber {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        parse(parts, state, &["part"]).await
    }
}

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

impl PathId for AccessTokenId {
    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl PathId for AvatarDigest {
    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl PathId for PresentedLink {
    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl PathId for SnapshotId {
    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl PathId for UploadId {
    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl PathId for TrashItemId {
    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl<S: Send + Sync, T: PathId> FromRequestParts<S> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        parse(parts, state, &["id", "digest", "token"]).await.map(Self)
    }
}

impl<S: Send + Sync, T: PathId> FromRequestParts<S> for SubId<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        parse(parts, state, &["item", "snapshot", "upload"]).await.map(Self)
    }
}

/// The first of the path's parameters with one of these names.
async fn parse<S: Send + Sync, T: PathId>(parts: &mut Parts, state: &S, names: &[&str]) -> Result<T, ApiError> {
    let params = RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|_| domain::Error::NotFound)?;
    let id = (params.iter()).find_map(|(name, value)| names.contains(&name).then(|| T::parse(value)));
    id.flatten().ok_or_else(|| domain::Error::NotFound.into())
}
