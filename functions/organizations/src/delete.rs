//! `DELETE /organizations/{id}`

use api::openapi::parameters::{IfMatch, IfNoneMatch};
use api::openapi::problems;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Empty, OrganizationCaller, Preconditions, Reply};
use axum::extract::State;
use domain::organisations::ops;

/// Deletes an organisation with all of its data. Owners may, after they have entered the password. It is gone for all
/// members at once, and its data is removed in the background. A repeated request responds with 404.
#[utoipa::path(
    delete,
    path = "/organizations/{id}",
    tag = "organizations",
    operation_id = "deleteOrganization",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The organisation's id."), IfMatch, IfNoneMatch),
    responses(
        (status = 200, description = "The organisation is deleted.", body = Empty),
        problems::Forbidden,
        problems::ReauthenticationRequired,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    OrganizationCaller(caller): OrganizationCaller,
    preconditions: Preconditions,
) -> Result<Reply<Empty>, ApiError> {
    ops::delete(&app.env, &caller, |version| preconditions.permits(version)).await?;
    Ok(Reply::ok(Empty {}))
}
