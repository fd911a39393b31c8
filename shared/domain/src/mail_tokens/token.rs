//! A mail token as its email contains it: `coditect_mt_`, then the user's id and 256 random bits in base64url.
//!
//! It names the user, so that everything is read concurrently and without an index.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::bytes::hidden_bytes;
use crate::id::UserId;

const ID_LEN: usize = 16;
const SECRET_LEN: usize = 32;

hidden_bytes! {
    /// The SHA-256 of a token's secret.
    pub struct TokenDigest;
}

impl TokenDigest {
    pub(super) fn as_bytes(&self) -> &[u8; SECRET_LEN] {
        &self.0
    }
}

/// A mail token.
#[derive(Clone, PartialEq, Eq)]
pub struct MailToken {
    user: UserId,
    secret: [u8; SECRET_LEN],
}

impl MailToken {
    /// The start of every token.
    pub(crate) const PREFIX: &str = "coditect_mt_";

    /// The length in characters.
    pub const CHARS: usize = Self::PREFIX.len() + (ID_LEN + SECRET_LEN) * 4 / 3;

    /// A token about this user, with a random secret.
    pub(crate) fn new(user: UserId, secret: [u8; SECRET_LEN]) -> Self {
        Self { user, secret }
    }

    /// Parses a token.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(Self::PREFIX)?).ok()?;
        let (user, secret) = bytes.split_at_checked(ID_LEN)?;
        Some(Self {
            user: UserId::from_slice(user)?,
            secret: secret.try_into().ok()?,
        })
    }

    /// The token as text, for its email only.
    pub fn reveal(&self) -> String {
        let bytes = [&self.user.as_bytes()[..], &self.secret].concat();
        format!("{}{}", Self::PREFIX, URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The user whose account it is about. It is a claim until the secret is compared.
    pub fn user(&self) -> UserId {
        self.user
    }

    pub(super) fn digest(&self) -> TokenDigest {
        TokenDigest(Sha256::digest(self.secret).into())
    }
}

impl fmt::Debug for MailToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailToken(…)")
    }
}

/// For the email in the outbox, which contains the token until it is sent.
impl Serialize for MailToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.reveal())
    }
}

impl<'de> Deserialize<'de> for MailToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("it must be a token"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::Id as _;

    #[test]
    fn a_token_round_trips_and_is_hidden_in_logs() {
        let user = UserId::from_uuid(uuid::Uuid::from_u128(7));
        let token = MailToken::new(user, [7; 32]);
        let text = token.reveal();
        assert_eq!((text.len(), &text[..12]), (MailToken::CHARS, "coditect_mt_"));
        assert_eq!(MailToken::parse(&text), Some(token.clone()));
        assert_eq!(format!("{token:?} {:?}", token.digest()), "MailToken(…) TokenDigest(…)");
        assert!(MailToken::parse(&text[..text.len() - 1]).is_none());
        assert!(MailToken::parse(&format!("{text}A")).is_none());
        assert!(MailToken::parse(&format!(" {text}")).is_none());
    }

    proptest! {
        #[test]
        fn other_text_is_not_a_token(text in "\\PC*|coditect_mt_[A-Za-z0-9_-]{0,63}|coditect_rt_[A-Za-z0-9_-]{64}") {
            prop_assert!(MailToken::parse(&text).is_none());
        }
    }
}
