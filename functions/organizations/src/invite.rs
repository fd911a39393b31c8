//! `POST /organizations/{id}/invitations`

use api::openapi::schema::{self, IdParameter};
use api::openapi::{parameters, problems};
use api::{ApiError, AppState, Body, Checks, Field, IdempotencyKey, OrganizationCaller, Reply};
use axum::extract::State;
use domain::idempotency::Outcome;
use domain::invitations::ops::{self, Draft};
use domain::users::Email;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::body::parse_role;
use crate::invitation_body::InvitationBody;

/// An invitation to create.
#[derive(Deserialize, ToSchema)]
#[schema(as = CreateInvitation)]
pub struct InviteBody {
    /// The address to invite. It need not belong to an account.
    #[schema(value_type = schema::Email)]
    email: Field<String>,
    /// The role of the new member.
    #[schema(value_type = schema::Role)]
    role: Field<String>,
}

impl InviteBody {
    fn parse(self) -> Result<Draft, ApiError> {
        let mut checks = Checks::new();
        let email = checks.required("email", self.email, |text| Email::parse(&text));
        let role = parse_role(&mut checks, self.role);
        match (email, role) {
            (Some(email), Some(role)) => Ok(Draft { email, role }),
            _ => Err(checks.into_error()),
        }
    }
}

/// Invites an address to an organisation, with an email whose link is valid for seven days and works once. Owners and
/// admins may, with a verified email; an admin cannot invite an owner. A pending invitation of the same address is
/// replaced. An organisation has at most 100 pending invitations, and neither it nor a user can send more than about a
/// hundred a day. The invitation is void once its inviter could not give the role any more. A repeated request with the
/// same `Idempotency-Key` sends no second email, and is 404 if the invitation is not pending any more.
#[utoipa::path(
    post,
    path = "/organizations/{id}/invitations",
    tag = "organizations",
    operation_id = "inviteMember",
    security(("accessToken" = [])),
    params(("id" = IdParameter, Path, description = "The organisation's id."), parameters::IdempotencyKey),
    request_body = InviteBody,
    responses(
        (
            status = 201,
            description = "The new invitation.",
            body = InvitationBody,
            headers(("Idempotency-Replayed")),
        ),
        problems::Forbidden,
        problems::QuotaExceeded,
        problems::TooManyAttempts,
    ),
)]
pub async fn handle(
    State(app): State<AppState>,
    OrganizationCaller(caller): OrganizationCaller,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body<InviteBody>,
) -> Result<Reply<InvitationBody>, ApiError> {
    let (invitation, replayed) = match ops::create(&app.env, &caller, body.parse()?, key.as_ref()).await? {
        Outcome::Fresh(invitation) => (invitation, false),
        Outcome::Replayed(invitation) => (invitation, true),
    };
    Ok(Reply::created(invitation.into()).replayed(replayed))
}
