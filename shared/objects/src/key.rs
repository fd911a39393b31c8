//! Names of objects and of unfinished uploads.

use std::fmt;

/// Longest key, in bytes.
const MAX_LEN: usize = 512;
/// Longest part of a key between slashes, in bytes: a file name has at most 255, and gets a prefix.
const MAX_NAME_LEN: usize = 200;
/// Longest upload id, in bytes. S3's have about 150.
const MAX_UPLOAD_ID_LEN: usize = 1024;

/// The key of an object: names of `a-z 0-9 . _ -`, joined by slashes, such as `files/0198c2f4-…/3`.
///
/// The alphabet is small so that a key is the same in a URL, in a signature and in a folder, also on file systems that
/// ignore case. A name does not start with a dot.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

/// A text that is no key. It does not quote the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// It is empty or too long.
    #[error("a key must have 1 to {MAX_LEN} bytes, and each name in it at most {MAX_NAME_LEN}")]
    Length,
    /// It has a character outside the alphabet.
    #[error("a key may contain only a-z, 0-9, `.`, `_`, `-` and `/`")]
    Character,
    /// A name is empty or starts with a dot.
    #[error("a name in a key must not be empty and must not start with a dot")]
    Name,
    /// An upload id is empty, too long, or has a character that is not visible ASCII.
    #[error("an upload id must have 1 to {MAX_UPLOAD_ID_LEN} characters of visible ASCII")]
    UploadId,
}

impl Key {
    /// Checks and keeps the text.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        if text.is_empty() || text.len() > MAX_LEN {
            return Err(BadKey::Length);
        }
        let is_known = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/');
        if !text.bytes().all(is_known) {
            return Err(BadKey::Character);
        }
        for name in text.split('/') {
            if name.is_empty() || name.starts_with('.') {
                return Err(BadKey::Name);
            }
            if name.len() > MAX_NAME_LEN {
                return Err(BadKey::Length);
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.0)
    }
}

/// The id of an unfinished upload, which the store chose.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UploadId(String);

impl UploadId {
    /// Checks and keeps the text.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > MAX_UPLOAD_ID_LEN || !is_visible {
            return Err(BadKey::UploadId);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_names_joined_by_slashes() {
        for text in ["a", "files/0198c2f4-aa/3", "a.b/c_d-e", &"a".repeat(200), "a..b"] {
            assert_eq!(Key::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_text_that_could_leave_the_folder_or_change_a_url_is_no_key() {
        let long = "a/".repeat(256) + "a";
        for (text, error) in [
            ("", BadKey::Length),
            (&*long, BadKey::Length),
            (&*"a".repeat(201), BadKey::Length),
            ("..", BadKey::Name),
            ("a/../b", BadKey::Name),
            ("a/./b", BadKey::Name),
            (".hidden", BadKey::Name),
            ("/a", BadKey::Name),
            ("a/", BadKey::Name),
            ("a//b", BadKey::Name),
            ("a\\b", BadKey::Character),
            ("A", BadKey::Character),
            ("a%2e", BadKey::Character),
            ("a b", BadKey::Character),
            ("a\0", BadKey::Character),
            ("a?b", BadKey::Character),
            ("é", BadKey::Character),
            ("@a", BadKey::Character),
        ] {
            assert_eq!(Key::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn an_upload_id_is_visible_ascii() {
        assert!(UploadId::parse("VXBsb2FkIElE.+/=~").is_ok());
        for text in ["", "a b", "a\nb", "é", &"a".repeat(1025)] {
            assert_eq!(UploadId::parse(text), Err(BadKey::UploadId), "{text:?}");
        }
    }
}
