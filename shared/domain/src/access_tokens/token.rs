//! Personal access tokens as text.
//!
//! A token is `coditect_pat_` and 94 letters and digits. Secret scanners find it with `coditect_pat_[0-9A-Za-z]{94}`.
//!
//! | characters | content |
//! | --- | --- |
//! | 22 + 22 | ids of the user and the tenant, so that one round of concurrent reads needs no index |
//! | 44 | a secret of 256 bits |
//! | 6 | a checksum, which rejects mistyped and truncated tokens without the store: CRC-32 of the rest |
//!
//! Each part is a number in base 62, with the digits `0-9A-Za-z`. Base 62 keeps a token one word, and the checksum is
//! that of other services' tokens, so scanners can discard a text that only looks like a token.
//!
//! The ids are the sender's claims until the store has the digest of the whole text: a token with other ids has another
//! digest.

use std::fmt;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::bytes::hidden_bytes;
use crate::id::{AccessTokenId, Id as _, TenantId, UserId};
use crate::rng::{Rng, random_bytes};

/// The beginning of every personal access token.
pub const PREFIX: &str = "coditect_pat_";

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Digits of a number of 128 bits.
const WORD_CHARS: usize = 22;
const CONTENT_CHARS: usize = 4 * WORD_CHARS;
const CHECKSUM_CHARS: usize = 6;

hidden_bytes! {
    /// SHA-256 of a token. The store contains it in place of the token.
    pub struct TokenDigest;
}

impl TokenDigest {
    /// The digest of this text.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What the text of a token says: its user and its tenant, if it is authentic, and the digest by which the store finds
/// out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedToken {
    user: UserId,
    tenant: TenantId,
    id: AccessTokenId,
    digest: TokenDigest,
}

impl PresentedToken {
    /// Reads a token. `None` if it is malformed: truncated, mistyped, or no personal access token.
    pub fn parse(text: &str) -> Option<Self> {
        let [user, tenant] = read(PREFIX, text)?;
        let digest = TokenDigest::of(text);
        Some(Self {
            user: UserId::from_uuid(user),
            tenant: TenantId::from_uuid(tenant),
            id: AccessTokenId::of_digest(digest.as_bytes()),
            digest,
        })
    }

    /// The user, if the token is authentic.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// The tenant, if the token is authentic.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The token's id.
    pub fn id(&self) -> AccessTokenId {
        self.id
    }

    /// The digest of the token.
    pub fn digest(&self) -> TokenDigest {
        self.digest
    }
}

/// The text of a new token.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText(String);

impl TokenText {
    /// A new token of this user for this tenant.
    pub fn draw(rng: &dyn Rng, user: UserId, tenant: TenantId) -> Self {
        Self(draw(PREFIX, rng, [user.uuid(), tenant.uuid()]))
    }

    /// The token as text, for the client only.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The digest of the token.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(&self.0)
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(…)")
    }
}

/// A new token with this prefix and these ids, which are in its text, and a secret.
pub(crate) fn draw(prefix: &str, rng: &dyn Rng, ids: [Uuid; 2]) -> String {
    let mut text = String::with_capacity(prefix.len() + CONTENT_CHARS + CHECKSUM_CHARS);
    text.push_str(prefix);
    let secret = [(); 2].map(|()| u128::from_be_bytes(random_bytes(rng)));
    for word in ids.map(|id| id.as_u128()).into_iter().chain(secret) {
        push(&mut text, word, WORD_CHARS);
    }
    let checksum = checksum(&text[prefix.len()..]);
    push(&mut text, checksum, CHECKSUM_CHARS);
    text
}

/// The ids in a token with this prefix; `None` if it is malformed.
pub(crate) fn read(prefix: &str, text: &str) -> Option<[Uuid; 2]> {
    let rest = text.strip_prefix(prefix)?;
    let is_well_formed =
        rest.len() == CONTENT_CHARS + CHECKSUM_CHARS && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_well_formed {
        return None;
    }
    let (content, checksum) = rest.split_at(CONTENT_CHARS);
    if number(checksum)? != self::checksum(content) {
        return None;
    }
    let (first, rest) = content.split_at(WORD_CHARS);
    let (second, _) = rest.split_at(WORD_CHARS);
    Some([Uuid::from_u128(number(first)?), Uuid::from_u128(number(second)?)])
}

/// Detects mistyped tokens. It does not protect against forgery: the 256-bit secret does.
fn checksum(content: &str) -> u128 {
    u128::from(crc32fast::hash(content.as_bytes()))
}

/// Appends `number` in base 62 with this many digits. No crate has a form with a fixed number of digits.
fn push(text: &mut String, mut number: u128, digits: usize) {
    let mut reversed = [0; WORD_CHARS];
    let reversed = &mut reversed[..digits];
    for digit in &mut *reversed {
        *digit = DIGITS[usize::try_from(number % 62).unwrap_or_default()];
        number /= 62;
    }
    text.extend(reversed.iter().rev().map(|digit| char::from(*digit)));
}

/// The number with these digits in base 62; `None` if it has more than 128 bits.
fn number(digits: &str) -> Option<u128> {
    digits.bytes().try_fold(0_u128, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'Z' => digit - b'A' + 10,
            b'a'..=b'z' => digit - b'a' + 36,
            _ => return None,
        };
        number.checked_mul(62)?.checked_add(u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rng::SystemRng;

    fn draw(user: u128, tenant: u128) -> TokenText {
        let (user, tenant) = (Uuid::from_u128(user), Uuid::from_u128(tenant));
        TokenText::draw(&SystemRng, UserId::from_uuid(user), TenantId::from_uuid(tenant))
    }

    #[test]
    fn a_token_has_the_documented_form_and_is_hidden_in_logs() {
        struct Zeros;
        impl crate::rng::Rng for Zeros {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.fill(0);
            }
        }
        let (user, tenant) = (Uuid::from_u128(61), Uuid::from_u128(62));
        let token = TokenText::draw(&Zeros, UserId::from_uuid(user), TenantId::from_uuid(tenant));
        let zeros = |count| "0".repeat(count);
        let content = format!("{}z{}10{}", zeros(21), zeros(20), zeros(44));
        let text = token.reveal();
        assert_eq!(text[..13 + 88], format!("coditect_pat_{content}"));
        assert_eq!(text.len(), 13 + 94);
        assert_eq!(number(&text[13 + 88..]).unwrap(), checksum(&content));
        assert_eq!(format!("{token:?}"), "TokenText(…)");
        let presented = format!("{:?}", PresentedToken::parse(text).unwrap());
        assert!(presented.contains("TokenDigest(…)"), "{presented}");
    }

    #[test]
    fn the_checksum_is_that_of_iso_3309() {
        assert_eq!(checksum("123456789"), 0xcbf4_3926);
    }

    #[test]
    fn two_tokens_of_one_user_differ() {
        let (one, other) = (draw(1, 2), draw(1, 2));
        assert_ne!(one.digest(), other.digest());
        let ids = [one, other].map(|token| PresentedToken::parse(token.reveal()).unwrap().id());
        assert_ne!(ids[0], ids[1]);
    }

    #[test]
    fn numbers_beyond_128_bits_are_malformed() {
        let mut text = String::new();
        push(&mut text, u128::MAX, WORD_CHARS);
        assert_eq!(number(&text), Some(u128::MAX));
        assert_eq!(number(&"z".repeat(WORD_CHARS)), None);
        let content = format!("{}{}", "z".repeat(WORD_CHARS), "0".repeat(3 * WORD_CHARS));
        let mut forged = format!("{PREFIX}{content}");
        push(&mut forged, checksum(&content), CHECKSUM_CHARS);
        assert_eq!(PresentedToken::parse(&forged), None);
    }

    proptest! {
        #[test]
        fn a_token_names_its_user_and_tenant(user: u128, tenant: u128) {
            let token = draw(user, tenant);
            let presented = PresentedToken::parse(token.reveal()).unwrap();
            prop_assert_eq!(presented.user().uuid().as_u128(), user);
            prop_assert_eq!(presented.tenant().uuid().as_u128(), tenant);
            prop_assert_eq!(presented.digest(), token.digest());
        }

        #[test]
        fn other_text_is_not_a_token(text in "\\PC*|coditect_pat_[0-9A-Za-z]{90,98}") {
            prop_assert!(PresentedToken::parse(&text).is_none());
        }

        #[test]
        fn a_mistyped_or_truncated_token_is_detected(index in 0_usize..94, other in "[0-9A-Za-z]") {
            let token = draw(7, 8);
            let text = token.reveal();
            let mut typed = text.to_owned();
            typed.replace_range(13 + index..14 + index, &other);
            prop_assert_eq!(PresentedToken::parse(&typed).is_some(), typed == text);
            prop_assert!(PresentedToken::parse(&text[..13 + index]).is_none());
        }
    }
}
