//! Entity tags of files and directories, and preconditions on them (RFC 9110, section 13).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The entity tag of an entry: of a file the first 16 bytes of its digest, so that the same content has the same tag;
/// of a directory its id. Text is 32 lower-case hexadecimal digits, without quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntryTag(pub(crate) [u8; 16]);

impl EntryTag {
    /// Parses the digits between the quotes of an entity tag; `None` if no entry can have this tag.
    pub fn parse(text: &str) -> Option<Self> {
        let is_valid = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_valid)?;
        Some(Self(number.to_be_bytes()))
    }
}

impl EntryTag {
    /// The bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for EntryTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl Serialize for EntryTag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EntryTag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("it is not an entity tag"))
    }
}

/// What the client expects of the entry that an operation changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// `If-Match: *`: the entry exists.
    Exists,
    /// `If-Match`: the entry exists and has one of these tags. Tags that no entry can have are left out.
    Matches(Vec<EntryTag>),
    /// `If-None-Match: *`: the entry does not exist.
    Absent,
    /// `If-None-Match`: the entry does not exist, or has none of these tags.
    Differs(Vec<EntryTag>),
}

impl Precondition {
    /// Whether an entry with this tag meets it; `None` if there is no entry.
    pub fn is_met_by(&self, tag: Option<EntryTag>) -> bool {
        match self {
            Self::None => true,
            Self::Exists => tag.is_some(),
            Self::Matches(tags) => tag.is_some_and(|tag| tags.contains(&tag)),
            Self::Absent => tag.is_none(),
            Self::Differs(tags) => tag.is_none_or(|tag| !tags.contains(&tag)),
        }
    }

    /// Whether it names the versions that may be overwritten. That the entry exists, whatever it is, names none.
    pub(crate) fn names_versions(&self) -> bool {
        matches!(self, Self::Matches(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_round_trips_as_32_lower_case_digits() {
        let tag = EntryTag([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(tag.to_string(), "000102030405060708090a0b0c0d0eff");
        assert_eq!(EntryTag::parse(&tag.to_string()), Some(tag));
        for text in [
            "",
            "0",
            &tag.to_string().to_uppercase(),
            &format!("{tag}0"),
            &"+".repeat(32),
        ] {
            assert_eq!(EntryTag::parse(text), None, "{text}");
        }
        assert_eq!(EntryTag::parse("+00102030405060708090a0b0c0d0eff"), None);
    }

    #[test]
    fn a_precondition_is_about_the_tag_of_an_existing_entry_or_its_absence() {
        let (one, other) = (EntryTag([1; 16]), EntryTag([2; 16]));
        let met = |precondition: &Precondition| [None, Some(one)].map(|tag| precondition.is_met_by(tag));
        assert_eq!(met(&Precondition::None), [true, true]);
        assert_eq!(met(&Precondition::Exists), [false, true]);
        assert_eq!(met(&Precondition::Matches(vec![other, one])), [false, true]);
        assert_eq!(met(&Precondition::Matches(vec![other])), [false, false]);
        assert_eq!(met(&Precondition::Matches(vec![])), [false, false]);
        assert_eq!(met(&Precondition::Absent), [true, false]);
        assert_eq!(met(&Precondition::Differs(vec![one])), [true, false]);
        assert_eq!(met(&Precondition::Differs(vec![other])), [true, true]);
    }
}
