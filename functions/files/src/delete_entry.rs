//! `DELETE /sessions/{id}/files`

use api::openapi::parameters::{IfMatch, IfNoneMatch};
use api::openapi::problems;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Authenticated, Empty, Query, Reply};
use axum::extract::State;
use domain::files::changeset::{Delete, ops};
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::parameters::{SubPathParameter, flag, read_flag};
use crate::precondition::HeaderPrecondition;

/// `recursive`.
pub struct Recursive;

impl utoipa::IntoParams for Recursive {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![flag("recursive", "Whether a directory may have entries.")]
    }
}

/// Moves a file or a directory to the trash, with everything below it and with constant work. A directory with entries
/// is a 409 `NOT_EMPTY` without `recursive`.
#[utoipa::path(
    delete,
    path = "/sessions/{id}/files",
    tag = "files",
    operation_id = "deleteFile",
    security(("accessToken" = [])),
    params(
        ("id" = IdParameter, Path, description = "The session's id."),
        SubPathParameter,
        Recursive,
        IfMatch,
        IfNoneMatch,
    ),
    responses(
        (status = 200, description = "The file or the directory is in the trash.", body = Empty),
        problems::Forbidden,
        problems::NotADirectory,
        problems::NotEmpty,
        problems::PreconditionRequired,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    HeaderPrecondition(precondition): HeaderPrecondition,
    mut query: Query,
) -> Result<Reply<Empty>, ApiError> {
    let path = SubPathParameter::read(&mut query);
    let recursive = read_flag(&mut query, "recursive");
    let (Some(path), Some(recursive)) = (path, recursive) else {
        return Err(query.into_error());
    };
    let delete = Delete {
        path,
        recursive,
        precondition,
    };
    ops::delete(&app.env, &caller, id, delete).await?;
    Ok(Reply::ok(Empty {}))
}
