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
//! The store holds digests. A successor's secret is the HMAC-SHA-256 of a nonce under the secret that it replaces, so
//! the replaced token gets the same successor again, while neither the store nor the replaced token alone reveals it.
//! After the grace period the nonce is unused but stays stored until the next rotation. Until then, an attacker who has
//! read the store and holds the replaced token can compute the successor.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::bytes::hidden_bytes;
use crate::id::{LoginId, TenantId, UserId};
use crate::rng::{Rng, random_bytes};
use crate::throttle::DeviceToken;
use crate::time::Timestamp;

/// How long a replaced token still gets its successor: two tabs may refresh at once, and a response may be lost.
pub const GRACE: Duration = Duration::from_secs(30);

/// The maximum number of replaced tokens in their grace period. Lost responses do not explain more.
const MAX_REPLACED: usize = 16;

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

    /// The token that replaces this one.
    #[must_use]
    pub fn successor(&self, nonce: &Nonce) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes a key of any length");
        mac.update(b"coditect refresh successor");
        mac.update(&nonce.0);
        Self {
            secret: mac.finalize().into_bytes().into(),
            ..self.clone()
        }
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
    /// The stored half of a successor; the replaced token is the other.
    pub struct Nonce;
}

impl Nonce {
    /// A new nonce.
    pub fn draw(rng: &dyn Rng) -> Self {
        Self(random_bytes(rng))
    }
}

hidden_bytes! {
    /// The SHA-256 of at least 128 random bits.
    struct Digest;
}

impl Digest {
    fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }
}

/// The stored state of one login's refresh tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenFamily {
    proof: Digest,
    current: Digest,
    /// Replaced tokens, oldest first. A rotation removes those past their grace period.
    replaced: Vec<Replaced>,
    /// Further current tokens of a record of version 3. The next rotation forgets them.
    #[serde(skip)]
    siblings: Vec<Digest>,
}

/// The tokens in version 3 of the record.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FamilyV3 {
    proof: Digest,
    current: Vec<Digest>,
    superseded: Vec<GenerationV3>,
    #[serde(rename = "divisions")]
    _divisions: u8,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GenerationV3 {
    tokens: Vec<Digest>,
    at: Timestamp,
    #[serde(rename = "replays")]
    _replays: u8,
    #[serde(rename = "divided")]
    _divided: bool,
}

/// Stands for the nonce of a token that version 3 replaced. Its successor is not known here.
const NO_NONCE: Nonce = Nonce([0; 32]);

impl From<FamilyV3> for TokenFamily {
    fn from(family: FamilyV3) -> Self {
        let mut current = family.current.into_iter();
        let replaced = family.superseded.into_iter().flat_map(|generation| {
            let (at, nonce) = (generation.at, NO_NONCE);
            let tokens = generation.tokens.into_iter();
            tokens.map(move |token| Replaced { token, nonce, at })
        });
        Self {
            proof: family.proof,
            current: current.next().unwrap_or(Digest([0; 32])),
            replaced: replaced.collect(),
            siblings: current.collect(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Replaced {
    token: Digest,
    nonce: Nonce,
    at: Timestamp,
}

/// The status of a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenStatus {
    /// The current token.
    Current,
    /// Replaced within the grace period, by this successor.
    Replaced(RefreshToken),
    /// Replaced before that: two clients have it, and one copied it.
    Reused,
    /// Not a token of this login.
    Foreign,
}

impl TokenFamily {
    /// A new family and its first token.
    pub fn start(rng: &dyn Rng, user: UserId, tenant: TenantId, login: LoginId) -> (Self, RefreshToken) {
        let mut token = RefreshToken {
            user,
            tenant,
            login,
            proof: [0; 16],
            secret: [0; 32],
        };
        rng.fill(&mut token.proof);
        rng.fill(&mut token.secret);
        let family = Self {
            proof: Digest::of(&token.proof),
            current: Digest::of(&token.secret),
            replaced: Vec::new(),
            siblings: Vec::new(),
        };
        (family, token)
    }

    /// A family without tokens: no known input has a digest of zeros.
    pub(crate) fn none() -> Self {
        Self {
            proof: Digest([0; 32]),
            current: Digest([0; 32]),
            replaced: Vec::new(),
            siblings: Vec::new(),
        }
    }

    /// The status of `token` at `now`.
    pub fn status_of(&self, token: &RefreshToken, now: Timestamp) -> TokenStatus {
        if Digest::of(&token.proof) != self.proof {
            return TokenStatus::Foreign;
        }
        let digest = Digest::of(&token.secret);
        if digest == self.current || self.siblings.contains(&digest) {
            return TokenStatus::Current;
        }
        let replaced = self.replaced.iter().find(|replaced| replaced.token == digest);
        match replaced {
            // Rejected without ending the login, because it may be honest.
            Some(replaced) if replaced.nonce == NO_NONCE && replaced.is_in_grace(now) => TokenStatus::Foreign,
            Some(replaced) if replaced.is_in_grace(now) => TokenStatus::Replaced(token.successor(&replaced.nonce)),
            _ => TokenStatus::Reused,
        }
    }

    /// Replaces `token`, which must be the current one, and returns its successor.
    pub fn rotate(&mut self, token: &RefreshToken, nonce: Nonce, now: Timestamp) -> RefreshToken {
        let successor = token.successor(&nonce);
        self.replaced.retain(|replaced| replaced.is_in_grace(now));
        if self.replaced.len() == MAX_REPLACED {
            self.replaced.remove(0);
        }
        self.replaced.push(Replaced {
            token: Digest::of(&token.secret),
            nonce,
            at: now,
        });
        self.current = Digest::of(&successor.secret);
        self.siblings.clear();
        successor
    }
}

impl Replaced {
    fn is_in_grace(&self, now: Timestamp) -> bool {
        now <= self.at.plus(GRACE)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::Id as _;
    use crate::rng::SystemRng;

    fn ids() -> (UserId, TenantId, LoginId) {
        let id = uuid::Uuid::from_u128;
        (
            UserId::from_uuid(id(1)),
            TenantId::from_uuid(id(2)),
            LoginId::from_uuid(id(3)),
        )
    }

    fn family() -> (TokenFamily, RefreshToken) {
        TokenFamily::start(&SystemRng, ids().0, ids().1, ids().2)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn rotate(family: &mut TokenFamily, token: &RefreshToken, now: Timestamp) -> RefreshToken {
        assert_eq!(family.status_of(token, now), TokenStatus::Current);
        family.rotate(token, Nonce::draw(&SystemRng), now)
    }

    #[test]
    fn a_token_round_trips_and_is_hidden_in_logs() {
        let (_, token) = family();
        let text = token.reveal();
        assert!(text.starts_with("coditect_rt_") && text.len() == 146, "{text}");
        let read = RefreshToken::parse(&text).unwrap();
        assert_eq!(read, token);
        assert_eq!((read.user(), read.tenant(), read.login()), ids());
        assert_eq!(format!("{token:?}"), "RefreshToken(…)");
    }

    #[test]
    fn neither_the_record_nor_a_log_reveals_a_token() {
        let (mut family, first) = family();
        let second = rotate(&mut family, &first, at(0));
        let stored = serde_json::to_string(&family).unwrap();
        let logged = format!("{family:?}");
        for token in [&first, &second] {
            for part in [&token.proof[..], &token.secret[..]] {
                let part = URL_SAFE_NO_PAD.encode(part);
                assert!(!stored.contains(&part) && !logged.contains(&part), "{stored} {logged}");
            }
        }
        assert!(!logged.contains(&URL_SAFE_NO_PAD.encode(family.current.0)), "{logged}");
        assert_eq!(serde_json::from_str::<TokenFamily>(&stored).unwrap(), family);
    }

    #[test]
    fn a_replaced_token_has_its_successor_for_thirty_seconds_and_is_reused_afterwards() {
        let (mut family, first) = family();
        let second = rotate(&mut family, &first, at(100));
        assert_ne!(second, first);
        assert_eq!(family.status_of(&first, at(130)), TokenStatus::Replaced(second.clone()));
        assert_eq!(family.status_of(&first, at(131)), TokenStatus::Reused);
        assert_eq!(family.status_of(&second, at(10_000)), TokenStatus::Current);
    }

    #[test]
    fn each_of_several_quick_replacements_has_its_own_grace_period() {
        let (mut family, first) = family();
        let second = rotate(&mut family, &first, at(0));
        let third = rotate(&mut family, &second, at(10));
        assert_eq!(family.status_of(&first, at(30)), TokenStatus::Replaced(second.clone()));
        assert_eq!(family.status_of(&second, at(40)), TokenStatus::Replaced(third.clone()));
        rotate(&mut family, &third, at(35));
        assert_eq!(family.replaced.len(), 2, "the first one is past its grace period");
    }

    #[test]
    fn the_number_of_replaced_tokens_is_bounded() {
        let (mut family, first) = family();
        let mut token = first.clone();
        for _ in 0..100 {
            token = rotate(&mut family, &token, at(0));
        }
        assert_eq!(family.replaced.len(), MAX_REPLACED);
        assert_eq!(family.status_of(&first, at(0)), TokenStatus::Reused);
    }

    #[test]
    fn a_guess_is_foreign_whatever_ids_it_names() {
        let (family, token) = family();
        let (_, guess) = TokenFamily::start(&SystemRng, ids().0, ids().1, ids().2);
        assert_eq!(family.status_of(&guess, at(0)), TokenStatus::Foreign);
        let with_secret = RefreshToken {
            secret: token.secret,
            ..guess
        };
        assert_eq!(family.status_of(&with_secret, at(0)), TokenStatus::Foreign);
    }

    #[test]
    fn a_successor_needs_the_token_and_the_nonce() {
        let (_, token) = family();
        let (one, other) = (Nonce::draw(&SystemRng), Nonce::draw(&SystemRng));
        assert_eq!(token.successor(&one), token.successor(&one));
        assert_ne!(token.successor(&one), token.successor(&other));
        assert_ne!(token.successor(&one), family().1.successor(&one));
    }

    proptest! {
        #[test]
        fn other_text_is_not_a_token(text in "\\PC*|coditect_rt_[A-Za-z0-9_-]{120,140}") {
            prop_assert!(RefreshToken::parse(&text).is_none());
        }

        #[test]
        fn a_mistyped_character_is_detected(index in 0usize..134, other in "[A-Za-z0-9_-]") {
            let text = family().1.reveal();
            prop_assert_eq!(text.len(), RefreshToken::MAX_CHARS);
            let mut typed = text.clone();
            typed.replace_range(12 + index..13 + index, &other);
            prop_assert_eq!(RefreshToken::parse(&typed).is_some(), typed == text);
        }
    }
}
