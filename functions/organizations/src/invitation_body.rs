//! The wire formats of an invitation and of its token.

use api::openapi::schema::{Email, Id, Role, Time, text};
use api::{ApiError, Checks, Field};
use domain::invitations::{Invitation, InvitationToken};
use domain::text::Rejection;
use domain::{InvitationId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The longest token that is looked up, in characters.
const TOKEN_MAX: usize = 1024;

api::schemas! {
    /// The token of an invitation: the token in the link of its email.
    InvitationSecret = text()
        .description(Some("The secret in the link of an invitation's email. Opaque."))
        .min_length(Some(1))
        .max_length(Some(TOKEN_MAX))
        .examples(["coditect_inv_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"]);
}

/// A pending invitation. Only its email contains the token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Invitation)]
pub struct InvitationBody {
    /// The invitation's id.
    #[schema(value_type = Id)]
    id: InvitationId,
    /// The address that is invited.
    #[schema(value_type = Email)]
    email: domain::users::Email,
    /// The role that the invitation grants.
    #[schema(value_type = Role)]
    role: &'static str,
    /// The id of the user who invites.
    #[schema(value_type = Id)]
    invited_by: UserId,
    /// When the invitation was created.
    #[schema(value_type = Time)]
    created_at: Timestamp,
    /// When the invitation expires.
    #[schema(value_type = Time)]
    expires_at: Timestamp,
}

impl From<Invitation> for InvitationBody {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: invitation.id,
            email: invitation.email,
            role: invitation.role.as_str(),
            invited_by: invitation.invited_by,
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
        }
    }
}

/// The token of an invitation.
#[derive(Deserialize, ToSchema)]
#[schema(as = UseInvitation)]
pub struct TokenBody {
    /// The token.
    #[schema(value_type = InvitationSecret)]
    token: Field<String>,
}

impl TokenBody {
    /// The token. Any other text is the token of an invitation that is not valid.
    pub fn parse(self) -> Result<InvitationToken, ApiError> {
        let mut checks = Checks::new();
        let token = checks.required("token", self.token, bounded);
        let token = token.ok_or_else(|| checks.into_error())?;
        InvitationToken::parse(&token).ok_or_else(|| domain::Error::InvalidInvitation.into())
    }
}

fn bounded(text: String) -> Result<String, Rejection> {
    if text.chars().count() > TOKEN_MAX {
        return Err(Rejection::because("must have at most 1,024 characters"));
    }
    Ok(text)
}
