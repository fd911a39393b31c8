//! A user's picture, known by its digest.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a picture.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AvatarDigest([u8; 32]);

/// A picture, as it is stored and shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Avatar {
    /// The digest.
    pub digest: AvatarDigest,
    /// The picture as JPEG, made by this program.
    pub jpeg: Vec<u8>,
}

impl Avatar {
    /// The maximum length in bytes, below that of a stored value.
    pub const MAX_BYTES: usize = 65_536;

    /// A picture.
    pub fn new(jpeg: Vec<u8>) -> Self {
        Self {
            digest: AvatarDigest::of(&jpeg),
            jpeg,
        }
    }
}

impl AvatarDigest {
    /// The digest of a picture.
    pub fn of(jpeg: &[u8]) -> Self {
        Self(Sha256::digest(jpeg).into())
    }

    /// The digest in a key.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes, for keys.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The length of the text form in characters.
    pub const CHARS: usize = 64;

    /// Parses the text form: 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != Self::CHARS || !text.bytes().all(is_digit) {
            return None;
        }
        let mut digest = [0; 32];
        for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(digest))
    }
}

/// Without the picture.
impl fmt::Debug for Avatar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Avatar").field(&self.digest).finish()
    }
}

impl fmt::Display for AvatarDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AvatarDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for AvatarDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AvatarDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("a digest has 64 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_digest_round_trips(bytes: [u8; 32]) {
            let digest = AvatarDigest(bytes);
            prop_assert_eq!(AvatarDigest::parse(&digest.to_string()), Some(digest));
        }

        #[test]
        fn other_text_is_no_digest(text in "\\PC*|[0-9a-f]{0,63}|[0-9a-f]{65}|[0-9A-F]{63}A|\\+[0-9a-f]{63}") {
            prop_assert!(AvatarDigest::parse(&text).is_none());
        }
    }
}
