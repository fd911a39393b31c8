//! Device tokens: proof that a device has signed in to an account before (OWASP device cookies).
//!
//! A token is `coditect_dt_` and 32 bytes in base64url. A login derives it from the random proof that all of its
//! refresh tokens share, so every response of the login contains the same one, and the store needs only its digest.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

const PREFIX: &str = "coditect_dt_";
const LEN: usize = 32;

/// A device token.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceToken([u8; LEN]);

impl DeviceToken {
    /// The length in characters.
    pub const CHARS: usize = PREFIX.len() + (LEN * 4).div_ceil(3);

    /// The token of the login whose refresh tokens share this random proof. It does not reveal the proof.
    pub(crate) fn derive(proof: &[u8; 16]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(proof).expect("HMAC takes a key of any length");
        mac.update(b"coditect device token");
        Self(mac.finalize().into_bytes().into())
    }

    /// Parses a token.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// The token as text, for the client only.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0))
    }

    /// The SHA-256 of the token.
    pub(super) fn digest(&self) -> [u8; LEN] {
        Sha256::digest(self.0).into()
    }
}

impl fmt::Debug for DeviceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_round_trips_and_is_hidden_in_logs() {
        let token = DeviceToken::derive(&[7; 16]);
        let text = token.reveal();
        assert_eq!((text.len(), &text[..12]), (DeviceToken::CHARS, "coditect_dt_"));
        assert_eq!(DeviceToken::parse(&text), Some(token.clone()));
        assert_eq!(format!("{token:?}"), "DeviceToken(…)");
        assert_ne!(token, DeviceToken::derive(&[8; 16]));
    }

    proptest! {
        #[test]
        fn other_text_is_not_a_token(text in "\\PC*|coditect_dt_[A-Za-z0-9_-]{0,42}|coditect_rt_[A-Za-z0-9_-]{43}") {
            prop_assert!(DeviceToken::parse(&text).is_none());
        }
    }
}
