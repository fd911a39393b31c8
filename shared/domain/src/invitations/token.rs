//! The token of an invitation as its email contains it: `coditect_inv_`, then 256 random bits in base64url.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::bytes::hidden_bytes;
use crate::rng::{Rng, random_bytes};

const SECRET_LEN: usize = 32;

hidden_bytes! {
    /// The SHA-256 of a token's secret.
    pub struct TokenDigest;
}

impl TokenDigest {
    pub(crate) fn as_bytes(&self) -> &[u8; SECRET_LEN] {
        &self.0
    }
}

/// The token of an invitation.
#[derive(Clone, PartialEq, Eq)]
pub struct InvitationToken([u8; SECRET_LEN]);

impl InvitationToken {
    /// The start of every token.
    pub(crate) const PREFIX: &str = "coditect_inv_";

    /// The length in characters.
    pub const CHARS: usize = Self::PREFIX.len() + (SECRET_LEN * 4).div_ceil(3);

    /// A new token.
    pub(crate) fn draw(rng: &dyn Rng) -> Self {
        Self(random_bytes(rng))
    }

    /// Parses a token.
    pub fn parse(text: &str) -> Option<Self> {
        let secret = URL_SAFE_NO_PAD.decode(text.strip_prefix(Self::PREFIX)?).ok()?;
        secret.try_into().ok().map(Self)
    }

    /// The token as text, for its email only.
    pub fn reveal(&self) -> String {
        format!("{}{}", Self::PREFIX, URL_SAFE_NO_PAD.encode(self.0))
    }

    /// The digest by which the store finds the invitation.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Sha256::digest(self.0).into())
    }
}

impl fmt::Debug for InvitationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvitationToken(…)")
    }
}

/// For the email in the outbox, which contains the token until it is sent.
impl Serialize for InvitationToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.reveal())
    }
}

impl<'de> Deserialize<'de> for InvitationToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("it must be a token"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_round_trips_and_is_hidden_in_logs() {
        let token = InvitationToken([7; SECRET_LEN]);
        let text = token.reveal();
        assert_eq!((text.len(), &text[..13]), (InvitationToken::CHARS, "coditect_inv_"));
        assert_eq!(InvitationToken::parse(&text), Some(token.clone()));
        assert_eq!(
            format!("{token:?} {:?}", token.digest()),
            "InvitationToken(…) TokenDigest(…)"
        );
        assert!(InvitationToken::parse(&text[..text.len() - 1]).is_none());
        assert!(InvitationToken::parse(&format!("{text}A")).is_none());
        assert!(InvitationToken::parse(&format!(" {text}")).is_none());
    }

    proptest! {
        #[test]
        fn other_text_is_not_a_token(text in "\\PC*|coditect_inv_[A-Za-z0-9_-]{0,42}|coditect_mt_[A-Za-z0-9_-]{64}") {
            prop_assert!(InvitationToken::parse(&text).is_none());
        }
    }
}
