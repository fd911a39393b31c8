//! `GET /sessions/{id}/files/content`

use api::content::{ContentRequest, FileInfo, Selection, file_response};
use api::openapi::parameters::{IfMatch, IfNoneMatch, optional};
use api::openapi::problems;
use api::openapi::schema::{IdParameter, text};
use api::{ApiError, AppState, Authenticated, Query};
use axum::extract::State;
use axum::response::Response;
use domain::files::ops::{self, FileRead, Selection as Bytes};
use domain::files::{FileEntry, Node};
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::admission::Held;
use crate::entry_body::version;
use crate::large_object;
use crate::parameters::{AtParameter, PathParameter};
use crate::schema::ContentBytes;

/// `Range` and `If-Range`.
pub struct RangeParameters;

impl utoipa::IntoParams for RangeParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            optional(
                ParameterIn::Header,
                "Range",
                "The part to send (RFC 9110, section 14). Several ranges, and a malformed one, get the whole file.",
                text().max_length(Some(1000)).examples(["bytes=0-99"]),
            ),
            optional(
                ParameterIn::Header,
                "If-Range",
                "`Range` applies only to the version with this entity tag; another version is sent whole.",
                text()
                    .max_length(Some(1000))
                    .examples(["\"9f86d081884c7d659a2feaa0c55ad015\""]),
            ),
        ]
    }
}

/// Returns the content of a file, as it was written. The media type follows the name. Browsers save everything that
/// could run in a page, and show nothing of it. `HEAD` has the headers only.
#[utoipa::path(
    get,
    path = "/sessions/{id}/files/content",
    tag = "files",
    operation_id = "getContent",
    security(("accessToken" = [])),
    params(
        ("id" = IdParameter, Path, description = "The session's id."),
        PathParameter,
        AtParameter,
        RangeParameters,
        IfMatch,
        IfNoneMatch,
    ),
    responses(
        (
            status = 200,
            description = "The content.",
            content_type = "*/*",
            body = ContentBytes,
            headers(
                ("ETag"),
                ("Repr-Digest"),
                ("Accept-Ranges"),
                ("Content-Disposition"),
                ("Content-Security-Policy"),
            ),
            extensions(("x-bare" = json!(true)))
        ),
        (
            status = 206,
            description = "A part of the content.",
            content_type = "*/*",
            body = ContentBytes,
            headers(
                ("ETag"),
                ("Repr-Digest"),
                ("Accept-Ranges"),
                ("Content-Range"),
                ("Content-Disposition"),
                ("Content-Security-Policy"),
            ),
            extensions(("x-bare" = json!(true)))
        ),
        (
            status = 307,
            description = "A large file is at the URL in `Location`, which is valid for 15 minutes, for a `GET` with \
                           or without `Range`. No body. Send neither the access token there, nor `If-Match`, \
                           `If-None-Match` and `If-Range`: the API has checked these, and the object store would \
                           compare them with entity tags of its own. A `HEAD` gets no URL, but 200.",
            headers(("Location"))
        ),
        (
            status = 304,
            description = "The client has the current version; no body.",
            headers(("ETag"), ("Repr-Digest"), ("Accept-Ranges")),
        ),
        problems::IsADirectory,
        problems::NotADirectory,
        problems::RangeNotSatisfiable,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    request: ContentRequest,
    mut query: Query,
) -> Result<Response, ApiError> {
    let Some((path, at)) = AtParameter::read(&mut query) else {
        return Err(query.into_error());
    };
    let select = |entry: &FileEntry| match select(&request, entry) {
        Ok(selection @ (Selection::Whole | Selection::Part(_))) => Bytes::Bytes(selection.bytes(entry.node.size())),
        _ => Bytes::Nothing,
    };
    let read = ops::read(&app.env, &caller, id, &path, at, select).await?;
    let FileRead {
        entry,
        bytes,
        place,
        object,
    } = read;
    let selection = self::select(&request, &entry)?;
    let Node::File { size, digest, .. } = entry.node else {
        return Err(domain::Error::IsADirectory.into());
    };
    let file = FileInfo {
        name: entry.path.name(),
        size,
        version: version(entry.tag()),
        digest: *digest.as_bytes(),
    };
    match object {
        Some(object) if matches!(selection, Selection::Whole | Selection::Part(_)) => {
            large_object::respond(&app.env, object, file, &selection)
        }
        _ => Ok(file_response(file, &selection, Held::bytes(bytes, place))),
    }
}

fn select(request: &ContentRequest, entry: &FileEntry) -> Result<Selection, ApiError> {
    request.select(entry.node.size(), version(entry.tag()))
}
