//! An attempt at a password, as the history shows it.

use domain::LoginId;
use domain::throttle::DeviceToken;

use crate::history::{Call, Event, Reply, login_of};

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

    /// Whether the password was certainly the right one.
    pub(super) fn was_right(&self) -> bool {
        self.event.reply.is_success() || matches!(self.event.reply, Reply::Suspended)
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

    /// The device token that the attempt sends. If it is valid, the attempt is counted for the device alone.
    pub(super) fn device(&self) -> Option<&DeviceToken> {
        match &self.event.call {
            Call::LogIn { device, .. } => device.as_ref(),
            _ => None,
        }
    }

    /// The login of an authenticated attempt. Such attempts are counted per login.
    pub(super) fn login(&self) -> Option<LoginId> {
        match &self.event.call {
            Call::ChangePassword { caller, .. }
            | Call::Reauthenticate { caller, .. }
            | Call::ScheduleDeletion { caller, .. } => Some(login_of(caller)),
            _ => None,
        }
    }

    /// Whether both count in one pair: of one login, or anonymous with the same email, and from the same address.
    pub(super) fn has_same_pair(&self, other: &Self) -> bool {
        self.event.address == other.event.address
            && match (self.login(), other.login()) {
                (None, None) => self.email == other.email,
                (login, other) => login == other,
            }
    }

    /// Whether both are of one login.
    pub(super) fn has_same_login(&self, other: &Self) -> bool {
        self.login().is_some() && self.login() == other.login()
    }

    /// Whether both send the same device token.
    pub(super) fn has_same_device(&self, other: &Self) -> bool {
        self.device().is_some() && self.device() == other.device()
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
