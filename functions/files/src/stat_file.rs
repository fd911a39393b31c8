//! `GET /sessions/{id}/files/stat`

use api::openapi::problems;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Authenticated, Query, Reply};
use axum::extract::State;
use domain::files::ops;

use crate::entry_body::EntryBody;
use crate::parameters::{AtParameter, PathParameter};

/// Returns one file or directory, without its content.
#[utoipa::path(
    get,
    path = "/sessions/{id}/files/stat",
    tag = "files",
    operation_id = "statFile",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The session's id."), PathParameter, AtParameter),
    responses(
        (status = 200, description = "The file or the directory.", body = EntryBody),
        problems::NotADirectory,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    mut query: Query,
) -> Result<Reply<EntryBody>, ApiError> {
    let Some((path, at)) = AtParameter::read(&mut query) else {
        return Err(query.into_error());
    };
    let entry = ops::stat(&app.env, &caller, id, &path, at).await?;
    Ok(Reply::ok(entry.into()))
}
