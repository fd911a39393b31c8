//! `GET /organizations`

use api::{ApiError, AppState, Authenticated, Reply};
use axum::extract::State;
use domain::organisations::ops;
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::OrganizationBody;

/// The organisations of the caller.
#[derive(Serialize, ToSchema)]
#[schema(as = OrganizationList)]
pub struct ListBody {
    /// The organisations, in the order of their creation.
    #[schema(max_items = 100)]
    organizations: Vec<OrganizationBody>,
}

/// Lists the organisations of which the caller is a member, in the order of their creation: at most 100.
#[utoipa::path(
    get,
    path = "/organizations",
    tag = "organizations",
    operation_id = "listOrganizations",
    security(("accessToken" = [])),
    responses((
        status = 200,
        description = "The organisations.",
        body = ListBody,
        links((
            "get" = (operation_id = "getOrganization", parameters(("id" = "$response.body#/data/organizations/0/id")))
        ))
    )),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
) -> Result<Reply<ListBody>, ApiError> {
    let organizations = ops::list(&app.env, &caller).await?;
    Ok(Reply::ok(ListBody {
        organizations: organizations.into_iter().map(OrganizationBody::from).collect(),
    }))
}
