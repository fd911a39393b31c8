//! Request bodies: JSON objects, of which one response names every bad member.
//!
//! A body type is a struct of [`Field`]s. A missing or badly typed member does not fail the whole body: its field keeps
//! the reason, and the type's `parse` validates all members with [`Checks`], which reports them together.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, OptionalFromRequest, Request};
use axum::http::{HeaderMap, header};
use domain::text::Rejection;
use http_body_util::{BodyExt as _, LengthLimitError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::error::{ApiError, Code, Violation};
use crate::request_context::RequestContext;

/// The largest request body that a route accepts, in bytes, unless it states another limit.
pub(crate) const BODY_MAX_BYTES: usize = 64 * 1024;

/// The longest time that a body may take to arrive, unless the front door sets another.
pub(crate) const BODY_DEADLINE: Duration = Duration::from_secs(20);

/// A JSON body.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        check_media_type(request.headers())?;
        parse(&read(request, BODY_MAX_BYTES).await?).map(Self)
    }
}

/// A request without a body has `None`, whatever its media type.
impl<S: Send + Sync, T: DeserializeOwned> OptionalFromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Option<Self>, ApiError> {
        let is_supported = check_media_type(request.headers());
        let bytes = read(request, BODY_MAX_BYTES).await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        is_supported?;
        parse(&bytes).map(|body| Some(Self(body)))
    }
}

pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("The body is not UTF-8."))?;
    if !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        return Err(malformed("The body must be a JSON object."));
    }
    serde_json::from_str(text).map_err(|error| malformed(format!("The body is not valid JSON: {error}.")))
}

fn malformed(detail: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(Code::MalformedBody, detail)
}

/// Reads a body. The layers around the handlers cut it off at the limit of its route, `max_bytes`.
pub(crate) async fn read(request: Request, max_bytes: usize) -> Result<Bytes, ApiError> {
    let context = request.extensions().get::<RequestContext>();
    let deadline = context.and_then(RequestContext::body_deadline).unwrap_or(BODY_DEADLINE);
    match timeout(deadline, request.into_body().collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if is_over_limit(&error) => Err(body_too_large(max_bytes)),
        Ok(Err(error)) => Err(malformed("The body ended too early.").with_cause(error)),
        Err(_) => Err(request_timeout()),
    }
}

/// The error for a body that arrives too slowly. The server closes the connection.
pub(crate) fn request_timeout() -> ApiError {
    ApiError::new(
        Code::RequestTimeout,
        "The body did not arrive in time. Send the request again.",
    )
}

/// Rejects a body that is not JSON, or not sent as it is.
pub(crate) fn check_media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    if !is_json(headers) {
        return Err(unsupported_media_type());
    }
    check_content_coding(headers)
}

/// Rejects a body that is not sent as it is.
pub(crate) fn check_content_coding(headers: &HeaderMap) -> Result<(), ApiError> {
    if is_identity(headers) {
        Ok(())
    } else {
        Err(unsupported_content_coding())
    }
}

/// The error for a compressed body.
fn unsupported_content_coding() -> ApiError {
    ApiError::new(
        Code::UnsupportedMediaType,
        "Send the body without a `Content-Encoding`: this API accepts no content coding.",
    )
}

/// Whether the body has no content coding, or only the one that changes nothing.
fn is_identity(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CONTENT_ENCODING).iter();
    let mut codings = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    codings.all(|coding| matches!(coding.trim_ascii(), b"") || coding.trim_ascii().eq_ignore_ascii_case(b"identity"))
}

/// The error for a body whose media type is not JSON.
pub(crate) fn unsupported_media_type() -> ApiError {
    ApiError::new(
        Code::UnsupportedMediaType,
        "Send the body as JSON, with the header `Content-Type: application/json`.",
    )
}

/// The error for a body with more than `max_bytes`.
pub(crate) fn body_too_large(max_bytes: usize) -> ApiError {
    ApiError::new(
        Code::BodyTooLarge,
        format!("The body must have at most {max_bytes} bytes."),
    )
}

fn is_over_limit(error: &axum::Error) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.is::<LengthLimitError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// Whether the media type is JSON: `application/json` or `application/…+json`, and UTF-8 if it names a charset.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let mut parts = value.split(';').map(|part| part.trim().to_ascii_lowercase());
    let is_json = parts.next().is_some_and(|kind| match kind.split_once('/') {
        Some(("application", kind)) => kind == "json" || kind.ends_with("+json"),
        _ => false,
    });
    let is_utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, charset)) if name.trim() == "charset" => {
            matches!(charset.trim().trim_matches('"'), "utf-8" | "utf8")
        }
        _ => true,
    });
    is_json && is_utf8
}

/// A member of a body: present, absent, or of a wrong type. `null` counts as absent.
pub struct Field<T>(State<T>);

enum State<T> {
    Absent,
    Present(T),
    /// The message, and the JSON Pointer from this member to the bad value.
    Wrong(String, String),
}

/// Hides the value, which may be a password.
impl<T> fmt::Debug for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Absent => "absent",
            State::Present(_) => "present",
            State::Wrong(..) => "wrong",
        })
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // serde deserializes a missing member as `None`.
        let Some(raw) = Option::<&RawValue>::deserialize(deserializer)? else {
            return Ok(Self(State::Absent));
        };
        let mut member = serde_json::Deserializer::from_str(raw.get());
        Ok(Self(match serde_path_to_error::deserialize(&mut member) {
            Ok(value) => State::Present(value),
            Err(error) => State::Wrong(expectation(error.inner()), pointer(error.path())),
        }))
    }
}

/// serde's message without the position, which is relative to the member, and without the value, which may be a secret:
/// `invalid type: string "hunter2", expected u8` becomes `must be u8`.
fn expectation(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or(&message);
    match message.rsplit_once(", expected ") {
        Some((_, expected)) => format!("must be {expected}"),
        None if error.is_data() => message.to_owned(),
        None => "can not be read".to_owned(),
    }
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Map { key } => format!("/{}", escape(key)),
            Segment::Seq { index } => format!("/{index}"),
            Segment::Enum { variant } => format!("/{}", escape(variant)),
            Segment::Unknown => String::new(),
        })
        .collect()
}

/// Escapes a token of a JSON Pointer (RFC 6901, section 3).
fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// Validates the members of a body and collects the violations.
#[derive(Debug, Default)]
pub struct Checks(Vec<Violation>);

impl Checks {
    /// Without violations.
    pub fn new() -> Self {
        Self::default()
    }

    /// The member `name`, parsed; `None` after a violation. If `parse` returns several reasons, each becomes a
    /// violation.
    pub fn required<T, U, E: Into<Vec<Rejection>>>(
        &mut self,
        name: &str,
        field: Field<T>,
        parse: impl FnOnce(T) -> Result<U, E>,
    ) -> Option<U> {
        if matches!(field.0, State::Absent) {
            self.0.push(Violation {
                pointer: format!("/{}", escape(name)),
                message: "is required".to_owned(),
            });
            return None;
        }
        self.optional(name, field, parse)?
    }

    /// Like [`required`](Self::required), but an absent member is `Some(None)`.
    pub fn optional<T, U, E: Into<Vec<Rejection>>>(
        &mut self,
        name: &str,
        field: Field<T>,
        parse: impl FnOnce(T) -> Result<U, E>,
    ) -> Option<Option<U>> {
        let pointer = format!("/{}", escape(name));
        match field.0 {
            State::Absent => Some(None),
            State::Present(value) => match parse(value) {
                Ok(value) => Some(Some(value)),
                Err(reasons) => {
                    let violations = reasons.into().into_iter();
                    self.0
                        .extend(violations.map(|reason| Violation::new(&*pointer, &reason)));
                    None
                }
            },
            State::Wrong(message, below) => {
                self.0.push(Violation {
                    pointer: pointer + &below,
                    message,
                });
                None
            }
        }
    }

    /// The item with this index in the list `name`, parsed; `None` after a violation. So a long list is parsed item by
    /// item, and the items that are parsed already take no memory.
    pub fn element<T: DeserializeOwned, U>(
        &mut self,
        name: &str,
        index: usize,
        item: &RawValue,
        parse: impl FnOnce(T) -> Result<U, Self>,
    ) -> Option<U> {
        let place = format!("/{}/{index}", escape(name));
        let (below, message) = match serde_json::from_str::<Field<T>>(item.get()) {
            Ok(Field(State::Present(value))) => {
                return parse(value).map_err(|inner| self.append(&place, inner)).ok();
            }
            Ok(Field(State::Wrong(message, below))) => (below, message),
            Ok(Field(State::Absent)) => (String::new(), "is required".to_owned()),
            Err(_) => (String::new(), "can not be read".to_owned()),
        };
        self.0.push(Violation {
            pointer: place + &below,
            message,
        });
        None
    }

    /// Adds the violations of a value at `place`, a JSON Pointer such as `/operations/3`.
    pub fn append(&mut self, place: &str, inner: Self) {
        let violations = inner.0.into_iter();
        self.0.extend(violations.map(|violation| Violation {
            pointer: [place, &violation.pointer].concat(),
            ..violation
        }));
    }

    /// Adds a violation of the value at `place`, a JSON Pointer; empty for the body itself.
    pub fn reject(&mut self, place: &str, reason: &Rejection) {
        self.0.push(Violation::new(place, reason));
    }

    /// The number of violations.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The error with all violations.
    pub fn into_error(self) -> ApiError {
        ApiError::invalid(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Sample {
        text: Field<String>,
        list: Field<Vec<u8>>,
    }

    fn violations(json: &str) -> Vec<(String, String)> {
        let sample: Sample = serde_json::from_str(json).unwrap();
        let mut checks = Checks::new();
        checks.required("text", sample.text, Ok::<_, Rejection>);
        checks.optional("list", sample.list, Ok::<_, Rejection>);
        checks
            .0
            .into_iter()
            .map(|violation| (violation.pointer, violation.message))
            .collect()
    }

    #[test]
    fn every_bad_member_is_named_with_its_pointer_and_without_its_value() {
        assert_eq!(violations(r#"{"text":"a","list":null}"#), []);
        assert_eq!(
            violations(r#"{"text":5,"list":[1,"hunter2"]}"#),
            [
                ("/text".into(), "must be a string".into()),
                ("/list/1".into(), "must be u8".into())
            ]
        );
        assert_eq!(violations("{}"), [("/text".into(), "is required".into())]);
        assert_eq!(
            violations(r#"{"text":"\ud800"}"#),
            [("/text".into(), "can not be read".into())]
        );
    }

    #[test]
    fn a_member_with_several_bad_properties_has_a_violation_for_each() {
        let sample: Sample = serde_json::from_str(r#"{"text":"a"}"#).unwrap();
        let mut checks = Checks::new();
        let reasons = ["must be longer", "must be rarer"];
        let parsed: Option<()> = checks.required("text", sample.text, |_| {
            Err(reasons.map(|reason| Rejection(reason.into())).to_vec())
        });
        assert_eq!(parsed, None);
        assert_eq!(
            checks
                .0
                .iter()
                .map(|violation| &violation.message[..])
                .collect::<Vec<_>>(),
            reasons
        );
        assert!(checks.0.iter().all(|violation| violation.pointer == "/text"));
    }

    #[test]
    fn a_field_does_not_print_its_value() {
        let sample: Sample = serde_json::from_str(r#"{"text":"hunter2"}"#).unwrap();
        assert_eq!(format!("{:?}", sample.text), "present");
    }

    #[test]
    fn only_the_identity_coding_is_accepted() {
        let is = |values: &[&str]| {
            let values = values
                .iter()
                .map(|value| (header::CONTENT_ENCODING, value.parse().unwrap()));
            is_identity(&values.collect())
        };
        for identity in [&[][..], &["identity"], &["Identity , identity"], &["", "identity"]] {
            assert!(is(identity), "{identity:?}");
        }
        for coded in [
            &["gzip"][..],
            &["identity, br"],
            &["identity", "gzip"],
            &["x"],
            &["identity;q=1"],
        ] {
            assert!(!is(coded), "{coded:?}");
        }
    }

    #[test]
    fn json_is_recognised_by_its_media_type() {
        let is = |value: &str| is_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]));
        for json in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/merge-patch+json;charset=\"utf-8\"",
        ] {
            assert!(is(json), "{json}");
        }
        for other in [
            "text/json",
            "application/jsonp",
            "application/json; charset=latin1",
            "application/json; charset = latin1",
            "text/plain",
            "",
        ] {
            assert!(!is(other), "{other}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
