//! Pages of a list: how many, and where the last one ended.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::bytes::{drawn, hidden_bytes};
use crate::env::Rng;
use crate::error::Error;
use crate::id::TenantId;
use crate::text::Rejection;

/// How many entries a page may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(usize);

impl Limit {
    /// The largest page.
    pub const MAX: usize = 100;

    /// 1 to 100, written in digits.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        match text.parse() {
            Ok(limit @ 1..=Self::MAX) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Self(limit)),
            _ => Err(Rejection(format!("must be a whole number from 1 to {}", Self::MAX))),
        }
    }

    /// The number.
    pub fn get(self) -> usize {
        self.0
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

hidden_bytes! {
    /// A tenant's key for the cursors of its lists.
    pub struct CursorKey;
}

impl CursorKey {
    /// A fresh one.
    pub fn draw(rng: &dyn Rng) -> Self {
        Self(drawn(rng))
    }

    /// The seal of a tenant from before there were seals: anybody can work it out, so its cursors only hold off mistakes.
    pub(crate) fn legacy(tenant: TenantId) -> Self {
        Self(Sha256::digest(tenant.as_bytes()).into())
    }
}

/// How many bytes a position has at most.
const POSITION_MAX: usize = 16;

/// How many bytes of the tag are sent.
const TAG_LEN: usize = 16;

/// Where a page ended, opaque to clients: a version, a position, and a tag (HMAC-SHA-256, cut to 128 bits) of the position, the list and its
/// filter under the tenant's [`CursorKey`]. So a cursor of another tenant, of another list or of the same list with another filter is refused, and
/// so is one that was made up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    position: Vec<u8>,
    tag: [u8; TAG_LEN],
}

impl Cursor {
    /// The longest one, in characters: one of a list whose positions are ids.
    pub const MAX_CHARS: usize = ((1 + POSITION_MAX + TAG_LEN) * 4).div_ceil(3);

    const VERSION: u8 = 2;

    /// A cursor at `position` of `list` as `filter` shows it.
    pub fn new(seal: &CursorKey, list: &str, filter: &str, position: &[u8]) -> Self {
        let mut tag = [0; TAG_LEN];
        tag.copy_from_slice(&mac(seal, list, filter, position).finalize().into_bytes()[..TAG_LEN]);
        Self {
            position: position.to_vec(),
            tag,
        }
    }

    /// The text that a client sends back.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode([&[Self::VERSION], &*self.position, &self.tag].concat())
    }

    /// Reads what [`encode`](Self::encode) wrote. Whether it is a cursor of the list is only known when it is [verified](Self::verify).
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid_cursor())?;
        let (position, tag) = match bytes.split_first() {
            Some((&Self::VERSION, rest)) => rest.split_last_chunk().ok_or_else(invalid_cursor)?,
            _ => return Err(invalid_cursor()),
        };
        Ok(Self {
            position: position.to_vec(),
            tag: *tag,
        })
    }

    /// The position, to be believed once it is verified.
    pub fn position(&self) -> &[u8] {
        &self.position
    }

    /// Makes sure that it was made for this list and this filter, or fails with [`Error::BadCursor`].
    pub fn verify(&self, seal: &CursorKey, list: &str, filter: &str) -> Result<(), Error> {
        mac(seal, list, filter, &self.position)
            .verify_truncated_left(&self.tag)
            .map_err(|_| Error::BadCursor)
    }
}

fn mac(seal: &CursorKey, list: &str, filter: &str, position: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&seal.0).expect("HMAC takes a key of any length");
    for part in [list.as_bytes(), filter.as_bytes(), position] {
        // With its length, so that no two lists of parts look alike.
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac
}

/// What is said of a text that is no cursor, or none of the list.
pub fn invalid_cursor() -> Rejection {
    Rejection::because("is not a cursor of this list with this filter: send back `nextCursor` as it was received")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::env::SystemRng;

    #[test]
    fn a_limit_is_a_whole_number_in_range() {
        assert_eq!(Limit::default().get(), 50);
        assert_eq!(Limit::parse("1").unwrap().get(), 1);
        assert_eq!(Limit::parse("100").unwrap().get(), 100);
        for refused in ["", "0", "101", "-1", "+5", "1.5", "ten", "99999999999999999999999"] {
            assert!(Limit::parse(refused).is_err(), "{refused} was taken for a limit");
        }
    }

    #[test]
    fn a_cursor_belongs_to_one_tenant_one_list_and_one_filter() {
        let (seal, other) = (CursorKey::draw(&SystemRng), CursorKey::draw(&SystemRng));
        let cursor = Cursor::new(&seal, "things", "q", b"position");
        assert!(cursor.verify(&seal, "things", "q").is_ok());
        for (seal, list, filter) in [
            (&other, "things", "q"),
            (&seal, "others", "q"),
            (&seal, "things", ""),
            (&seal, "thingsq", ""),
        ] {
            assert!(
                matches!(cursor.verify(seal, list, filter), Err(Error::BadCursor)),
                "{list} {filter}"
            );
        }
        assert_eq!(format!("{seal:?}"), "CursorKey(…)");
    }

    proptest! {
        #[test]
        fn a_cursor_survives_the_round_trip(position: Vec<u8>) {
            let seal = CursorKey::draw(&SystemRng);
            let cursor = Cursor::new(&seal, "things", "", &position);
            let read = Cursor::parse(&cursor.encode()).unwrap();
            prop_assert_eq!(&read, &cursor);
            prop_assert!(read.verify(&seal, "things", "").is_ok());
        }

        #[test]
        fn what_is_not_a_cursor_is_refused(text: String) {
            if let Ok(cursor) = Cursor::parse(&text) {
                prop_assert_eq!(cursor.encode(), text);
            }
        }

        #[test]
        fn a_cursor_that_was_tampered_with_is_noticed(position: [u8; 16], place in 1usize..33, flip in 1u8..) {
            let seal = CursorKey::draw(&SystemRng);
            let text = Cursor::new(&seal, "things", "", &position).encode();
            let mut bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
            bytes[place] ^= flip;
            let cursor = Cursor::parse(&URL_SAFE_NO_PAD.encode(bytes)).unwrap();
            prop_assert!(cursor.verify(&seal, "things", "").is_err());
        }

        #[test]
        fn a_cursor_of_another_version_is_refused(version in 3u8.., bytes: [u8; 32]) {
            let mut foreign = vec![version];
            foreign.extend(bytes);
            prop_assert!(Cursor::parse(&URL_SAFE_NO_PAD.encode(foreign)).is_err());
        }
    }
}
