//! Conditional requests (RFC 9110, section 13): entity tags, `If-Match` and `If-None-Match`.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use headers::{ETag, Header, IfMatch, IfNoneMatch};

/// The entity tag of a resource's version. It is a strong one: the same version has the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub u64);

impl Version {
    /// The header's value.
    pub(crate) fn header(self) -> HeaderValue {
        HeaderValue::try_from(self.text()).expect("digits in quotes are a header's value")
    }

    fn text(self) -> String {
        format!("\"{}\"", self.0)
    }

    fn tag(self) -> ETag {
        self.text().parse().expect("digits in quotes are an entity tag")
    }
}

/// What a request asks of the version that it meets.
#[derive(Clone, Debug, Default)]
pub struct Preconditions {
    if_match: Asked<IfMatch>,
    if_none_match: Asked<IfNoneMatch>,
}

#[derive(Clone, Debug, Default)]
enum Asked<T> {
    #[default]
    Nothing,
    Of(T),
    /// It can not be read.
    Junk,
}

impl<T: Header> Asked<T> {
    fn read(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(T::name()).iter().peekable();
        if values.peek().is_none() {
            return Self::Nothing;
        }
        T::decode(&mut values).map_or(Self::Junk, Self::Of)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Preconditions {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::read(&parts.headers))
    }
}

impl Preconditions {
    fn read(headers: &HeaderMap) -> Self {
        Self {
            if_match: Asked::read(headers),
            if_none_match: Asked::read(headers),
        }
    }

    /// Whether this version may be changed: it is one that the client expects, and none that the client excludes.
    pub fn permits(&self, version: u64) -> bool {
        self.matches(version) && !self.client_has(version)
    }

    /// Whether the client expects this version. What can not be read was meant to guard against something, so it expects nothing.
    pub fn matches(&self, version: u64) -> bool {
        match &self.if_match {
            Asked::Nothing => true,
            Asked::Of(asked) => asked.precondition_passes(&Version(version).tag()),
            Asked::Junk => false,
        }
    }

    /// Whether the client has this version already.
    pub fn client_has(&self, version: u64) -> bool {
        match &self.if_none_match {
            Asked::Of(asked) => !asked.precondition_passes(&Version(version).tag()),
            Asked::Nothing | Asked::Junk => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;
    use axum::http::header::{IF_MATCH, IF_NONE_MATCH};

    use super::*;

    fn asking(name: &HeaderName, values: &[&str]) -> Preconditions {
        let headers = values.iter().map(|value| (name.clone(), value.parse().unwrap()));
        Preconditions::read(&headers.collect())
    }

    #[test]
    fn if_match_permits_the_versions_that_it_names() {
        let permits = |values: &[&str]| asking(&IF_MATCH, values).permits(7);
        assert!(permits(&[]));
        for yes in ["*", "\"7\"", "\"6\", \"7\"", "\"7\",\"x\""] {
            assert!(permits(&[yes]), "{yes}");
        }
        // A weak tag says that something like it was seen (section 13.1.1).
        for no in ["\"6\"", "7", "W/\"7\"", "\"77\"", "nonsense", ""] {
            assert!(!permits(&[no]), "{no}");
        }
    }

    #[test]
    fn if_none_match_knows_the_versions_that_it_names_weak_ones_too() {
        let knows = |values: &[&str]| asking(&IF_NONE_MATCH, values).client_has(7);
        assert!(!knows(&[]));
        for yes in ["*", "\"7\"", "\"6\", \"7\"", "W/\"7\""] {
            assert!(knows(&[yes]), "{yes}");
        }
        for no in ["\"6\"", "7", "nonsense", ""] {
            assert!(!knows(&[no]), "{no}");
        }
    }

    #[test]
    fn a_change_is_permitted_if_its_version_is_expected_and_not_excluded() {
        let both = |expected: &str, excluded: &str| {
            let headers = [(IF_MATCH, expected), (IF_NONE_MATCH, excluded)];
            let headers = headers.map(|(name, value)| (name, value.parse().unwrap()));
            Preconditions::read(&HeaderMap::from_iter(headers)).permits(7)
        };
        assert!(both("\"7\"", "\"6\""));
        assert!(!both("\"7\"", "\"7\""));
        assert!(!both("\"6\"", "\"6\""));
        assert!(!asking(&IF_NONE_MATCH, &["*"]).permits(7));
        assert!(asking(&IF_NONE_MATCH, &["\"6\"", "\"8\""]).permits(7));
    }
}
