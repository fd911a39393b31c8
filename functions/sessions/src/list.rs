//! `GET /sessions`

use api::openapi::parameters::{self, Paging};
use api::openapi::schema;
use api::{ApiError, AppState, Authenticated, Query, Reply};
use axum::extract::State;
use domain::page::{Cursor, Limit};
use domain::sessions::Filter;
use domain::sessions::ops::{self, Listing};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::body::SessionBody;

/// A page of sessions, newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SessionPage)]
pub struct PageBody {
    /// The sessions.
    #[schema(max_items = 100)]
    sessions: Vec<SessionBody>,
    /// The cursor of the next page; null on the last page.
    #[schema(value_type = Option<schema::Cursor>, required)]
    next_cursor: Option<String>,
}

/// The search parameter.
pub struct Search;

impl utoipa::IntoParams for Search {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = schema::text().max_length(Some(Filter::MAX_CHARS)).examples(["project"]);
        let description = "A part of the name or the working folder; case is ignored.";
        vec![parameters::optional(ParameterIn::Query, "q", description, text)]
    }
}

fn parse(mut query: Query) -> Result<Listing, ApiError> {
    let limit = query.optional("limit", Limit::parse);
    let after = query.optional("cursor", Cursor::parse);
    let filter = query.optional("q", Filter::parse);
    match (limit, after, filter) {
        (Some(limit), Some(after), Some(filter)) => Ok(Listing {
            limit: limit.unwrap_or_default(),
            after,
            filter: filter.flatten(),
        }),
        _ => Err(query.into_error()),
    }
}

/// Lists the sessions of the caller's tenant, newest first. A cursor is valid only with the `q` that created it. With
/// `q`, a page examines a limited number of sessions: it may be short or empty without being the last page, whose
/// `nextCursor` is null. An empty `q` is ignored; white space in `q` is significant.
#[utoipa::path(
    get,
    path = "/sessions",
    tag = "sessions",
    operation_id = "listSessions",
    security(("accessToken" = [])),
    params(Paging, Search),
    responses((
        status = 200,
        description = "A page of sessions.",
        body = PageBody,
        links(
            ("next" = (operation_id = "listSessions", parameters(("cursor" = "$response.body#/data/nextCursor")))),
            ("get" = (operation_id = "getSession", parameters(("id" = "$response.body#/data/sessions/0/id")))),
        )
    )),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    query: Query,
) -> Result<Reply<PageBody>, ApiError> {
    let page = ops::list(&app.env, &caller, &parse(query)?).await?;
    Ok(Reply::ok(PageBody {
        sessions: page.sessions.into_iter().map(SessionBody::from).collect(),
        next_cursor: page.next.as_ref().map(Cursor::encode),
    }))
}
