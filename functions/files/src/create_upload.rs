//! `POST /sessions/{id}/uploads`

use std::collections::BTreeSet;

use api::content::parse_digest_field;
use api::openapi::schema::IdParameter;
use api::openapi::{parameters, problems};
use api::{
    ApiError, AppState, Authenticated, Body, Checks, Field, IdempotencyKey, MAX_SAFE_INTEGER, Reply, WholeNumber,
};
use axum::extract::State;
use domain::contents::Digest;
use domain::idempotency::Outcome;
use domain::text::Rejection;
use domain::uploads::{Draft, ops};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::schema::{DigestText, SubPathText};
use crate::transfer_body::not_root;
use crate::upload_body::UploadBody;

/// A file to upload.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreateUpload)]
pub struct CreateBody {
    /// The path that the file will have.
    #[schema(value_type = SubPathText)]
    path: Field<String>,
    /// The size of the file in bytes. It counts as stored from now on. Without an object store at most 4,194,304.
    #[schema(value_type = u64, minimum = 0, maximum = 4_294_967_296_u64, example = 10_000_000)]
    size: Field<WholeNumber<0, MAX_SAFE_INTEGER>>,
    /// The digest of the file, which the commit checks.
    #[schema(value_type = Option<DigestText>)]
    digest: Field<String>,
    /// The size of each part but the last one, in bytes; by default the API chooses it.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 4_194_304)]
    part_size: Field<WholeNumber<1, MAX_SAFE_INTEGER>>,
}

impl CreateBody {
    fn parse(self) -> Result<Draft, ApiError> {
        let mut checks = Checks::new();
        let path = checks.required("path", self.path, not_root);
        let size = checks.required("size", self.size, |size| Ok::<_, Rejection>(size.0));
        let digest = checks.optional("digest", self.digest, |text| {
            parse_digest_field(&text).map(Digest::from_bytes)
        });
        let part_size = checks.optional("partSize", self.part_size, |size| Ok::<_, Rejection>(size.0));
        match (path, size, digest, part_size) {
            (Some(path), Some(size), Some(digest), Some(part_size)) => Ok(Draft {
                path,
                size,
                digest,
                part_size,
            }),
            _ => Err(checks.into_error()),
        }
    }
}

/// Begins an upload in parts, of a file that is too large for one request. The file appears when the upload is
/// committed. An upload that is not committed ends after a day, and leaves nothing behind. A repeated request with the
/// same `Idempotency-Key` returns the same upload, and 404 if it has ended without a file.
#[utoipa::path(
    post,
    path = "/sessions/{id}/uploads",
    tag = "files",
    operation_id = "createUpload",
    security(("accessToken" = [])),
    params(
        ("id" = IdParameter, Path, description = "The session's id."),
        parameters::IdempotencyKey,
    ),
    request_body = CreateBody,
    responses(
        (
            status = 201,
            description = "The new upload.",
            body = UploadBody,
            headers(("Location"), ("Idempotency-Replayed")),
            links(
                ("get" = (operation_id = "getUpload", parameters(("upload" = "$response.body#/data/id")))),
                ("commit" = (operation_id = "commitUpload", parameters(("upload" = "$response.body#/data/id")))),
                ("cancel" = (operation_id = "cancelUpload", parameters(("upload" = "$response.body#/data/id")))),
            )
        ),
        problems::Forbidden,
        problems::QuotaExceeded,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body<CreateBody>,
) -> Result<Reply<UploadBody>, ApiError> {
    let (upload, arrived, replayed) = match ops::create(&app.env, &caller, id, &body.parse()?, key.as_ref()).await? {
        Outcome::Fresh(upload) => (upload, BTreeSet::new(), false),
        Outcome::Replayed(upload) => match ops::get(&app.env, &caller, id, upload.id).await {
            Ok((upload, arrived)) => (upload, arrived, true),
            // An earlier request has committed it.
            Err(domain::Error::NotFound) => {
                let all = (1..=upload.parts()).collect();
                (upload, all, true)
            }
            Err(error) => return Err(error.into()),
        },
    };
    let location = format!("/v5/sessions/{id}/uploads/{}", upload.id);
    let body = UploadBody::with_parts(&upload, &arrived);
    Ok(Reply::created(body).location(location).replayed(replayed))
}
