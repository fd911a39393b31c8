//! Mail tokens: a person who sends one back reads the emails to its address.
//!
//! A user has at most one live token for each [`Purpose`], and at most [`MAX_UNDOS`] old addresses that can undo a
//! change. A newer token replaces the older one. A token is used once: the transaction of its effect removes it. The
//! store contains digests only; the token itself is in the email, and in the outbox until the email is sent.

pub mod keys;
pub mod store;
mod token;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr};

pub use self::token::{MailToken, TokenDigest};
use crate::id::UserId;
use crate::record::Record;
use crate::time::Timestamp;
use crate::users::Email;

/// The number of old addresses that can undo a change of a user's email at the same time.
pub const MAX_UNDOS: usize = 5;

const HOUR: Duration = Duration::from_hours(1);

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, EnumString, IntoStaticStr)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "camelCase")]
pub enum Purpose {
    /// To verify the account's address.
    Verification,
    /// To choose a new password, which also verifies the address.
    Recovery,
    /// To choose a new password. An operator hands the token over, so it does not verify the address.
    OperatorRecovery,
    /// To make the address the account's.
    EmailChange,
    /// To make the address the account's again.
    EmailUndo,
}

impl Purpose {
    /// The name in keys.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// How long a token is valid.
    pub fn lifetime(self) -> Duration {
        match self {
            Self::Verification | Self::EmailChange => 24 * HOUR,
            Self::Recovery | Self::OperatorRecovery => HOUR,
            Self::EmailUndo => 7 * 24 * HOUR,
        }
    }
}

/// A token as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoredToken {
    /// What it allows.
    pub purpose: Purpose,
    /// Whose account it is about.
    pub user: UserId,
    /// The address that it is for: the account's, its next one or an old one.
    pub email: Email,
    /// The digest of its secret.
    pub digest: TokenDigest,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
}

impl Record for StoredToken {
    const KIND: &'static str = "mail token";
}

impl StoredToken {
    /// The stored form of a new token.
    pub fn new(token: &MailToken, purpose: Purpose, email: Email, now: Timestamp) -> Self {
        Self {
            purpose,
            user: token.user(),
            email,
            digest: token.digest(),
            created_at: now,
            expires_at: now.plus(purpose.lifetime()),
        }
    }

    /// Whether the token has not expired.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

/// The stored tokens of a user, expired ones included.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Vec<StoredToken>);

impl Tokens {
    /// The live token that a client has sent, if it is for one of these purposes.
    pub fn find(&self, token: &MailToken, purposes: &[Purpose], now: Timestamp) -> Option<&StoredToken> {
        let digest = token.digest();
        let mut found = self.0.iter().filter(|stored| stored.digest == digest);
        found.find(|stored| purposes.contains(&stored.purpose) && stored.is_alive(now))
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &StoredToken> {
        self.0.iter()
    }

    /// The live tokens for this purpose.
    pub fn alive(&self, purpose: Purpose, now: Timestamp) -> impl Iterator<Item = &StoredToken> {
        self.0
            .iter()
            .filter(move |stored| stored.purpose == purpose && stored.is_alive(now))
    }

    /// The addresses that the tokens are for.
    pub(crate) fn emails(&self) -> impl Iterator<Item = &Email> {
        self.0.iter().map(|stored| &stored.email)
    }

    /// The tokens that undo a change of the email made at `since` or later.
    pub(crate) fn undos_since(&self, since: Timestamp) -> impl Iterator<Item = &StoredToken> {
        let undos = self.0.iter().filter(|stored| stored.purpose == Purpose::EmailUndo);
        undos.filter(move |stored| stored.created_at >= since)
    }

    /// The address that the user has asked to make the account's, and that has not confirmed it yet.
    pub fn pending_email(&self, now: Timestamp) -> Option<&Email> {
        self.alive(Purpose::EmailChange, now).next().map(|stored| &stored.email)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id as _;

    #[test]
    fn a_token_is_found_for_its_purpose_until_it_expires() {
        let now = Timestamp::from_millis(0);
        let user = UserId::from_uuid(uuid::Uuid::from_u128(7));
        let token = MailToken::new(user, [7; 32]);
        let email = Email::parse("alice@example.com").unwrap();
        let stored = StoredToken::new(&token, Purpose::Recovery, email.clone(), now);
        let tokens = Tokens(vec![stored]);
        let (recovery, other) = ([Purpose::Recovery], [Purpose::Verification, Purpose::EmailChange]);
        let is_found = |token: &MailToken, purposes: &[Purpose], seconds| {
            let at = now.plus(Duration::from_secs(seconds));
            tokens.find(token, purposes, at).is_some()
        };
        assert!(is_found(&token, &recovery, 3599));
        assert!(!is_found(&token, &recovery, 3600));
        assert!(!is_found(&token, &other, 0));
        assert!(!is_found(&MailToken::new(user, [8; 32]), &recovery, 0));
        assert_eq!(tokens.pending_email(now), None);
        let change = StoredToken::new(&token, Purpose::EmailChange, email.clone(), now);
        assert_eq!(Tokens(vec![change]).pending_email(now), Some(&email));
    }
}
