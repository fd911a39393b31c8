//! `POST /sessions/{id}/files/trash/{item}/restore`

use api::openapi::problems;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Authenticated, Reply, SubId};
use axum::extract::State;
use domain::TrashItemId;
use domain::files::trash::ops;

use crate::entry_body::EntryBody;

/// Moves an item of the trash back to its path, with everything below it, and makes missing directories of the path. A
/// path that is taken is a 409 `EXISTS`.
#[utoipa::path(
    post,
    path = "/sessions/{id}/files/trash/{item}/restore",
    tag = "files",
    operation_id = "restoreTrashItem",
    security(("accessToken" = [])),
    params(
        ("id" = IdParameter, Path, description = "The session's id."),
        ("item" = IdParameter, Path, description = "The item's id."),
    ),
    responses(
        (status = 200, description = "The file or the directory at its path.", body = EntryBody),
        problems::Exists,
        problems::Forbidden,
        problems::NotADirectory,
        problems::QuotaExceeded,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    SubId(item): SubId<TrashItemId>,
) -> Result<Reply<EntryBody>, ApiError> {
    let entry = ops::restore(&app.env, &caller, id, item).await?;
    Ok(Reply::ok(entry.into()))
}
