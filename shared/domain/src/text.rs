//! Text from clients, parsed once into types that are valid by construction.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::visible::{is_bidi_control, is_visible};

/// Why a text was rejected: the rest of a sentence about it, for the user, such as "must not be empty".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection(pub String);

impl Rejection {
    /// A rejection for this reason.
    pub fn because(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

/// For parsers that report several rejections.
impl From<Rejection> for Vec<Rejection> {
    fn from(rejection: Rejection) -> Self {
        vec![rejection]
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The maximum length of a name in characters.
pub const NAME_MAX: usize = 200;

/// A name after trimming: 1 to 200 characters, at least one of them visible, none of them a control character or one
/// that overrides the direction of text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// Trims and validates `text`.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        let text = trimmed(text);
        if text.is_empty() {
            return Err(Rejection::because("must not be empty"));
        }
        if text.chars().count() > NAME_MAX {
            return Err(Rejection(format!("must have at most {NAME_MAX} characters")));
        }
        if text.chars().any(char::is_control) {
            return Err(Rejection::because("must not contain control characters"));
        }
        if text.chars().any(is_bidi_control) {
            return Err(Rejection::because(
                "must not contain characters that override the direction of text",
            ));
        }
        if !is_visible(text) {
            return Err(Rejection::because("must contain a visible character"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Like [`parse`](Self::parse), but blank text, which forms send for empty fields, is no name.
    pub fn parse_optional(text: &str) -> Result<Option<Self>, Rejection> {
        if trimmed(text).is_empty() {
            Ok(None)
        } else {
            Self::parse(text).map(Some)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `text` without white space at its ends. A byte order mark counts as white space, as in most programs.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_measured_in_characters_after_trimming() {
        assert_eq!(Name::parse("  Grüße \n").unwrap().as_str(), "Grüße");
        assert!(Name::parse(&format!(" {} ", "ü".repeat(200))).is_ok());
        assert!(Name::parse(&"ü".repeat(201)).is_err());
        assert!(Name::parse(" \t ").is_err());
        assert!(Name::parse("\u{feff}").is_err());
        assert_eq!(Name::parse("\u{feff} a").unwrap().as_str(), "a");
        assert_eq!(Name::parse_optional(" \t "), Ok(None));
        assert!(Name::parse("a\u{0}b").is_err());
        assert!(Name::parse("a\u{85}b").is_err());
    }

    #[test]
    fn a_name_is_visible_and_in_the_order_in_which_it_is_stored() {
        for text in [
            "\u{200b}",
            "\u{2060}",
            "\u{ad}",
            "\u{3164}",
            "\u{2800}",
            " \u{200b} \u{fe0f}",
        ] {
            let invisible = Err(Rejection::because("must contain a visible character"));
            assert_eq!(Name::parse(text), invisible, "{text:?}");
            // A blank field is no name. Invisible characters are a mistake or an attack.
            assert!(Name::parse_optional(text).is_err(), "{text:?}");
        }
        for text in ["a\u{202e}b", "\u{202d}a", "a\u{2066}b\u{2069}"] {
            let reordered = Err(Rejection::because(
                "must not contain characters that override the direction of text",
            ));
            assert_eq!(Name::parse(text), reordered, "{text:?}");
        }
        for text in ["co\u{ad}op", "👩\u{200d}🚀", "\u{200f}דוד"] {
            assert!(Name::parse(text).is_ok(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_parsed_name_parses_to_itself(text: String) {
            if let Ok(name) = Name::parse(&text) {
                prop_assert_eq!(Name::parse(name.as_str()), Ok(name));
            }
        }
    }
}
