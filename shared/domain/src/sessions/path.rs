//! Workspace paths: absolute and normalised, without `..`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::Rejection;
use crate::visible::{is_bidi_control, is_visible};

/// An absolute POSIX path of at most 1,024 bytes, without empty, `.`, `..` or invisible segments, without control
/// characters and without characters that override the direction of text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkspacePath(String);

impl WorkspacePath {
    /// The maximum length in bytes.
    pub const MAX_BYTES: usize = 1024;

    /// Validates `text`, and removes repeated slashes, `.` segments and a trailing slash.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        if text.len() > Self::MAX_BYTES {
            return Err(Rejection(format!("must have at most {} bytes", Self::MAX_BYTES)));
        }
        if text.chars().any(char::is_control) {
            return Err(Rejection::because("must not contain control characters"));
        }
        if text.chars().any(is_bidi_control) {
            return Err(Rejection::because(
                "must not contain characters that override the direction of text",
            ));
        }
        let Some(relative) = text.strip_prefix('/') else {
            return Err(Rejection::because("must be an absolute path: start it with `/`"));
        };
        let mut normalised = String::with_capacity(text.len());
        for segment in relative.split('/') {
            match segment {
                "" | "." => {}
                ".." => return Err(Rejection::because("must not contain `..`")),
                segment if !is_visible(segment) => {
                    return Err(Rejection::because(
                        "must contain a visible character between two slashes",
                    ));
                }
                segment => {
                    normalised.push('/');
                    normalised.push_str(segment);
                }
            }
        }
        if normalised.is_empty() {
            normalised.push('/');
        }
        Ok(Self(normalised))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkspacePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equivalent_paths_have_one_form() {
        for (text, path) in [
            ("/", "/"),
            ("//", "/"),
            ("/a/b", "/a/b"),
            ("/a//b/", "/a/b"),
            ("/./a/.", "/a"),
            ("/..a/b..", "/..a/b.."),
        ] {
            assert_eq!(WorkspacePath::parse(text).unwrap().as_str(), path);
        }
    }

    #[test]
    fn relative_and_invalid_paths_are_rejected() {
        let long = format!("/{}", "x".repeat(1024));
        for text in ["", "a", "./a", "~/a", "/..", "/a/../b", "/a/..", "/a\0b", &long] {
            assert!(WorkspacePath::parse(text).is_err(), "{text:?} was accepted");
        }
        assert!(WorkspacePath::parse(&long[..1024]).is_ok());
    }

    #[test]
    fn control_characters_and_invisible_segments_are_rejected() {
        for text in [
            "/a\nb",
            "/a\tb",
            "/\u{7f}",
            "/a\u{85}b",
            "/a\u{202e}b",
            "/\u{2067}a",
            "/\u{200b}",
            "/a/\u{3164}/b",
            "/ /a",
        ] {
            assert!(WorkspacePath::parse(text).is_err(), "{text:?} was accepted");
        }
        for text in ["/a b/c", "/co\u{ad}op", "/雨/.a"] {
            assert!(WorkspacePath::parse(text).is_ok(), "{text:?} was rejected");
        }
    }

    proptest! {
        #[test]
        fn a_parsed_path_parses_to_itself(text in "[/.a\\PC]{0,40}|(/(\\.|\\.\\.|[a-z]{0,3}|\\PC{0,4})){0,8}") {
            if let Ok(path) = WorkspacePath::parse(&text) {
                prop_assert!(path.as_str().starts_with('/'));
                prop_assert!(path.as_str().len() <= text.len());
                prop_assert!(path.as_str().split('/').all(|segment| segment != ".." && segment != "."));
                prop_assert_eq!(WorkspacePath::parse(path.as_str()), Ok(path));
            }
        }
    }
}
