//! `POST /sessions/{id}/uploads/{upload}/parts/{part}/url`

use std::collections::BTreeMap;

use api::content::parse_digest_field;
use api::openapi::problems;
use api::openapi::schema::{IdParameter, text};
use api::{ApiError, AppState, Authenticated, Body, Checks, Field, PartNumber, Reply, SubId};
use axum::extract::State;
use domain::UploadId;
use domain::contents::Digest;
use domain::uploads::ops;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};

use crate::schema::{DigestText, PartNumberText};

/// The part to send.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SignPart)]
pub struct SignBody {
    /// The digest of the part: the URL is good for these bytes only.
    #[schema(value_type = DigestText)]
    digest: Field<String>,
}

/// Where to send a part.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PartUrl)]
pub struct UrlBody {
    /// The request to send; null if the part is sent with `PUT …/parts/{part}`.
    #[schema(required)]
    request: Option<RequestBody>,
}

/// A request that the client sends itself, without its access token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SignedRequest)]
pub struct RequestBody {
    /// The method.
    #[schema(max_length = 10, example = "PUT")]
    method: &'static str,
    /// The URL. It is the permission to send the part, and valid for a short time.
    #[schema(max_length = 4096, example = "https://bucket.s3.eu-central-1.amazonaws.com/…")]
    url: String,
    /// The headers to send, with exactly these values.
    #[schema(schema_with = headers)]
    headers: BTreeMap<String, String>,
}

fn headers() -> RefOr<Schema> {
    let value = text().max_length(Some(1000));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::RefOr(RefOr::T(value.into()))))
        .examples([json!({ "content-length": "4194304" })])
        .into()
}

/// Returns the URL to which a part is sent, in a deployment whose large files are in an object store with URLs. The
/// request is good for one part with one digest.
#[utoipa::path(
    post,
    path = "/sessions/{id}/uploads/{upload}/parts/{part}/url",
    tag = "files",
    operation_id = "signPart",
    security(("accessToken" = [])),
    params(
        ("id" = IdParameter, Path, description = "The session's id."),
        ("upload" = IdParameter, Path, description = "The upload's id."),
        ("part" = inline(PartNumberText), Path, description = "The number of the part."),
    ),
    request_body = SignBody,
    responses(
        (status = 200, description = "Where to send the part.", body = UrlBody),
        problems::Forbidden,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    SubId(upload): SubId<UploadId>,
    PartNumber(part): PartNumber,
    Body(body): Body<SignBody>,
) -> Result<Reply<UrlBody>, ApiError> {
    let mut checks = Checks::new();
    let digest = checks.required("digest", body.digest, |text| parse_digest_field(&text));
    let Some(digest) = digest.map(Digest::from_bytes) else {
        return Err(checks.into_error());
    };
    let request = ops::sign_part(&app.env, &caller, id, upload, part, &digest).await?;
    Ok(Reply::ok(UrlBody {
        request: request.map(|request| RequestBody {
            method: request.method,
            url: request.url,
            headers: request.headers.into_iter().collect(),
        }),
    }))
}
