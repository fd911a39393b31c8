//! `GET /audit`

use api::openapi::parameters::Paging;
use api::openapi::{problems, schema};
use api::{ApiError, AppState, Authenticated, Query, Reply};
use axum::extract::State;
use domain::audit::ops;
use domain::page::{Cursor, Limit};
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::EventBody;

/// A page of the audit log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditPage)]
pub struct PageBody {
    /// The events in commit order.
    #[schema(max_items = 100)]
    events: Vec<EventBody>,
    /// Continues after the page's last event; without new events the request's cursor; null if there is neither.
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

/// Lists the events of the caller's tenant in commit order. There is no last page: at the end of the log, the cursor
/// continues with later events.
#[utoipa::path(
    get,
    path = "/audit",
    tag = "audit",
    operation_id = "listAuditEvents",
    security(("accessToken" = [])),
    params(Paging),
    responses(
        (
            status = 200,
            description = "A page of the audit log.",
            body = PageBody,
            links((
                "next" = (
                    operation_id = "listAuditEvents",
                    parameters(("cursor" = "$response.body#/data/nextCursor"))
                )
            ))
        ),
        problems::Forbidden,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    query: Query,
) -> Result<Reply<PageBody>, ApiError> {
    let (after, limit) = parse(query)?;
    let page = ops::list(&app.env, &caller, after.as_ref(), limit).await?;
    let events = page.events.into_iter();
    Ok(Reply::ok(PageBody {
        events: events
            .map(|(place, event)| EventBody::of(caller.tenant(), place, event))
            .collect(),
        next_cursor: page.next.as_ref().map(Cursor::encode),
    }))
}
