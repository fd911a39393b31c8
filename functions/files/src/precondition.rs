//! Preconditions on files, from headers and from operations of a changeset.

use api::{ApiError, Checks};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use domain::files::{EntryTag, Precondition};
use domain::text::Rejection;

/// The precondition in the headers `If-Match` and `If-None-Match` (RFC 9110, section 13).
#[derive(Debug)]
pub struct HeaderPrecondition(pub Precondition);

impl<S: Send + Sync> FromRequestParts<S> for HeaderPrecondition {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let of = |name| list(&parts.headers, &name);
        combine(of(header::IF_MATCH), of(header::IF_NONE_MATCH))
            .map(Self)
            .map_err(|reason| {
                let mut checks = Checks::new();
                checks.reject("/If-None-Match", &reason);
                checks.into_error()
            })
    }
}

/// The value of one of the headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tags {
    /// `*`.
    Any,
    /// These tags; true marks a weak one. Those that no entry can have are left out.
    List(Vec<(bool, EntryTag)>),
    /// Neither: its sender wanted to guard the file, so that it matches nothing.
    Malformed,
}

/// All lines of a header; `None` without any.
fn list(headers: &HeaderMap, name: &HeaderName) -> Option<Tags> {
    let lines: Vec<_> = headers.get_all(name).iter().map(|value| value.to_str().ok()).collect();
    if lines.is_empty() {
        return None;
    }
    let lines: Option<Vec<_>> = lines.into_iter().collect();
    Some(lines.map_or(Tags::Malformed, |lines| Tags::parse(&lines.join(","))))
}

impl Tags {
    /// The largest number of characters in a member of a body. Headers are limited by the server.
    pub(crate) const MAX_CHARS: usize = 1000;

    /// Parses a member of a body.
    #[expect(clippy::needless_pass_by_value, reason = "it is the parser of a member")]
    pub(crate) fn parse_member(text: String) -> Result<Self, Rejection> {
        if text.chars().count() > Self::MAX_CHARS {
            return Err(Rejection(format!("must have at most {} characters", Self::MAX_CHARS)));
        }
        Ok(Self::parse(&text))
    }

    /// Parses `*` or a list of entity tags.
    pub(crate) fn parse(text: &str) -> Self {
        if text.trim_matches([' ', '\t']) == "*" {
            return Self::Any;
        }
        let (mut tags, mut rest) = (Vec::new(), text);
        let mut is_list = false;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                return if is_list { Self::List(tags) } else { Self::Malformed };
            }
            let strong = rest.strip_prefix("W/");
            let is_weak = strong.is_some();
            let Some((tag, after)) = strong
                .unwrap_or(rest)
                .strip_prefix('"')
                .and_then(|tag| tag.split_once('"'))
            else {
                return Self::Malformed;
            };
            let after = after.trim_start_matches([' ', '\t']);
            if !(after.is_empty() || after.starts_with(',')) {
                return Self::Malformed;
            }
            tags.extend(EntryTag::parse(tag).map(|tag| (is_weak, tag)));
            (is_list, rest) = (true, after);
        }
    }
}

/// The precondition of both headers together. `If-Match` compares strongly, and `If-None-Match` weakly.
pub(crate) fn combine(if_match: Option<Tags>, if_none_match: Option<Tags>) -> Result<Precondition, Rejection> {
    let nothing = || Precondition::Matches(Vec::new());
    let strong = |tags: Vec<(bool, EntryTag)>| tags.into_iter().filter_map(|(is_weak, tag)| (!is_weak).then_some(tag));
    let all = |tags: Vec<(bool, EntryTag)>| tags.into_iter().map(|(_, tag)| tag).collect::<Vec<_>>();
    Ok(match (if_match, if_none_match) {
        (None, None) => Precondition::None,
        (Some(Tags::Malformed), _) | (_, Some(Tags::Malformed)) | (Some(_), Some(Tags::Any)) => nothing(),
        (Some(Tags::Any), None) => Precondition::Exists,
        (Some(Tags::List(tags)), None) => Precondition::Matches(strong(tags).collect()),
        (None, Some(Tags::Any)) => Precondition::Absent,
        (None, Some(Tags::List(tags))) => Precondition::Differs(all(tags)),
        (Some(Tags::List(tags)), Some(Tags::List(excluded))) => {
            let excluded = all(excluded);
            Precondition::Matches(strong(tags).filter(|tag| !excluded.contains(tag)).collect())
        }
        (Some(Tags::Any), Some(Tags::List(_))) => {
            return Err(Rejection("must not be a list beside `If-Match: *`".to_owned()));
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: &str = "\"00000000000000000000000000000001\"";
    const TWO: &str = "\"00000000000000000000000000000002\"";

    fn tag(text: &str) -> EntryTag {
        EntryTag::parse(text.trim_matches('"')).unwrap()
    }

    fn of(if_match: &[&str], if_none_match: &[&str]) -> Result<Precondition, Rejection> {
        let mut headers = HeaderMap::new();
        for value in if_match {
            headers.append(header::IF_MATCH, value.parse().unwrap());
        }
        for value in if_none_match {
            headers.append(header::IF_NONE_MATCH, value.parse().unwrap());
        }
        combine(
            list(&headers, &header::IF_MATCH),
            list(&headers, &header::IF_NONE_MATCH),
        )
    }

    #[test]
    fn if_match_lists_the_strong_tags_of_entries() {
        let (one, two) = (tag(ONE), tag(TWO));
        let both = format!("{ONE} ,{TWO}");
        let weak = format!("W/{ONE}, {TWO}, \"1\", \"a,b\",");
        for (values, expected) in [
            (&[][..], Precondition::None),
            (&["*"], Precondition::Exists),
            (&[" * "], Precondition::Exists),
            (&[ONE], Precondition::Matches(vec![one])),
            (&[&both], Precondition::Matches(vec![one, two])),
            (&[ONE, TWO], Precondition::Matches(vec![one, two])),
            (&[&weak], Precondition::Matches(vec![two])),
            (&["\"1\""], Precondition::Matches(vec![])),
        ] {
            assert_eq!(of(values, &[]), Ok(expected), "{values:?}");
        }
    }

    #[test]
    fn if_none_match_lists_tags_of_either_kind() {
        let weak = format!("W/{ONE},{TWO}");
        assert_eq!(of(&[], &["*"]), Ok(Precondition::Absent));
        assert_eq!(of(&[], &[&weak]), Ok(Precondition::Differs(vec![tag(ONE), tag(TWO)])));
        assert_eq!(of(&[], &["\"1\""]), Ok(Precondition::Differs(vec![])));
    }

    #[test]
    fn a_malformed_header_matches_nothing() {
        let unquoted = ONE.trim_matches('"');
        for value in [
            "",
            ",",
            unquoted,
            "\"",
            "\"a",
            "a\"",
            "*, \"1\"",
            "W/",
            "w/\"1\"",
            "\"1\"\"2\"",
            "\"1\" x",
        ] {
            assert_eq!(of(&[value], &[]), Ok(Precondition::Matches(vec![])), "{value}");
            assert_eq!(of(&[], &[value]), Ok(Precondition::Matches(vec![])), "{value}");
        }
    }

    #[test]
    fn both_headers_must_hold() {
        let both = format!("{ONE},{TWO}");
        assert_eq!(of(&[&both], &[ONE]), Ok(Precondition::Matches(vec![tag(TWO)])));
        assert_eq!(of(&[ONE], &["*"]), Ok(Precondition::Matches(vec![])));
        assert_eq!(of(&["*"], &["*"]), Ok(Precondition::Matches(vec![])));
        assert!(of(&["*"], &[ONE]).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "[ -~]{0,80}|(W/)?\"[0-9a-f]{32}\"[, ]?\"?") {
            Tags::parse(&text);
        }
    }
}
