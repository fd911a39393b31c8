//! Paths of files: absolute, normalised, and valid by construction.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use crate::text::Rejection;

/// An absolute path in a session, such as `/src/main.rs`; `/` is the root directory.
///
/// It has at most 1,024 bytes and 32 names of at most 255 bytes, all in Unicode's normalisation form C. So names that
/// differ only by normalisation are the same name. No name is empty, `.` or `..`, or has a control character.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct FilePath(String);

impl FilePath {
    /// The maximum length in bytes.
    pub const MAX_BYTES: usize = 1024;

    /// The maximum number of names.
    pub const MAX_LEVELS: usize = 32;

    /// The maximum length of a name in bytes.
    pub const MAX_NAME_BYTES: usize = 255;

    /// The root directory.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Normalises and validates `text`.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        // Normalisation can shorten a text, to a third at most, so a longer one is not worth the work.
        if text.len() > 3 * Self::MAX_BYTES {
            return Err(too_long());
        }
        let text = if is_nfc(text) {
            text.to_owned()
        } else {
            text.nfc().collect()
        };
        if text.len() > Self::MAX_BYTES {
            return Err(too_long());
        }
        let Some(names) = text.strip_prefix('/') else {
            return Err(Rejection::because("must start with `/`"));
        };
        if names.is_empty() {
            return Ok(Self::root());
        }
        for (index, name) in names.split('/').enumerate() {
            if index == Self::MAX_LEVELS {
                return Err(Rejection(format!("must have at most {} names", Self::MAX_LEVELS)));
            }
            check_name(name)?;
        }
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the root directory.
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// The names from the root directory to the file.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|name| !name.is_empty())
    }

    /// The directory and the name in it; `None` for the root directory.
    pub fn split(&self) -> Option<(Self, &str)> {
        if self.is_root() {
            return None;
        }
        let (parent, name) = self.0.rsplit_once('/')?;
        let parent = if parent.is_empty() { "/" } else { parent };
        Some((Self(parent.to_owned()), name))
    }

    /// The last name; empty for the root directory.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(_, name)| name)
    }

    /// The path of an entry of this directory. Moves can make it longer than paths of requests may be.
    pub(crate) fn child(&self, name: &str) -> Self {
        let parent = if self.is_root() { "" } else { &self.0 };
        Self(format!("{parent}/{name}"))
    }

    /// Whether it is `other`, or below it.
    pub fn is_within(&self, other: &Self) -> bool {
        let rest = self.0.strip_prefix(&other.0);
        other.is_root() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn too_long() -> Rejection {
    Rejection(format!("must have at most {} bytes", FilePath::MAX_BYTES))
}

fn check_name(name: &str) -> Result<(), Rejection> {
    if name.is_empty() {
        return Err(Rejection::because("must not contain an empty name"));
    }
    if name == "." || name == ".." {
        return Err(Rejection::because("must not contain the names `.` and `..`"));
    }
    if name.len() > FilePath::MAX_NAME_BYTES {
        return Err(Rejection(format!(
            "must not contain a name of more than {} bytes",
            FilePath::MAX_NAME_BYTES
        )));
    }
    if name.chars().any(char::is_control) {
        return Err(Rejection::because("must not contain control characters"));
    }
    Ok(())
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A stored path may be longer than those of requests ([`FilePath::child`]).
impl<'de> Deserialize<'de> for FilePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_valid = text == "/"
            || text
                .strip_prefix('/')
                .is_some_and(|names| names.split('/').all(|name| check_name(name).is_ok()));
        if is_valid {
            Ok(Self(text))
        } else {
            Err(de::Error::custom("it is not a path"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_rule_of_paths_rejects_what_breaks_it() {
        let why = |text: &str| FilePath::parse(text).unwrap_err().0;
        for (text, expected) in [
            ("", "must start with `/`"),
            ("a", "must start with `/`"),
            ("./a", "must start with `/`"),
            ("//", "must not contain an empty name"),
            ("/a//b", "must not contain an empty name"),
            ("/a/", "must not contain an empty name"),
            ("/.", "must not contain the names `.` and `..`"),
            ("/a/../b", "must not contain the names `.` and `..`"),
            ("/a\0b", "must not contain control characters"),
            ("/a\nb", "must not contain control characters"),
            ("/a\u{7f}", "must not contain control characters"),
            ("/a\u{85}", "must not contain control characters"),
            (&"/a".repeat(33), "must have at most 32 names"),
            (
                &format!("/{}", "a".repeat(256)),
                "must not contain a name of more than 255 bytes",
            ),
            (&"/aaaaaaaaaaaaaaa".repeat(65), "must have at most 1024 bytes"),
            (&"/a".repeat(10_000), "must have at most 1024 bytes"),
        ] {
            assert_eq!(why(text), expected, "{text:?}");
        }
        for text in ["/", "/a", "/...", "/ a ", "/a\\b", "/%00", "/~", "/a:b*?", "/\u{200b}"] {
            assert_eq!(FilePath::parse(text).unwrap().as_str(), text);
        }
        assert!(FilePath::parse(&"/a".repeat(32)).is_ok());
        assert!(FilePath::parse(&format!("/{}", "a".repeat(255))).is_ok());
    }

    #[test]
    fn names_that_differ_only_by_normalisation_are_the_same() {
        let (composed, decomposed) = ("/caf\u{e9}", "/cafe\u{301}");
        assert_eq!(FilePath::parse(composed), FilePath::parse(decomposed));
        assert_eq!(FilePath::parse(decomposed).unwrap().as_str(), composed);
        // The limits hold for what is stored: these names have 256 bytes before, and 254 after.
        let long = format!("/{}{}", "a".repeat(252), "e\u{301}e");
        assert_eq!(FilePath::parse(&long).unwrap().name().len(), 255);
        // U+0958 becomes longer: three bytes become six.
        assert!(FilePath::parse(&format!("/{}", "\u{958}".repeat(43))).is_err());
    }

    #[test]
    fn a_path_splits_into_its_directory_and_its_name() {
        let path = |text| FilePath::parse(text).unwrap();
        assert_eq!(path("/").split(), None);
        assert_eq!(path("/a").split(), Some((path("/"), "a")));
        assert_eq!(path("/a/b/c").split(), Some((path("/a/b"), "c")));
        assert_eq!(path("/").child("a"), path("/a"));
        assert_eq!(path("/a").child("b"), path("/a/b"));
        assert_eq!(path("/a/b").names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(path("/").names().count(), 0);
        assert!(path("/a/b").is_within(&path("/a")) && path("/a").is_within(&path("/a")));
        assert!(path("/a").is_within(&path("/")) && !path("/ab").is_within(&path("/a")));
    }

    proptest! {
        #[test]
        fn a_parsed_path_parses_to_itself(text in "(/[^/]{0,9}){0,5}") {
            if let Ok(path) = FilePath::parse(&text) {
                prop_assert_eq!(FilePath::parse(path.as_str()), Ok(path.clone()));
                let joined = path.names().fold(FilePath::root(), |parent, name| parent.child(name));
                prop_assert_eq!(&joined, &path);
                let stored: FilePath = serde_json::from_str(&serde_json::to_string(&path).unwrap()).unwrap();
                prop_assert_eq!(stored, path);
            }
        }
    }
}
