//! `GET /organizations/{id}/invitations`

use api::openapi::problems;
use api::openapi::schema::IdParameter;
use api::{ApiError, AppState, OrganizationCaller, Reply};
use axum::extract::State;
use domain::invitations::ops;
use serde::Serialize;
use utoipa::ToSchema;

use crate::invitation_body::InvitationBody;

/// The pending invitations of an organisation, oldest first; at most 100.
#[derive(Serialize, ToSchema)]
#[schema(as = InvitationList)]
pub struct InvitationsBody {
    /// The invitations.
    #[schema(max_items = 100)]
    invitations: Vec<InvitationBody>,
}

/// Lists the pending invitations of an organisation. Owners and admins may.
#[utoipa::path(
    get,
    path = "/organizations/{id}/invitations",
    tag = "organizations",
    operation_id = "listInvitations",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The organisation's id.")),
    responses(
        (status = 200, description = "The pending invitations.", body = InvitationsBody),
        problems::Forbidden,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    OrganizationCaller(caller): OrganizationCaller,
) -> Result<Reply<InvitationsBody>, ApiError> {
    let invitations = ops::list(&app.env, &caller).await?;
    Ok(Reply::ok(InvitationsBody {
        invitations: invitations.into_iter().map(InvitationBody::from).collect(),
    }))
}
