//! `GET /organizations/{id}`

use api::openapi::parameters::{IfMatch, IfNoneMatch};
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, OrganizationCaller, Preconditions, Reply};
use axum::extract::State;
use domain::organisations::ops;

use crate::body::OrganizationBody;

/// Returns an organisation of the caller. Responds with 304 if the client has the current version.
#[utoipa::path(
    get,
    path = "/organizations/{id}",
    tag = "organizations",
    operation_id = "getOrganization",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The organisation's id."), IfMatch, IfNoneMatch),
    responses(
        (
            status = 200,
            description = "The organisation.",
            body = OrganizationBody,
            headers(("ETag")),
            links((
                "change" = (
                    operation_id = "changeOrganization",
                    parameters(("id" = "$response.body#/data/id"), ("If-Match" = "$response.header.ETag"))
                )
            ))
        ),
        (status = 304, description = "The client has the current version; no body.", headers(("ETag"))),
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    OrganizationCaller(caller): OrganizationCaller,
    preconditions: Preconditions,
) -> Result<Reply<OrganizationBody>, ApiError> {
    let organization = ops::get(&app.env, &caller).await?;
    OrganizationBody::reply(Reply::ok, organization).conditional(&preconditions)
}
