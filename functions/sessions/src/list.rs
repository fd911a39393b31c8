//! `GET /sessions`

use api::{ApiError, AppState, Authenticated, Query, Reply};
use axum::extract::State;
use domain::page::{Cursor, Limit};
use domain::sessions::Filter;
use domain::sessions::ops::{self, Listing};
use serde::Serialize;

use crate::body::SessionBody;

/// A page of a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageBody {
    sessions: Vec<SessionBody>,
    next_cursor: Option<String>,
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
        _ => Err(query.refuse()),
    }
}

/// The sessions of the caller's tenant, newest first, a page at a time.
pub async fn list(
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
