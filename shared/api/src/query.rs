//! Query parameters, validated like the members of a body.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use domain::text::Rejection;
use percent_encoding::percent_decode_str;

use crate::error::{ApiError, Violation};

/// The query parameters of a request.
#[derive(Debug)]
pub struct Query {
    pairs: Result<Vec<(String, String)>, ()>,
    violations: Vec<Violation>,
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts.uri.query().unwrap_or_default()))
    }
}

impl Query {
    fn of(query: &str) -> Self {
        Self {
            // The parser would replace invalid UTF-8 with U+FFFD instead of rejecting it.
            pairs: match percent_decode_str(query).decode_utf8() {
                Ok(_) => serde_urlencoded::from_str(query).map_err(drop),
                Err(_) => Err(()),
            },
            violations: Vec::new(),
        }
    }

    /// The parameter `name`, parsed: `Some(None)` if it is absent, `None` after a violation.
    pub fn optional<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, Rejection>) -> Option<Option<T>> {
        let reason = match &self.pairs {
            Err(()) => Rejection("is not in a well-formed query in UTF-8".to_owned()),
            Ok(pairs) => {
                let mut values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
                match (values.next(), values.next()) {
                    (None, _) => return Some(None),
                    (Some(value), None) => match parse(value) {
                        Ok(value) => return Some(Some(value)),
                        Err(reason) => reason,
                    },
                    (Some(_), Some(_)) => Rejection("must be given once".to_owned()),
                }
            }
        };
        self.violations.push(Violation::new(format!("/{name}"), &reason));
        None
    }

    /// The error with all violations.
    pub fn into_error(self) -> ApiError {
        ApiError::invalid(self.violations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_that_is_not_utf_8_is_rejected() {
        for query in ["a=%FF", "a=1&b=%C3", "%ff=1&a=2", "a=%ED%A0%80"] {
            assert_eq!(Query::of(query).optional("a", |_| Ok(())), None, "{query}");
        }
        assert_eq!(Query::of("a=%EF%BF%BD").optional("a", |_| Ok(())), Some(Some(())));
    }

    #[test]
    fn a_parameter_is_absent_or_given_once() {
        let mut query = Query::of("a=1&b=%C3%BC+&c=1&c=2");
        let text = |value: &str| Ok(value.to_owned());
        assert_eq!(query.optional("a", text), Some(Some("1".into())));
        assert_eq!(query.optional("b", text), Some(Some("ü ".into())));
        assert_eq!(query.optional("d", text), Some(None));
        assert_eq!(query.optional("c", text), None);
        assert_eq!(query.optional::<String>("a", |_| Err(Rejection("is odd".into()))), None);
        let errors = query.into_error().violations;
        assert_eq!(
            errors[0],
            Violation {
                pointer: "/c".into(),
                message: "must be given once".into()
            }
        );
        assert_eq!(
            errors[1],
            Violation {
                pointer: "/a".into(),
                message: "is odd".into()
            }
        );
    }
}
