//! `GET /sessions/{id}/snapshots`

use api::openapi::parameters::Paging;
use api::openapi::schema::{Cursor as CursorText, IdParameter};
use api::{ApiError, AppState, Authenticated, Query, Reply};
use axum::extract::State;
use domain::files::snapshots::ops;
use domain::page::{Cursor, Limit};
use serde::Serialize;
use utoipa::ToSchema;

use crate::snapshot_body::SnapshotBody;

/// A page of snapshots.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SnapshotPage)]
pub struct PageBody {
    /// The snapshots, newest first.
    #[schema(max_items = 100)]
    snapshots: Vec<SnapshotBody>,
    /// The cursor of the next page; null on the last page.
    #[schema(value_type = Option<CursorText>, required)]
    next_cursor: Option<String>,
}

/// Lists the snapshots of a session, newest first.
#[utoipa::path(
    get,
    path = "/sessions/{id}/snapshots",
    tag = "files",
    operation_id = "listSnapshots",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The session's id."), Paging),
    responses(
        (
            status = 200,
            description = "A page of snapshots.",
            body = PageBody,
            links(
                ("next" = (operation_id = "listSnapshots", parameters(("cursor" = "$response.body#/data/nextCursor")))),
                (
                    "get" = (
                        operation_id = "getSnapshot",
                        parameters(("snapshot" = "$response.body#/data/snapshots/0/id"))
                    )
                ),
            )
        ),
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    mut query: Query,
) -> Result<Reply<PageBody>, ApiError> {
    let limit = query.optional("limit", Limit::parse);
    let after = query.optional("cursor", Cursor::parse);
    let (Some(limit), Some(after)) = (limit, after) else {
        return Err(query.into_error());
    };
    let page = ops::list(&app.env, &caller, id, limit.unwrap_or_default(), after.as_ref()).await?;
    Ok(Reply::ok(PageBody {
        snapshots: page.snapshots.into_iter().map(SnapshotBody::from).collect(),
        next_cursor: page.next.as_ref().map(Cursor::encode),
    }))
}
