//! `GET /organizations/{id}/members`

use api::openapi::parameters::Paging;
use api::openapi::schema::{self, IdParameter};
use api::{ApiError, AppState, OrganizationCaller, Query, Reply};
use axum::extract::State;
use domain::organisations::members::{self, Listing};
use domain::page::{Cursor, Limit};
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::MemberBody;

/// A page of the members of an organisation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MemberPage)]
pub struct PageBody {
    /// The members, in the order of their ids.
    #[schema(max_items = 100)]
    members: Vec<MemberBody>,
    /// The cursor of the next page; null on the last page.
    #[schema(value_type = Option<schema::Cursor>, required)]
    next_cursor: Option<String>,
}

fn parse(mut query: Query) -> Result<Listing, ApiError> {
    let limit = query.optional("limit", Limit::parse);
    let after = query.optional("cursor", Cursor::parse);
    match (limit, after) {
        (Some(limit), Some(after)) => Ok(Listing {
            limit: limit.unwrap_or_default(),
            after,
        }),
        _ => Err(query.into_error()),
    }
}

/// Lists the members of an organisation of the caller. Every member may.
#[utoipa::path(
    get,
    path = "/organizations/{id}/members",
    tag = "organizations",
    operation_id = "listMembers",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The organisation's id."), Paging),
    responses((
        status = 200,
        description = "A page of the members.",
        body = PageBody,
        links((
            "next" = (operation_id = "listMembers", parameters(("cursor" = "$response.body#/data/nextCursor")))
        ))
    )),
)]
pub async fn handle(
    State(app): State<AppState>,
    OrganizationCaller(caller): OrganizationCaller,
    query: Query,
) -> Result<Reply<PageBody>, ApiError> {
    let page = members::list(&app.env, &caller, &parse(query)?).await?;
    Ok(Reply::ok(PageBody {
        members: page.members.into_iter().map(MemberBody::from).collect(),
        next_cursor: page.next.as_ref().map(Cursor::encode),
    }))
}
