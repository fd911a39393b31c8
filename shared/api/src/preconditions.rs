//! Conditional requests (RFC 9110, section 13): entity tags, `If-Match` and `If-None-Match`.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use headers::{ETag, Header, IfMatch, IfNoneMatch};

/// The version of a resource, sent as a strong entity tag: equal versions have equal bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A number or a short digest, sent in decimal.
    Number(u64),
    /// A digest or an id, sent as 32 hexadecimal digits.
    Digest([u8; 16]),
}

impl From<u64> for Version {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<[u8; 16]> for Version {
    fn from(digest: [u8; 16]) -> Self {
        Self::Digest(digest)
    }
}

impl Version {
    /// The longest entity tag, in characters with the quotes.
    pub const MAX_CHARS: usize = 34;

    /// The value of the header `ETag`.
    pub(crate) fn header(self) -> HeaderValue {
        HeaderValue::try_from(self.text()).expect("digits in quotes are a valid header value")
    }

    /// The entity tag, with its quotes.
    pub fn text(self) -> String {
        match self {
            Self::Number(number) => format!("\"{number}\""),
            Self::Digest(digest) => format!("\"{:032x}\"", u128::from_be_bytes(digest)),
        }
    }

    fn tag(self) -> ETag {
        self.text().parse().expect("digits in quotes are a valid entity tag")
    }
}

/// The preconditions that a request sets for the current version.
#[derive(Clone, Debug, Default)]
pub struct Preconditions {
    if_match: Condition<IfMatch>,
    if_none_match: Condition<IfNoneMatch>,
}

#[derive(Clone, Debug, Default)]
enum Condition<T> {
    #[default]
    Absent,
    Present(T),
    /// The header is not a list of entity tags.
    Malformed,
}

impl<T: Header> Condition<T> {
    fn read(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(T::name()).iter().peekable();
        if values.peek().is_none() {
            return Self::Absent;
        }
        T::decode(&mut values).map_or(Self::Malformed, Self::Present)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Preconditions {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::read(&parts.headers))
    }
}

impl Preconditions {
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        Self {
            if_match: Condition::read(headers),
            if_none_match: Condition::read(headers),
        }
    }

    /// Whether the client may change this version: `If-Match` includes it, and `If-None-Match` does not.
    pub fn permits(&self, version: impl Into<Version>) -> bool {
        let version = version.into();
        self.matches(version) && !self.client_has(version)
    }

    /// Whether `If-Match` includes this version. A malformed header includes none: its sender wanted to guard the
    /// resource.
    pub fn matches(&self, version: impl Into<Version>) -> bool {
        match &self.if_match {
            Condition::Absent => true,
            Condition::Present(tags) => tags.precondition_passes(&version.into().tag()),
            Condition::Malformed => false,
        }
    }

    /// Whether `If-None-Match` includes this version, so that the client has it already.
    pub fn client_has(&self, version: impl Into<Version>) -> bool {
        match &self.if_none_match {
            Condition::Present(tags) => !tags.precondition_passes(&version.into().tag()),
            Condition::Absent | Condition::Malformed => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;
    use axum::http::header::{IF_MATCH, IF_NONE_MATCH};

    use super::*;

    fn preconditions(name: &HeaderName, values: &[&str]) -> Preconditions {
        let headers = values.iter().map(|value| (name.clone(), value.parse().unwrap()));
        Preconditions::read(&headers.collect())
    }

    #[test]
    fn if_match_permits_only_the_versions_that_it_lists() {
        let permits = |values: &[&str]| preconditions(&IF_MATCH, values).permits(7_u64);
        assert!(permits(&[]));
        for yes in ["*", "\"7\"", "\"6\", \"7\"", "\"7\",\"x\""] {
            assert!(permits(&[yes]), "{yes}");
        }
        // `If-Match` compares strongly, so a weak tag never matches (section 13.1.1).
        for no in ["\"6\"", "7", "W/\"7\"", "\"77\"", "nonsense", ""] {
            assert!(!permits(&[no]), "{no}");
        }
    }

    #[test]
    fn if_none_match_includes_the_versions_that_it_lists_even_as_weak_tags() {
        let includes = |values: &[&str]| preconditions(&IF_NONE_MATCH, values).client_has(7_u64);
        assert!(!includes(&[]));
        for yes in ["*", "\"7\"", "\"6\", \"7\"", "W/\"7\""] {
            assert!(includes(&[yes]), "{yes}");
        }
        for no in ["\"6\"", "7", "nonsense", ""] {
            assert!(!includes(&[no]), "{no}");
        }
    }

    #[test]
    fn a_change_is_permitted_if_if_match_includes_its_version_and_if_none_match_does_not() {
        let both = |if_match: &str, if_none_match: &str| {
            let headers = [(IF_MATCH, if_match), (IF_NONE_MATCH, if_none_match)];
            let headers = headers.map(|(name, value)| (name, value.parse().unwrap()));
            Preconditions::read(&HeaderMap::from_iter(headers)).permits(7_u64)
        };
        assert!(both("\"7\"", "\"6\""));
        assert!(!both("\"7\"", "\"7\""));
        assert!(!both("\"6\"", "\"6\""));
        assert!(!preconditions(&IF_NONE_MATCH, &["*"]).permits(7_u64));
        assert!(preconditions(&IF_NONE_MATCH, &["\"6\"", "\"8\""]).permits(7_u64));
    }

    #[test]
    fn a_digest_is_a_strong_tag_of_hexadecimal_digits() {
        let version = Version::Digest([0x0f; 16]);
        let tag = version.text();
        assert_eq!(tag, "\"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f\"");
        assert_eq!(tag.len(), Version::MAX_CHARS);
        assert!(preconditions(&IF_MATCH, &[&tag]).permits(version));
        assert!(!preconditions(&IF_MATCH, &[&tag]).permits([0x0e; 16]));
        assert!(!preconditions(&IF_NONE_MATCH, &[&tag]).permits(version));
        let smallest = Version::Digest([0; 16]).text();
        assert_eq!(smallest.len(), Version::MAX_CHARS, "leading zeros are sent");
    }
}
