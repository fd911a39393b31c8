//! `GET /audit`

use api::openapi::parameters::{self, Paging};
use api::openapi::{problems, schema};
use api::{ApiError, AppState, Authenticated, Query, Reply};
use axum::extract::State;
use domain::audit::{Action, ActionName, Direction, Listing, ops};
use domain::page::{Cursor, Limit};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::body::EventBody;

/// A page of the audit log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditPage)]
pub struct PageBody {
    /// The events in the order of the request.
    #[schema(max_items = 100)]
    events: Vec<EventBody>,
    /// Continues after the last event examined. In commit order, null for an empty log; otherwise on the last page.
    #[schema(value_type = Option<schema::Cursor>, required)]
    next_cursor: Option<String>,
}

/// The parameters that select events.
pub struct Selection;

impl utoipa::IntoParams for Selection {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let order = schema::text()
            .enum_values(Some(Direction::NAMES))
            .default(Some(Direction::NAMES[0].into()));
        let kind = schema::text().enum_values(Some(Action::NAMES.iter().copied()));
        vec![
            parameters::optional(
                ParameterIn::Query,
                "order",
                "`asc` is commit order; `desc` lists the newest events first.",
                order,
            ),
            parameters::optional(ParameterIn::Query, "type", "The only type of events to list.", kind),
        ]
    }
}

fn parse(mut query: Query) -> Result<Listing, ApiError> {
    let limit = query.optional("limit", Limit::parse);
    let after = query.optional("cursor", Cursor::parse);
    let direction = query.optional("order", Direction::parse);
    let action = query.optional("type", ActionName::parse);
    match (limit, after, direction, action) {
        (Some(limit), Some(after), Some(direction), Some(action)) => Ok(Listing {
            limit: limit.unwrap_or_default(),
            after,
            direction: direction.unwrap_or_default(),
            action,
        }),
        _ => Err(query.into_error()),
    }
}

/// Lists the events of the caller's tenant. A cursor is valid only with the `order` and `type` that created it. In
/// commit order, there is no last page: at the end of the log, the cursor continues with later events. With `type`, a
/// page examines a limited number of events: it may be short or empty although more follow.
#[utoipa::path(
    get,
    path = "/audit",
    tag = "audit",
    operation_id = "listAuditEvents",
    security(("accessToken" = [])),
    params(Paging, Selection),
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
    let page = ops::list(&app.env, &caller, &parse(query)?).await?;
    let events = page.events.into_iter();
    Ok(Reply::ok(PageBody {
        events: events
            .map(|(place, event)| EventBody::of(caller.tenant(), place, event))
            .collect(),
        next_cursor: page.next.as_ref().map(Cursor::encode),
    }))
}
