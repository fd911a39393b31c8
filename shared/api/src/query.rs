//! Query parameters, validated like the members of a body.

use std::borrow::Cow;
use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use domain::text::Rejection;
use percent_encoding::percent_decode_str;

use crate::error::{ApiError, Violation};

/// The query parameters of a request. Those that a handler does not ask for are ignored, even if they are malformed.
#[derive(Debug)]
pub struct Query {
    text: String,
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
            text: query.to_owned(),
            violations: Vec::new(),
        }
    }

    /// The parameter `name`, parsed: `Some(None)` if it is absent, `None` after a violation.
    pub fn optional<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, Rejection>) -> Option<Option<T>> {
        let mut values = self.text.split('&').filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            // A name that is not UTF-8 is no parameter's name.
            (decode(key).ok()? == name).then_some(value)
        });
        let reason = match (values.next(), values.next()) {
            (None, _) => return Some(None),
            (Some(value), None) => match decode(value).and_then(|value| parse(&value)) {
                Ok(value) => return Some(Some(value)),
                Err(reason) => reason,
            },
            (Some(_), Some(_)) => Rejection("must be given once".to_owned()),
        };
        self.violations.push(Violation::new(format!("/{name}"), &reason));
        None
    }

    /// The parameter `name`, which must be given, parsed; `None` after a violation.
    pub fn required<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, Rejection>) -> Option<T> {
        let value = self.optional(name, parse)?;
        if value.is_none() {
            let reason = Rejection("is required".to_owned());
            self.violations.push(Violation::new(format!("/{name}"), &reason));
        }
        value
    }

    /// The error with all violations.
    pub fn into_error(self) -> ApiError {
        ApiError::invalid(self.violations)
    }
}

/// Decodes a name or a value (WHATWG URL, `application/x-www-form-urlencoded`), which must be UTF-8.
fn decode(text: &str) -> Result<Cow<'_, str>, Rejection> {
    let not_utf8 = |_| Rejection("is not UTF-8".to_owned());
    if !text.contains('+') {
        return percent_decode_str(text).decode_utf8().map_err(not_utf8);
    }
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8().map_err(not_utf8)?;
    Ok(Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_that_is_not_utf_8_is_rejected_with_its_pointer() {
        for query in ["a=%FF", "a=%C3&b=1", "b=%E9&a=%ED%A0%80"] {
            let mut query = Query::of(query);
            assert_eq!(query.optional("a", |_| Ok(())), None);
            let errors = query.into_error().violations;
            assert_eq!(errors.len(), 1);
            assert_eq!((&*errors[0].pointer, &*errors[0].message), ("/a", "is not UTF-8"));
        }
        assert_eq!(Query::of("a=%EF%BF%BD").optional("a", |_| Ok(())), Some(Some(())));
    }

    #[test]
    fn an_unknown_parameter_is_ignored_even_if_it_is_malformed_or_repeated() {
        for others in ["b=%FF", "%ff=1", "%E9", "b=1&b=2", "=", "&&", "b=%zz", "aa=1", "A=1"] {
            for query in [format!("{others}&a=1"), format!("a=1&{others}")] {
                let value = Query::of(&query).optional("a", |value: &str| Ok(value.to_owned()));
                assert_eq!(value, Some(Some("1".into())), "{query}");
            }
            assert_eq!(Query::of(others).optional("a", |_| Ok(())), Some(None), "{others}");
        }
    }

    proptest! {
        #[test]
        fn a_well_formed_query_is_read_as_a_form(pairs: Vec<(String, String)>) {
            let text = serde_urlencoded::to_string(&pairs).unwrap();
            for (name, _) in &pairs {
                let values: Vec<_> = pairs.iter().filter(|(known, _)| known == name).collect();
                let read = Query::of(&text).optional(name, |value| Ok(value.to_owned()));
                let expected = (values.len() == 1).then(|| Some(values[0].1.clone()));
                prop_assert_eq!(read, expected);
            }
        }
    }

    #[test]
    fn a_required_parameter_is_given_once() {
        let text = |value: &str| Ok(value.to_owned());
        assert_eq!(Query::of("path=%2Fa").required("path", text), Some("/a".into()));
        assert_eq!(Query::of("path").required("path", text), Some(String::new()));
        for (query, reason) in [
            ("", "is required"),
            ("Path=a", "is required"),
            ("path=a&path=a", "must be given once"),
            ("path=%ff", "is not UTF-8"),
        ] {
            let mut query = Query::of(query);
            assert_eq!(query.required("path", text), None);
            let errors = query.into_error().violations;
            assert_eq!(errors.len(), 1);
            assert_eq!((&*errors[0].pointer, &*errors[0].message), ("/path", reason));
        }
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
