//! Failures of invitations.

use domain::Error;

use super::{ApiError, Code, Violation};
use crate::quota::QuotaBody;

impl ApiError {
    /// The error for an invitation that cannot be created or accepted.
    pub(super) fn of_invitation(error: Error) -> Self {
        match error {
            Error::InvalidInvitation => Self::new(
                Code::NotFound,
                "The invitation is unknown or has expired, was used, revoked or replaced by a newer one, or the member \
                 who sent it may no longer invite with this role. Ask for a new invitation.",
            ),
            Error::OtherAddress(hint) => Self::new(
                Code::OtherAddress,
                format!(
                    "The invitation was sent to {hint}, and this account has another email. Log in with the account of \
                     that address, or register it, and accept the invitation there; or ask for an invitation to the \
                     email of this account.",
                ),
            ),
            Error::InvitationRejected(reason) => Self::invalid(vec![Violation::new("/email", &reason)]),
            Error::TooManyInvitations { used, limit } => {
                let detail = format!(
                    "The organisation has {used} of {limit} pending invitations. Revoke one that is not needed."
                );
                Self {
                    quota: Some(Box::new(QuotaBody::fixed("invitations", used, limit))),
                    ..Self::new(Code::QuotaExceeded, detail)
                }
            }
            error => Self::internal(error),
        }
    }
}
