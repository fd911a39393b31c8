//! `GET /sessions/{id}/uploads`

use api::openapi::parameters::Paging;
use api::openapi::problems;
use api::openapi::schema::{Cursor as CursorText, IdParameter};
use api::{ApiError, AppState, Authenticated, Query, Reply};
use axum::extract::State;
use domain::page::{Cursor, Limit};
use domain::uploads::ops;
use serde::Serialize;
use utoipa::ToSchema;

use crate::upload_body::UploadBody;

/// A page of uploads.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UploadPage)]
pub struct PageBody {
    /// The uploads, newest first.
    #[schema(max_items = 100)]
    uploads: Vec<UploadBody>,
    /// The cursor of the next page; null on the last page.
    #[schema(value_type = Option<CursorText>, required)]
    next_cursor: Option<String>,
}

/// Lists the uploads of a session that are not committed yet, newest first: for a client that has lost their ids, and
/// wants to continue or cancel them. It needs the permission to write files.
#[utoipa::path(
    get,
    path = "/sessions/{id}/uploads",
    tag = "files",
    operation_id = "listUploads",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The session's id."), Paging),
    responses(
        (
            status = 200,
            description = "A page of uploads, without their parts.",
            body = PageBody,
            links(
                ("next" = (operation_id = "listUploads", parameters(("cursor" = "$response.body#/data/nextCursor")))),
                (
                    "get" = (
                        operation_id = "getUpload",
                        parameters(("upload" = "$response.body#/data/uploads/0/id"))
                    )
                ),
            )
        ),
        problems::Forbidden,
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
        uploads: page.uploads.into_iter().map(UploadBody::from).collect(),
        next_cursor: page.next.as_ref().map(Cursor::encode),
    }))
}
