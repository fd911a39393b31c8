//! `PUT /sessions/{id}/files/content`

use api::openapi::parameters::{IfMatch, IfNoneMatch, optional};
use api::openapi::problems;
use api::openapi::schema::{IdParameter, text};
use api::{ApiError, AppState, Authenticated, File, Query, Reply};
use axum::extract::State;
use domain::contents::{self, Content};
use domain::files::changeset::ops;
use domain::files::changeset::{Effect, Put, Source};
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::admission::admit;
use crate::entry_body::{EntryBody, version};
use crate::parameters::{PathParameter, flag, read_flag};
use crate::precondition::HeaderPrecondition;
use crate::schema::FileBytes;

/// The largest body in bytes. Larger files are uploaded in parts.
#[expect(clippy::cast_possible_truncation, reason = "the limit is far below 4 GiB")]
pub const MAX_BYTES: usize = contents::MAX_BYTES as usize;

/// `parents`.
pub struct Parents;

impl utoipa::IntoParams for Parents {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![flag("parents", "Whether missing directories of the path are made.")]
    }
}

/// The digests of a body.
pub struct BodyDigests;

impl utoipa::IntoParams for BodyDigests {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let digest = |name| {
            let description = "Digests of the body (RFC 9530). `sha-256` is checked, and other algorithms are ignored.";
            let schema = text()
                .max_length(Some(1000))
                .examples(["sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"]);
            optional(ParameterIn::Header, name, description, schema)
        };
        vec![digest("Content-Digest"), digest("Repr-Digest")]
    }
}

/// Writes a file. Nothing is written unless the whole body arrives and matches its digests. The body's `Content-Type`
/// has no meaning: the media type of a file follows its name. A personal access token can replace a file only with an
/// `If-Match` that names its version; `*` is not enough.
#[utoipa::path(
    put,
    path = "/sessions/{id}/files/content",
    tag = "files",
    operation_id = "putContent",
    security(("accessToken" = [])),
    params(
        ("id" = IdParameter, Path, description = "The session's id."),
        PathParameter,
        Parents,
        BodyDigests,
        IfMatch,
        IfNoneMatch,
    ),
    request_body(
        description = "The content, at most 4 MiB; without a body, the file is empty. Its media type is ignored.",
        content = Option<FileBytes>,
        content_type = "application/octet-stream",
    ),
    responses(
        (status = 200, description = "The file is replaced.", body = EntryBody, headers(("ETag"))),
        (status = 201, description = "The file is new.", body = EntryBody, headers(("ETag"))),
        problems::Forbidden,
        problems::IsADirectory,
        problems::MalformedRequest,
        problems::NotADirectory,
        problems::PreconditionRequired,
        problems::QuotaExceeded,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    HeaderPrecondition(precondition): HeaderPrecondition,
    mut query: Query,
    file: File,
) -> Result<Reply<EntryBody>, ApiError> {
    let path = PathParameter::read(&mut query);
    let parents = read_flag(&mut query, "parents");
    let (Some(path), Some(parents)) = (path, parents) else {
        return Err(query.into_error());
    };
    file.check_is_bytes()?;
    let digests = file.stated_digests()?;
    let _place = admit(&app, &caller, file.may_be_large()).await?;
    let content = Content::hash(file.read(MAX_BYTES).await?).await;
    digests.check(content.digest().as_bytes())?;
    let put = Put {
        path,
        source: Source::Content(content),
        parents,
        precondition,
    };
    let outcome = ops::put(&app.env, &caller, id, put).await?;
    let entry = outcome
        .entry
        .ok_or_else(|| ApiError::internal("a written file has no entry"))?;
    let version = version(entry.tag());
    let reply = match outcome.effect {
        Effect::Created => Reply::created(entry.into()),
        _ => Reply::ok(entry.into()),
    };
    Ok(reply.version(version))
}
