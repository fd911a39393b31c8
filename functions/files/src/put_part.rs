//! `PUT /sessions/{id}/uploads/{upload}/parts/{part}`

use api::openapi::problems;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Authenticated, Empty, File, PartNumber, Reply, SubId};
use axum::extract::State;
use domain::UploadId;
use domain::contents::Content;
use domain::uploads::ops;

use crate::admission::admit;
use crate::put_content::{BodyDigests, MAX_BYTES};
use crate::schema::{FileBytes, PartNumberText};

/// Sends a part of a file. Sending the same part again changes nothing, and another part with the same number replaces
/// it. Parts may be sent in any order, and at the same time.
#[utoipa::path(
    put,
    path = "/sessions/{id}/uploads/{upload}/parts/{part}",
    tag = "files",
    operation_id = "putPart",
    security(("accessToken" = [])),
    params(
        ("id" = IdParameter, Path, description = "The session's id."),
        ("upload" = IdParameter, Path, description = "The upload's id."),
        ("part" = inline(PartNumberText), Path, description = "The number of the part."),
        BodyDigests,
    ),
    request_body(
        description = "The bytes of the part: exactly the upload's `partSize`, or of the last part what remains.",
        content = FileBytes,
        content_type = "application/octet-stream",
    ),
    responses(
        (status = 200, description = "The part is stored.", body = Empty),
        problems::Forbidden,
        problems::MalformedRequest,
        problems::QuotaExceeded,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    SubId(upload): SubId<UploadId>,
    PartNumber(part): PartNumber,
    file: File,
) -> Result<Reply<Empty>, ApiError> {
    file.check_is_bytes()?;
    let digests = file.stated_digests()?;
    let _place = admit(&app, &caller, file.may_be_large()).await?;
    let content = Content::hash(file.read(MAX_BYTES).await?).await;
    digests.check(content.digest().as_bytes())?;
    ops::put_part(&app.env, &caller, id, upload, part, &content).await?;
    Ok(Reply::ok(Empty {}))
}
