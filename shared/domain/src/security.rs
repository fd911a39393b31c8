//! Security events: what an operation reports to operators besides its result.
//!
//! A failed operation carries its event in the [error](crate::Error::security_event), and a successful one in its
//! result. An event never changes a response.

use strum::{EnumIter, IntoEnumIterator as _, IntoStaticStr};

/// A security event. `shared/api/README.md` lists the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum SecurityEvent {
    /// A refresh token was certainly copied, so its login ends: a replaced token is used after its grace period, or
    /// different tokens of one rotation are used at two rotations in a row.
    TokenReuse,
    /// A replaced refresh token is used within its grace period: two tabs, a lost response, or a copy.
    TokenReplay,
    /// An access token that this API did not issue, a personal access token that was revoked, or a refresh token that
    /// names a login but is not one of its tokens.
    InvalidToken,
    /// An authentic access token whose login has ended.
    RevokedToken,
    /// The id of another tenant's session.
    ForeignId,
    /// A cursor that was forged, or belongs to another tenant, list or filter.
    ForeignCursor,
    /// A request that uses cookies, from an origin that may not: a page that the user does not trust.
    ForeignOrigin,
    /// An idempotency key that belongs to another request, or to a registration with another password.
    IdempotencyMismatch,
    /// An operation that the caller's role does not allow.
    Forbidden,
    /// An operation that the scopes of a personal access token do not allow.
    InsufficientScope,
    /// An unknown email or a wrong password.
    WrongPassword,
    /// The right password of an account that an operator has suspended.
    SuspendedAccount,
    /// A new password that the policy rejects.
    PasswordRejected,
    /// An attempt that the rule `pair` delays: too many at one account from one address or device.
    ThrottledByPair,
    /// An attempt that the rule `known` delays: too many at one account from the addresses that it knows.
    ThrottledByKnown,
    /// An attempt that the rule `account` delays: too many at one account, or within one login, from other addresses.
    ThrottledByAccount,
    /// An attempt that the rule `address` delays: too many from one site, at any accounts.
    ThrottledByAddress,
    /// A registration that the rule `registration` delays: too many from one site.
    ThrottledByRegistration,
    /// A request for an email that the rule `emails` delays: too many from one site.
    ThrottledByEmails,
    /// A request for an email that the rule `recipient` delays: too many to one recipient.
    ThrottledByRecipient,
    /// A request whose share of the hashing queue is full.
    ThrottledByHashing,
    /// A write of a tenant that writes too much.
    ThrottledByWrites,
    /// A login or a password change of a user who logs in too often.
    ThrottledByLogins,
    /// A picture of a user who sends too many, or whose share of the queue is full.
    ThrottledByUploads,
    /// A download of an export whose share of the parts that are sent at a time is full.
    ThrottledByDownloads,
    /// A request that would exceed a quota of its tenant.
    QuotaExceeded,
}

/// An attack that security events indicate. Metrics count them, and alarms report them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Attack {
    /// A client uses a copied refresh token.
    TokenReuse,
    /// Guesses at many accounts from one site.
    PasswordSpraying,
    /// Guesses at one account, so many that its limit is reached.
    Lockout,
}

impl SecurityEvent {
    /// All events.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::iter()
    }

    /// The event's name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The attack that the event indicates, if it alone indicates one.
    pub fn attack(self) -> Option<Attack> {
        match self {
            Self::TokenReuse => Some(Attack::TokenReuse),
            Self::ThrottledByAddress => Some(Attack::PasswordSpraying),
            Self::ThrottledByKnown | Self::ThrottledByAccount => Some(Attack::Lockout),
            Self::TokenReplay
            | Self::InvalidToken
            | Self::RevokedToken
            | Self::ForeignId
            | Self::ForeignCursor
            | Self::ForeignOrigin
            | Self::IdempotencyMismatch
            | Self::Forbidden
            | Self::InsufficientScope
            | Self::WrongPassword
            | Self::SuspendedAccount
            | Self::PasswordRejected
            | Self::ThrottledByPair
            | Self::ThrottledByRegistration
            | Self::ThrottledByEmails
            | Self::ThrottledByRecipient
            | Self::ThrottledByHashing
            | Self::ThrottledByWrites
            | Self::ThrottledByLogins
            | Self::ThrottledByUploads
            | Self::ThrottledByDownloads
            | Self::QuotaExceeded => None,
        }
    }
}

impl Attack {
    /// The attack's name in metrics.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
