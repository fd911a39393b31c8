//! `POST /invitations/accept`

use api::openapi::problems;
use api::{ApiError, AppState, Authenticated, Body, Reply};
use axum::extract::State;
use domain::invitations::acceptance;
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::OrganizationBody;
use crate::invitation_body::TokenBody;

/// The organisation of which the caller is a member now.
#[derive(Serialize, ToSchema)]
#[schema(as = AcceptedInvitation)]
pub struct AcceptedBody {
    /// The organisation.
    organization: OrganizationBody,
}

/// Makes the caller a member of the organisation, with the token of an invitation's email. The caller's account must
/// have the invited address (otherwise 409 `OTHER_ADDRESS`), and have verified it (otherwise 403 `EMAIL_NOT_VERIFIED`);
/// the invitation then stays valid. A repeated request of the same user succeeds and changes nothing, and a caller who
/// is a member already keeps their role.
#[utoipa::path(
    post,
    path = "/invitations/accept",
    tag = "organizations",
    operation_id = "acceptInvitation",
    security(("accessToken" = [])),
    request_body = TokenBody,
    responses(
        (
            status = 200,
            description = "The organisation, of which the caller is a member.",
            body = AcceptedBody,
            links((
                "get" = (operation_id = "getOrganization", parameters(("id" = "$response.body#/data/organization/id")))
            ))
        ),
        problems::NotFound,
        problems::OtherAddress,
        problems::QuotaExceeded,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    Authenticated(caller): Authenticated,
    Body(body): Body<TokenBody>,
) -> Result<Reply<AcceptedBody>, ApiError> {
    let organization = acceptance::accept(&app.env, &caller, &body.parse()?).await?;
    Ok(Reply::ok(AcceptedBody {
        organization: organization.into(),
    }))
}
