//! `DELETE /organizations/{id}/invitations/{invitation}`

use api::openapi::problems;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, Empty, OrganizationCaller, Reply, SubId};
use axum::extract::State;
use domain::InvitationId;
use domain::invitations::ops;

/// Revokes a pending invitation: its link does not work any more. Owners and admins may; an admin cannot revoke the
/// invitation of an owner. A repeated request responds with 404.
#[utoipa::path(
    delete,
    path = "/organizations/{id}/invitations/{invitation}",
    tag = "organizations",
    operation_id = "revokeInvitation",
    security(("accessToken" = [])),
    params(
        ("id" = IdParameter, Path, description = "The organisation's id."),
        ("invitation" = IdParameter, Path, description = "The invitation's id."),
    ),
    responses(
        (status = 200, description = "The invitation is revoked.", body = Empty),
        problems::Forbidden,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    OrganizationCaller(caller): OrganizationCaller,
    SubId(invitation): SubId<InvitationId>,
) -> Result<Reply<Empty>, ApiError> {
    ops::revoke(&app.env, &caller, invitation).await?;
    Ok(Reply::ok(Empty {}))
}
