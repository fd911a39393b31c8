//! `PUT /users/me/avatar`

use api::openapi::problems;
use api::{ApiError, AppState, Authenticated, File, Prefix, Reply};
use axum::extract::State;
use domain::text::Rejection;
use domain::users::profile::{Avatar, ops};
use picture::Format;

use crate::body::AccountBody;
use crate::schema;

/// Replaces the caller's picture. The API shows a part of what the client sends: the square in the middle, upright, as
/// a JPEG of 256 × 256 pixels, on white where it is transparent, and without metadata. A user may send ten pictures at
/// once, and then one every six seconds.
#[utoipa::path(
    put,
    path = "/users/me/avatar",
    tag = "users",
    operation_id = "setAvatar",
    security(("accessToken" = [])),
    request_body(
        description = "A still picture of at most 2 MiB and 4,096 × 4,096 pixels.",
        content(
            (schema::PictureUpload = "image/png"),
            (schema::PictureUpload = "image/jpeg"),
            (schema::PictureUpload = "image/webp"),
        ),
    ),
    responses(
        (status = 200, description = "The account with its new picture.", body = AccountBody),
        problems::QuotaExceeded,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    prefix: Prefix,
    file: File,
) -> Result<Reply<AccountBody>, ApiError> {
    let format = Format::of_media_type(file.media_type(&Format::MEDIA_TYPES)?);
    // Before the body is read: the places bound the memory that bodies take.
    let upload = ops::admit_upload(&app.env, &caller).await?;
    let bytes = file.read(picture::MAX_BYTES).await?;
    let verified = ops::verify_upload(&app.env, &caller).await?;
    let convert = move || {
        picture::convert(&bytes, format, Avatar::MAX_BYTES).map_err(|rejection| Rejection(rejection.to_string()))
    };
    let jpeg = upload.process(convert).await?;
    let account = ops::set_avatar(&app.env, &caller, verified, &Avatar::new(jpeg)).await?;
    // Without an `ETag`: it would be that of the picture, which is not stored as it was sent (RFC 9110, section 9.3.4).
    Ok(AccountBody::reply(account, prefix)?.without_version())
}
