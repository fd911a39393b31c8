//! `GET /sessions/{id}/files`

use api::openapi::problems;
use api::openapi::schema::{self, IdParameter};
use api::{ApiError, AppState, Authenticated, Query, Reply};
use axum::extract::State;
use domain::files::ops::{self, Listing};
use domain::page::Cursor;
use serde::Serialize;
use utoipa::ToSchema;

use crate::entry_body::EntryBody;
use crate::parameters::{AtParameter, FilePaging, PathParameter};

/// A page of a directory.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DirectoryPage)]
pub struct PageBody {
    /// The entries.
    #[schema(max_items = 1000)]
    entries: Vec<EntryBody>,
    /// The cursor of the next page; null on the last page.
    #[schema(value_type = Option<schema::Cursor>, required)]
    next_cursor: Option<String>,
}

fn parse(mut query: Query) -> Result<Listing, ApiError> {
    let place = AtParameter::read(&mut query);
    let paging = FilePaging::read(&mut query);
    match (place, paging) {
        (Some((path, at)), Some((limit, after))) => Ok(Listing { path, at, limit, after }),
        _ => Err(query.into_error()),
    }
}

/// Lists a directory. The entries are in the order of their names' bytes. A cursor is valid only with the `path` and
/// `at` that created it. At a snapshot, a page may be short or empty without being the last.
#[utoipa::path(
    get,
    path = "/sessions/{id}/files",
    tag = "files",
    operation_id = "listFiles",
    security(("accessToken" = [])),
    params(
        ("id" = IdParameter, Path, description = "The session's id."),
        PathParameter,
        AtParameter,
        FilePaging,
    ),
    responses(
        (status = 200, description = "A page of the directory.", body = PageBody),
        problems::NotADirectory,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    query: Query,
) -> Result<Reply<PageBody>, ApiError> {
    let page = ops::list(&app.env, &caller, id, &parse(query)?).await?;
    Ok(Reply::ok(PageBody {
        entries: page.entries.into_iter().map(EntryBody::from).collect(),
        next_cursor: page.next.as_ref().map(Cursor::encode),
    }))
}
