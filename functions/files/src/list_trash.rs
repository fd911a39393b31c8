//! `GET /sessions/{id}/files/trash`

use api::openapi::schema::{Cursor as CursorText, Id, IdParameter, Time};
use api::{ApiError, AppState, Authenticated, Query, Reply};
use axum::extract::State;
use domain::files::trash::{TrashItem, ops};
use domain::page::Cursor;
use domain::{Timestamp, TrashItemId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::entry_body::EntryBody;
use crate::parameters::FilePaging;

/// A deleted file or directory.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TrashItem)]
pub struct ItemBody {
    /// The id in the trash.
    #[schema(value_type = Id)]
    id: TrashItemId,
    /// What was deleted, with the path that it had.
    entry: EntryBody,
    /// When it was deleted.
    #[schema(value_type = Time)]
    deleted_at: Timestamp,
    /// The user who deleted it.
    #[schema(value_type = Id)]
    deleted_by: UserId,
    /// From when on it is removed.
    #[schema(value_type = Time)]
    expires_at: Timestamp,
}

impl From<TrashItem> for ItemBody {
    fn from(item: TrashItem) -> Self {
        Self {
            id: item.id,
            entry: item.entry.into(),
            deleted_at: item.deleted_at,
            deleted_by: item.deleted_by,
            expires_at: item.expires_at,
        }
    }
}

/// A page of the trash.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TrashPage)]
pub struct PageBody {
    /// The items, the latest first.
    #[schema(max_items = 1000)]
    items: Vec<ItemBody>,
    /// The cursor of the next page; null on the last page.
    #[schema(value_type = Option<CursorText>, required)]
    next_cursor: Option<String>,
}

/// Lists the trash, the latest items first. What a deleted directory contained is not listed.
#[utoipa::path(
    get,
    path = "/sessions/{id}/files/trash",
    tag = "files",
    operation_id = "listTrash",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The session's id."), FilePaging),
    responses(
        (
            status = 200,
            description = "A page of the trash.",
            body = PageBody,
            links((
                "restore" = (
                    operation_id = "restoreTrashItem",
                    parameters(("item" = "$response.body#/data/items/0/id"))
                )
            ))
        ),
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    api::Id(id): api::Id<domain::SessionId>,
    mut query: Query,
) -> Result<Reply<PageBody>, ApiError> {
    let Some((limit, after)) = FilePaging::read(&mut query) else {
        return Err(query.into_error());
    };
    let page = ops::list(&app.env, &caller, id, limit, after.as_ref()).await?;
    Ok(Reply::ok(PageBody {
        items: page.items.into_iter().map(ItemBody::from).collect(),
        next_cursor: page.next.as_ref().map(Cursor::encode),
    }))
}
