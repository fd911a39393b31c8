//! An attempt at a password, as the history shows it.

use domain::LoginId;

use crate::history::{Call, Event, Reply};

/// An attempt at the password of an account.
pub(super) struct Attempt<'h> {
    pub(super) event: &'h Event,
    pub(super) email: &'h str,
    /// The event that set the password which this attempt sends.
    pub(super) password: Option<usize>,
}

impl Attempt<'_> {
    /// Whether the attempt may have succeeded. A success removes its counts and makes its address known to the account.
    pub(super) fn may_succeed(&self) -> bool {
        self.event.may_have_executed()
    }

    /// Whether the password was certainly rejected. A repeated registration with the same key reports a wrong password
    /// as a mismatch; another reason for a mismatch is found before any verification.
    pub(super) fn was_wrong(&self) -> bool {
        match self.event.reply {
            Reply::InvalidCredentials => true,
            Reply::IdempotencyMismatch => self.event.verifications > 0,
            _ => false,
        }
    }

    /// The login of an authenticated attempt. Such attempts are counted per login, from any address.
    pub(super) fn login(&self) -> Option<LoginId> {
        match &self.event.call {
            Call::ChangePassword { caller, .. } => Some(caller.login()),
            _ => None,
        }
    }

    /// Whether both count in one pair: of one login, or anonymous with the same email and address.
    pub(super) fn has_same_pair(&self, other: &Self) -> bool {
        match (self.login(), other.login()) {
            (None, None) => self.email == other.email && self.event.address == other.event.address,
            (login, other) => login == other,
        }
    }

    /// Whether both are anonymous with the same email.
    pub(super) fn has_same_account(&self, other: &Self) -> bool {
        self.email == other.email && self.login().is_none() && other.login().is_none()
    }

    /// Whether both are anonymous from the same address.
    pub(super) fn has_same_address(&self, other: &Self) -> bool {
        self.event.address == other.event.address && self.login().is_none() && other.login().is_none()
    }
}
