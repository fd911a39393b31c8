//! `GET /things`

use api::openapi::parameters::Paging;
use api::openapi::schema;
use api::{ApiError, AppState, Authenticated, Query, Reply};
use axum::extract::State;
use domain::page::{Cursor, Limit};
use domain::things::ops;
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::ThingBody;

/// A page of things, newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ThingPage)]
pub struct PageBody {
    /// The things.
    #[schema(max_items = 100)]
    things: Vec<ThingBody>,
    /// The cursor of the next page; null on the last page.
    #[schema(value_type = Option<schema::Cursor>, required)]
    next_cursor: Option<String>,
}

fn parse(mut query: Query) -> Result<(Option<Cursor>, Limit), ApiError> {
    let limit = query.optional("limit", Limit::parse);
    let after = query.optional("cursor", Cursor::parse);
    match (after, limit) {
        (Some(after), Some(limit)) => Ok((after, limit.unwrap_or_default())),
        _ => Err(query.into_error()),
    }
}

/// Lists the things of the caller's tenant, newest first.
#[utoipa::path(
    get,
    path = "/things",
    tag = "things",
    operation_id = "listThings",
    security(("accessToken" = [])),
    params(Paging),
    responses((
        status = 200,
        description = "A page of things.",
        body = PageBody,
        links(("next" = (operation_id = "listThings", parameters(("cursor" = "$response.body#/data/nextCursor")))))
    )),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    query: Query,
) -> Result<Reply<PageBody>, ApiError> {
    let (after, limit) = parse(query)?;
    let page = ops::list(&app.env, &caller, after.as_ref(), limit).await?;
    Ok(Reply::ok(PageBody {
        things: page.things.into_iter().map(ThingBody::from).collect(),
        next_cursor: page.next.as_ref().map(Cursor::encode),
    }))
}
