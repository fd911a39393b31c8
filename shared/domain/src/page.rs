//! Pages of a list: the number of entries, and the cursor that continues after the last one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::bytes::hidden_bytes;
use crate::error::Error;
use crate::id::TenantId;
use crate::rng::{Rng, random_bytes};
use crate::text::Rejection;

/// The maximum number of entries on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(usize);

impl Limit {
    /// The largest limit.
    pub const MAX: usize = 100;

    /// The largest limit of lists of files.
    pub const MAX_FILES: usize = 1000;

    /// Parses a number from 1 to 100, in digits only.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        Self::parse_up_to(text, Self::MAX)
    }

    /// Parses a number from 1 to 1,000, in digits only.
    pub fn parse_for_files(text: &str) -> Result<Self, Rejection> {
        Self::parse_up_to(text, Self::MAX_FILES)
    }

    fn parse_up_to(text: &str, max: usize) -> Result<Self, Rejection> {
        match text.parse() {
            Ok(limit) if (1..=max).contains(&limit) && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ok(Self(limit))
            }
            _ => Err(Rejection(format!("must be a whole number from 1 to {max}"))),
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
    /// The key that authenticates the cursors of a tenant's lists.
    pub struct CursorKey;
}

impl CursorKey {
    /// A new key.
    pub fn draw(rng: &dyn Rng) -> Self {
        Self(random_bytes(rng))
    }

    /// Another key, for which the cursors from before are not valid. The same `id` always leads to the same one.
    pub(crate) fn renewed(&self, id: Uuid) -> Self {
        let digest = Sha256::new().chain_update(id).chain_update(self.0);
        Self(digest.finalize().into())
    }

    /// The key of a tenant that was stored before tenants had keys. It is derived from the id, so it detects mistakes
    /// but not forgery.
    pub(crate) fn legacy(tenant: TenantId) -> Self {
        Self(Sha256::digest(tenant.as_bytes()).into())
    }
}

/// The longest position in bytes of most lists: an id.
const POSITION_MAX_LEN: usize = 16;

/// The longest position in bytes of a list of files: a name.
const NAME_MAX_LEN: usize = 255;

/// The length of the truncated tag in bytes.
const TAG_LEN: usize = 16;

/// The position at which a page ended, opaque to clients.
///
/// It consists of a version (1 byte), the position (up to 16 bytes, or a file's name) and a tag (16 bytes) in
/// base64url. The tag is a truncated HMAC-SHA-256 of the list, its filter and the position under the tenant's
/// [`CursorKey`]. So a forged cursor is rejected, and so is one of another tenant, list or filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    position: Vec<u8>,
    tag: [u8; TAG_LEN],
}

impl Cursor {
    /// The maximum length in characters of a cursor of files, whose position is a name.
    pub const MAX_FILE_CHARS: usize = Self::chars(NAME_MAX_LEN);

    /// The maximum length in characters of a cursor of any other list.
    pub const MAX_CHARS: usize = Self::chars(POSITION_MAX_LEN);

    const VERSION: u8 = 2;

    /// The length in characters of a cursor whose position has `len` bytes.
    pub(crate) const fn chars(len: usize) -> usize {
        ((1 + len + TAG_LEN) * 4).div_ceil(3)
    }

    /// A cursor at `position` of `list` under `filter`.
    pub fn new(key: &CursorKey, list: &str, filter: &str, position: &[u8]) -> Self {
        let mut tag = [0; TAG_LEN];
        tag.copy_from_slice(&mac(key, list, filter, position).finalize().into_bytes()[..TAG_LEN]);
        Self {
            position: position.to_vec(),
            tag,
        }
    }

    /// The cursor as text.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode([&[Self::VERSION], &*self.position, &self.tag].concat())
    }

    /// Decodes a cursor. Only [`verify`](Self::verify) decides whether it belongs to the list.
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

    /// The position, untrusted until the cursor is [verified](Self::verify).
    pub fn position(&self) -> &[u8] {
        &self.position
    }

    /// Verifies that this tenant issued the cursor for this list and filter; [`Error::BadCursor`] otherwise.
    pub fn verify(&self, key: &CursorKey, list: &str, filter: &str) -> Result<(), Error> {
        mac(key, list, filter, &self.position)
            .verify_truncated_left(&self.tag)
            .map_err(|_| Error::BadCursor)
    }
}

fn mac(key: &CursorKey, list: &str, filter: &str, position: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.0).expect("HMAC takes a key of any length");
    for part in [list.as_bytes(), filter.as_bytes(), position] {
        // The length makes the concatenation unambiguous.
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac
}

/// The rejection of a cursor that is malformed or does not belong to the list.
pub fn invalid_cursor() -> Rejection {
    Rejection::because("is not a cursor of this list with this filter: send back `nextCursor` as it was received")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rng::SystemRng;

    #[test]
    fn a_limit_is_a_whole_number_from_1_to_100() {
        assert_eq!(Limit::default().get(), 50);
        assert_eq!(Limit::parse("1").unwrap().get(), 1);
        assert_eq!(Limit::parse("100").unwrap().get(), 100);
        for text in ["", "0", "101", "-1", "+5", "1.5", "ten", "99999999999999999999999"] {
            assert!(Limit::parse(text).is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn a_cursor_belongs_to_one_tenant_one_list_and_one_filter() {
        let (key, other) = (CursorKey::draw(&SystemRng), CursorKey::draw(&SystemRng));
        let cursor = Cursor::new(&key, "things", "q", b"position");
        assert!(cursor.verify(&key, "things", "q").is_ok());
        for (key, list, filter) in [
            (&other, "things", "q"),
            (&key, "others", "q"),
            (&key, "things", ""),
            (&key, "thingsq", ""),
        ] {
            assert!(
                matches!(cursor.verify(key, list, filter), Err(Error::BadCursor)),
                "{list} {filter}"
            );
        }
        assert_eq!(format!("{key:?}"), "CursorKey(…)");
    }

    proptest! {
        #[test]
        fn a_cursor_round_trips(position: Vec<u8>) {
            let key = CursorKey::draw(&SystemRng);
            let cursor = Cursor::new(&key, "things", "", &position);
            let read = Cursor::parse(&cursor.encode()).unwrap();
            prop_assert_eq!(&read, &cursor);
            prop_assert!(read.verify(&key, "things", "").is_ok());
        }

        #[test]
        fn only_encoded_cursors_are_decoded(text: String) {
            if let Ok(cursor) = Cursor::parse(&text) {
                prop_assert_eq!(cursor.encode(), text);
            }
        }

        #[test]
        fn a_modified_cursor_is_rejected(position: [u8; 16], index in 1usize..33, flip in 1u8..) {
            let key = CursorKey::draw(&SystemRng);
            let text = Cursor::new(&key, "things", "", &position).encode();
            let mut bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
            bytes[index] ^= flip;
            let cursor = Cursor::parse(&URL_SAFE_NO_PAD.encode(bytes)).unwrap();
            prop_assert!(cursor.verify(&key, "things", "").is_err());
        }

        #[test]
        fn a_cursor_of_another_version_is_rejected(version in 3u8.., bytes: [u8; 32]) {
            let mut other = vec![version];
            other.extend(bytes);
            prop_assert!(Cursor::parse(&URL_SAFE_NO_PAD.encode(other)).is_err());
        }
    }
}
