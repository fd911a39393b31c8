//! `DELETE /organizations/{id}/members/{user}`

use api::openapi::problems;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Empty, OrganizationCaller, Reply, SubId};
use axum::extract::State;
use domain::UserId;
use domain::organisations::members;

/// Removes a member of an organisation, whose access ends with the next request. Owners and admins may; an admin cannot
/// remove an owner. The last owner stays (409 `LAST_OWNER`). What the member has created stays, too. Personal access
/// tokens of the member for the organisation are revoked.
#[utoipa::path(
    delete,
    path = "/organizations/{id}/members/{user}",
    tag = "organizations",
    operation_id = "removeMember",
    security(("accessToken" = [])),
    params(
        ("id" = IdParameter, Path, description = "The organisation's id."),
        ("user" = IdParameter, Path, description = "The member's id."),
    ),
    responses(
        (status = 200, description = "The user is no member any more.", body = Empty),
        problems::Forbidden,
        problems::LastOwner,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    OrganizationCaller(caller): OrganizationCaller,
    SubId(user): SubId<UserId>,
) -> Result<Reply<Empty>, ApiError> {
    members::remove(&app.env, &caller, user).await?;
    Ok(Reply::ok(Empty {}))
}
