//! Text from clients, parsed once into types that are valid by construction.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text was rejected: the rest of a sentence about it, for the user, such as "must not be empty".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection(pub String);

impl Rejection {
    pub(crate) fn because(sentence: impl Into<String>) -> Self {
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

/// A name after trimming: 1 to 200 characters, none of them a control character.
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

    proptest! {
        #[test]
        fn a_parsed_name_parses_to_itself(text: String) {
            if let Ok(name) = Name::parse(&text) {
                prop_assert_eq!(Name::parse(name.as_str()), Ok(name));
            }
        }
    }
}
