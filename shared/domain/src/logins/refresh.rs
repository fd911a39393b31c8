//! Refresh tokens: each is replaced by another when it is used, as long as the login lives (RFC 9700, section 4.14.2).
//!
//! A token is `coditect_rt_` and 100 bytes in base64url: the user, the tenant and the login (16 bytes each), the login's proof (16), the
//! token's own secret (32) and a checksum (4). With the ids everything is read at once, and without an index. The proof is the same in every
//! token of the login: who brings it has had one of them, and who does not is only guessing, and must not be able to end somebody's login.
//!
//! The store holds digests. A successor's secret is HMAC-SHA-256 of a nonce under the secret that it replaces. So whoever brings the
//! replaced token again can be answered the same successor, and neither the store nor the old token alone tells it. When the grace is over
//! the nonce is not used any more, but it stays in the store until the next rotation: who has read the store and holds the replaced token can
//! work out the successor for as long.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::bytes::{drawn, hidden_bytes};
use crate::env::Rng;
use crate::id::{LoginId, TenantId, UserId};
use crate::time::Timestamp;

/// How long after its replacement a token is still answered its successor: two tabs may refresh at once, and an answer may be lost.
pub const GRACE: Duration = Duration::from_secs(30);

/// How many replaced tokens are remembered within the grace. More than that is no lost answer.
const REMEMBERED: usize = 16;

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
    /// The most characters of a token: as many as each has today.
    pub const MAX_CHARS: usize = PREFIX.len() + (LEN * 4).div_ceil(3);

    /// Reads a token. What is none, mistyped or cut off, is known without the store.
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

    /// The text that the client keeps.
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

    /// Whose login it belongs to, if it is authentic.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// Which tenant its login is for, if it is authentic.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Which login it belongs to, if it is authentic.
    pub fn login(&self) -> LoginId {
        self.login
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

/// Finds a slip of the pen, not a forger: those are up against 256 bits.
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
    /// What makes a successor one that only the store and the holder of the token together can tell.
    pub struct Nonce;
}

impl Nonce {
    /// A fresh one.
    pub fn draw(rng: &dyn Rng) -> Self {
        Self(drawn(rng))
    }
}

hidden_bytes! {
    /// The SHA-256 of something with 128 random bits or more.
    struct Digest;
}

impl Digest {
    fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }
}

/// What the store knows of the tokens of one login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenFamily {
    proof: Digest,
    current: Digest,
    /// Replaced, oldest first; those whose grace is over go at the next rotation.
    replaced: Vec<Replaced>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Replaced {
    token: Digest,
    nonce: Nonce,
    at: Timestamp,
}

/// What a token is to its family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenStatus {
    /// The one that is to be used next.
    Current,
    /// Replaced a moment ago, by this successor.
    Replaced(RefreshToken),
    /// Replaced before that: two have it, and one of them should not.
    Reused,
    /// None of the family's.
    Foreign,
}

impl TokenFamily {
    /// A family and its first token.
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
        };
        (family, token)
    }

    /// A family without any token: what nothing is known to be the digest of.
    pub(crate) fn none() -> Self {
        Self {
            proof: Digest([0; 32]),
            current: Digest([0; 32]),
            replaced: Vec::new(),
        }
    }

    /// What `token` is to this family at `now`.
    pub fn status_of(&self, token: &RefreshToken, now: Timestamp) -> TokenStatus {
        if Digest::of(&token.proof) != self.proof {
            return TokenStatus::Foreign;
        }
        let digest = Digest::of(&token.secret);
        if digest == self.current {
            return TokenStatus::Current;
        }
        let replaced = self.replaced.iter().find(|replaced| replaced.token == digest);
        match replaced {
            Some(replaced) if replaced.is_in_grace(now) => TokenStatus::Replaced(token.successor(&replaced.nonce)),
            _ => TokenStatus::Reused,
        }
    }

    /// Replaces `token`, which is the current one, and answers its successor.
    pub fn rotate(&mut self, token: &RefreshToken, nonce: Nonce, now: Timestamp) -> RefreshToken {
        let successor = token.successor(&nonce);
        self.replaced.retain(|replaced| replaced.is_in_grace(now));
        if self.replaced.len() == REMEMBERED {
            self.replaced.remove(0);
        }
        self.replaced.push(Replaced {
            token: Digest::of(&token.secret),
            nonce,
            at: now,
        });
        self.current = Digest::of(&successor.secret);
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
    use crate::env::SystemRng;
    use crate::id::Id as _;

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
    fn a_token_survives_being_written_and_read_and_shows_nothing_in_a_log() {
        let (_, token) = family();
        let text = token.reveal();
        assert!(text.starts_with("coditect_rt_") && text.len() == 146, "{text}");
        let read = RefreshToken::parse(&text).unwrap();
        assert_eq!(read, token);
        assert_eq!((read.user(), read.tenant(), read.login()), ids());
        assert_eq!(format!("{token:?}"), "RefreshToken(…)");
    }

    #[test]
    fn the_family_holds_nothing_that_a_token_can_be_made_from() {
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
    fn a_replaced_token_has_the_same_successor_for_thirty_seconds_and_is_reused_afterwards() {
        let (mut family, first) = family();
        let second = rotate(&mut family, &first, at(100));
        assert_ne!(second, first);
        assert_eq!(family.status_of(&first, at(130)), TokenStatus::Replaced(second.clone()));
        assert_eq!(family.status_of(&first, at(131)), TokenStatus::Reused);
        assert_eq!(family.status_of(&second, at(10_000)), TokenStatus::Current);
    }

    #[test]
    fn each_of_several_quick_replacements_has_its_grace() {
        let (mut family, first) = family();
        let second = rotate(&mut family, &first, at(0));
        let third = rotate(&mut family, &second, at(10));
        assert_eq!(family.status_of(&first, at(30)), TokenStatus::Replaced(second.clone()));
        assert_eq!(family.status_of(&second, at(40)), TokenStatus::Replaced(third.clone()));
        rotate(&mut family, &third, at(35));
        assert_eq!(family.replaced.len(), 2, "the first one's grace is over");
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let (mut family, first) = family();
        let mut token = first.clone();
        for _ in 0..100 {
            token = rotate(&mut family, &token, at(0));
        }
        assert_eq!(family.replaced.len(), REMEMBERED);
        assert_eq!(family.status_of(&first, at(0)), TokenStatus::Reused);
    }

    #[test]
    fn a_guess_is_nobodys_token_whatever_it_names() {
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
        fn what_is_not_a_token_is_known_without_the_store(text in "\\PC*|coditect_rt_[A-Za-z0-9_-]{120,140}") {
            prop_assert!(RefreshToken::parse(&text).is_none());
        }

        #[test]
        fn one_wrong_character_is_noticed(place in 0usize..134, other in "[A-Za-z0-9_-]") {
            let text = family().1.reveal();
            prop_assert_eq!(text.len(), RefreshToken::MAX_CHARS);
            let mut typed = text.clone();
            typed.replace_range(12 + place..13 + place, &other);
            prop_assert_eq!(RefreshToken::parse(&typed).is_some(), typed == text);
        }
    }
}
