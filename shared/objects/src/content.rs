//! What is known about bytes without the bytes: length and SHA-256.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// The bytes of an object or of a part, by length and SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Number of bytes.
    pub len: u64,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
}

impl Content {
    /// The content that these bytes are.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            len: bytes.len() as u64,
            sha256: Sha256::digest(bytes).into(),
        }
    }
}

/// The checksum that a store keeps with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// SHA-256 of the bytes; of an object made of parts, SHA-256 of the SHA-256 of each part, one after the other.
    pub digest: [u8; 32],
    /// Number of parts; `None` if the object was written as a whole.
    pub parts: Option<u16>,
}

impl Checksum {
    /// The checksum of an object that was written as a whole.
    pub fn whole(content: &Content) -> Self {
        Self {
            digest: content.sha256,
            parts: None,
        }
    }

    /// The checksum of an object made of these parts.
    pub fn of_parts(parts: &[CompletedPart]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.sha256);
        }
        Self {
            digest: hash.finalize().into(),
            parts: Some(u16::try_from(parts.len()).unwrap_or(u16::MAX)),
        }
    }

    /// S3's form: the digest in Base64, and after a hyphen the number of parts.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (digest, parts) = match text.split_once('-') {
            Some((digest, parts)) => (digest, Some(parts.parse().ok()?)),
            None => (text, None),
        };
        let digest = decode(digest)?;
        Some(Self { digest, parts })
    }

    pub(crate) fn encode(&self) -> String {
        let digest = encode(&self.digest);
        match self.parts {
            Some(parts) => format!("{digest}-{parts}"),
            None => digest,
        }
    }
}

/// An object, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of bytes.
    pub len: u64,
    /// `None` if another program wrote the object without one.
    pub checksum: Option<Checksum>,
}

/// An uploaded part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The number, from 1 to 10,000.
    pub number: u16,
    /// The store's tag of the bytes.
    pub etag: String,
    /// Number of bytes.
    pub len: u64,
    /// SHA-256 of the bytes; `None` if the store does not report it.
    pub sha256: Option<[u8; 32]>,
}

/// A page of uploaded parts, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The parts.
    pub parts: Vec<Part>,
    /// The number after which the next page starts; `None` after the last page.
    pub next: Option<u16>,
}

/// A part of a complete upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedPart {
    /// The number, from 1 to 10,000.
    pub number: u16,
    /// The store's tag of the bytes, from the response to their upload or from the list of parts.
    pub etag: String,
    /// SHA-256 of the bytes, as their upload announced it.
    pub sha256: [u8; 32],
}

/// An upload that was neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub key: String,
    pub id: String,
    pub started: SystemTime,
}

pub(crate) fn encode(digest: &[u8; 32]) -> String {
    STANDARD.encode(digest)
}

pub(crate) fn decode(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_has_the_form_of_s3() {
        let whole = Checksum::whole(&Content::of(b""));
        assert_eq!(whole.encode(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        assert_eq!(Checksum::parse(&whole.encode()), Some(whole));

        let part = |number, bytes: &[u8]| CompletedPart {
            number,
            etag: String::new(),
            sha256: Content::of(bytes).sha256,
        };
        let parts = Checksum::of_parts(&[part(1, b"a"), part(2, b"b")]);
        // sha256(sha256("a") || sha256("b")), computed with Python's hashlib.
        assert_eq!(parts.encode(), "5aAf7hTg7VxIcU8iGA8lrYNltT+XefedxKPX6Tlj+Uo=-2");
        assert_eq!(Checksum::parse(&parts.encode()), Some(parts));
    }

    #[test]
    fn a_text_of_another_length_or_alphabet_is_no_checksum() {
        let digest = encode(&[1; 32]);
        for text in [
            "",
            "-1",
            "AAAA",
            &digest[1..],
            &format!("{digest}-"),
            &format!("{digest}-x"),
        ] {
            assert_eq!(Checksum::parse(text), None, "{text}");
        }
    }
}
