//! `GET /avatars/{digest}`

use api::openapi::parameters::{IfMatch, IfNoneMatch};
use api::openapi::problems;
use api::{ApiError, AppState, Id, Immutable, Preconditions};
use axum::extract::State;
use axum::response::Response;
use domain::users::profile::{AvatarDigest, ops};

use crate::schema;

/// Returns a picture. It is public, and the path names its content, so caches may keep it for a year.
#[utoipa::path(
    get,
    path = "/avatars/{digest}",
    tag = "users",
    operation_id = "getAvatar",
    params(
        (
            "digest" = inline(schema::AvatarDigest),
            Path,
            description = "The SHA-256 of the picture, in lower-case hexadecimal.",
        ),
        IfMatch,
        IfNoneMatch,
    ),
    responses(
        (
            status = 200,
            description = "The picture: a JPEG of 256 × 256 pixels, without metadata.",
            content_type = "image/jpeg",
            body = schema::Picture,
            headers(("ETag"), ("Cache-Control")),
            extensions(("x-bare" = json!(true)))
        ),
        (
            status = 304,
            description = "The client has the picture; no body.",
            headers(("ETag"), ("Cache-Control")),
        ),
        problems::StoreUnavailable,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    preconditions: Preconditions,
    Id(digest): Id<AvatarDigest>,
) -> Result<Response, ApiError> {
    let picture = Immutable {
        media_type: "image/jpeg",
        body: ops::avatar(&app.env, &digest).await?,
    };
    picture.conditional(&preconditions)
}
