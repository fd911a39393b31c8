//! `POST /invitations/inspect`

use api::openapi::problems;
use api::openapi::schema::{Id, Name, Role, Time, text};
use api::{ApiError, AppState, Body, Reply};
use axum::extract::State;
use domain::invitations::acceptance::{self, Offer};
use domain::users::Email;
use domain::{TenantId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::invitation_body::TokenBody;

api::schemas! {
    /// An address of which most is hidden.
    MaskedEmail = text()
        .description(Some("The invited address, with most of it hidden."))
        .min_length(Some(3))
        .max_length(Some(Email::MAX_BYTES))
        .examples(["a…@e….com"]);
}

/// An organisation, for the holder of an invitation.
#[derive(Serialize, ToSchema)]
#[schema(as = InvitingOrganization)]
pub struct InvitingBody {
    /// The organisation's id.
    #[schema(value_type = Id)]
    id: TenantId,
    /// The display name.
    #[schema(value_type = Name)]
    name: String,
}

/// What an invitation grants.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = InvitationOffer)]
pub struct OfferBody {
    /// The organisation.
    organization: InvitingBody,
    /// The role of the new member.
    #[schema(value_type = Role)]
    role: &'static str,
    /// The invited address, with most of it hidden. Only an account with this address can accept the invitation.
    #[schema(value_type = MaskedEmail)]
    email: String,
    /// When the invitation expires.
    #[schema(value_type = Time)]
    expires_at: Timestamp,
}

impl From<Offer> for OfferBody {
    fn from(offer: Offer) -> Self {
        Self {
            organization: InvitingBody {
                id: offer.organization,
                name: offer.name,
            },
            role: offer.role.as_str(),
            email: offer.email,
            expires_at: offer.expires_at,
        }
    }
}

/// Shows what an invitation grants, with the token of its email. Changes nothing, and needs no account: a client shows
/// it before its user registers or logs in.
#[utoipa::path(
    post,
    path = "/invitations/inspect",
    tag = "organizations",
    operation_id = "inspectInvitation",
    request_body = TokenBody,
    responses(
        (status = 200, description = "What the invitation grants.", body = OfferBody),
        problems::NotFound,
        problems::StoreUnavailable,
    ),
)]
pub async fn handle(State(app): State<AppState>, Body(body): Body<TokenBody>) -> Result<Reply<OfferBody>, ApiError> {
    let offer = acceptance::inspect(&app.env, &body.parse()?).await?;
    Ok(Reply::ok(offer.into()))
}
