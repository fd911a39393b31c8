//! Refresh tokens: each use replaces the token by another, for as long as the login lives (RFC 9700, section 4.14.2).
//!
//! A token is `coditect_rt_` and 100 bytes in base64url:
//!
//! | bytes | content |
//! | --- | --- |
//! | 16 + 16 + 16 | ids of the user, the tenant and the login, so that one round of concurrent reads needs no index |
//! | 16 | the login's proof, the same in every token of the login |
//! | 32 | the token's secret |
//! | 4 | a checksum |
//!
//! Only a client that has had one of the login's tokens knows the proof. An old secret with the right proof is a reused
//! token and ends the login. Without the proof the token is a guess and changes nothing, so an attacker who knows the
//! ids cannot end the login.
//!
//! The store holds digests only ([`TokenFamily`](super::family::TokenFamily)). Secrets are independent random numbers,
//! so neither the store nor an older token reveals one.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::bytes::hidden_bytes;
use crate::id::{LoginId, TenantId, UserId};
use crate::rng::{Rng, random_bytes};
use crate::throttle::DeviceToken;

const PREFIX: &str = "coditect_rt_";
const CHECKSUM_LEN: usize = 4;
const LEN: usize = 16 + 16 + 16 + 16 + 32 + CHECKSUM_LEN;

/// A refresh token.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    user: UserId,
    tenant: TenantId,
    login: LoginId,
    proof: [u8; 16],
    secret: [u8; 32],
}

impl RefreshToken {
    /// The maximum length in characters, which every token has.
    pub const MAX_CHARS: usize = PREFIX.len() + (LEN * 4).div_ceil(3);

    /// Parses a token. The checksum rejects mistyped and truncated tokens without the store.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let bytes: &[u8; LEN] = bytes.as_slice().try_into().ok()?;
        let (content, check) = bytes.split_last_chunk::<CHECKSUM_LEN>()?;
        if checksum(content) != *check {
            return None;
        }
        let (user, rest) = content.split_at(16);
        let (tenant, rest) = rest.split_at(16);
        let (login, rest) = rest.split_at(16);
        let (proof, secret) = rest.split_at(16);
        Some(Self {
            user: UserId::from_slice(user)?,
            tenant: TenantId::from_slice(tenant)?,
            login: LoginId::from_slice(login)?,
            proof: proof.try_into().ok()?,
            secret: secret.try_into().ok()?,
        })
    }

    /// The token as text, for the client only.
    pub fn reveal(&self) -> String {
        let mut bytes = Vec::with_capacity(LEN);
        bytes.extend(self.user.as_bytes());
        bytes.extend(self.tenant.as_bytes());
        bytes.extend(self.login.as_bytes());
        bytes.extend(self.proof);
        bytes.extend(self.secret);
        bytes.extend(checksum(&bytes));
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The user of the login, if the token is authentic.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// The tenant of the login, if the token is authentic.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The login, if the token is authentic.
    pub fn login(&self) -> LoginId {
        self.login
    }

    /// The device token of the login, the same for each of its refresh tokens.
    pub fn device_token(&self) -> DeviceToken {
        DeviceToken::derive(&self.proof)
    }

    /// A first token with this proof and secret.
    pub(super) fn new(user: UserId, tenant: TenantId, login: LoginId, proof: [u8; 16], secret: TokenSecret) -> Self {
        Self {
            user,
            tenant,
            login,
            proof,
            secret: secret.0,
        }
    }

    /// A further token of the same login.
    pub(super) fn successor(&self, secret: TokenSecret) -> Self {
        Self {
            secret: secret.0,
            ..self.clone()
        }
    }

    pub(super) fn proof(&self) -> &[u8; 16] {
        &self.proof
    }

    pub(super) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(…)")
    }
}

/// Detects mistyped tokens. It does not protect against forgery: the 256-bit secret does.
fn checksum(content: &[u8]) -> [u8; CHECKSUM_LEN] {
    let digest = Sha256::new()
        .chain_update(b"coditect refresh checksum")
        .chain_update(content)
        .finalize();
    let mut check = [0; CHECKSUM_LEN];
    check.copy_from_slice(&digest[..CHECKSUM_LEN]);
    check
}

hidden_bytes! {
    /// The secret of a token that does not exist yet.
    pub struct TokenSecret;
}

impl TokenSecret {
    /// A new secret.
    pub fn draw(rng: &dyn Rng) -> Self {
        Self(random_bytes(rng))
    }

    /// The secret of an existing token, to forge another.
    #[cfg(test)]
    pub(super) fn of(token: &RefreshToken) -> Self {
        Self(token.secret)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::Id as _;
    use crate::rng::SystemRng;

    fn token() -> RefreshToken {
        let id = uuid::Uuid::from_u128;
        RefreshToken::new(
            UserId::from_uuid(id(1)),
            TenantId::from_uuid(id(2)),
            LoginId::from_uuid(id(3)),
            [7; 16],
            TokenSecret::draw(&SystemRng),
        )
    }

    #[test]
    fn a_token_round_trips_and_is_hidden_in_logs() {
        let token = token();
        let text = token.reveal();
        assert!(text.starts_with("coditect_rt_") && text.len() == 146, "{text}");
        let read = RefreshToken::parse(&text).unwrap();
        assert_eq!(read, token);
        assert_eq!(
            (read.user(), read.tenant(), read.login()),
            (token.user, token.tenant, token.login)
        );
        assert_eq!(format!("{token:?}"), "RefreshToken(…)");
    }

    proptest! {
        #[test]
        fn other_text_is_not_a_token(text in "\\PC*|coditect_rt_[A-Za-z0-9_-]{120,140}") {
            prop_assert!(RefreshToken::parse(&text).is_none());
        }

        #[test]
        fn a_mistyped_character_is_detected(index in 0usize..134, other in "[A-Za-z0-9_-]") {
            let text = token().reveal();
            prop_assert_eq!(text.len(), RefreshToken::MAX_CHARS);
            let mut typed = text.clone();
            typed.replace_range(12 + index..13 + index, &other);
            prop_assert_eq!(RefreshToken::parse(&typed).is_some(), typed == text);
        }
    }
}
