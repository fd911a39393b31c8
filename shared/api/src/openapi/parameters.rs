//! Query parameters and headers of requests, described once for every operation that accepts them.

use domain::idempotency::IdempotencyKey as Key;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{Ref, RefOr, Required, Schema};
use utoipa::{IntoParams, PartialSchema as _, ToSchema as _};

use super::schema::{Cursor, PageLimit, text};

pub(super) const IF_MATCH: &str = "If-Match";
pub(super) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// An optional parameter.
pub fn optional(within: ParameterIn, name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(within)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

/// A parameter that a request must have.
pub fn required(within: ParameterIn, name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    ParameterBuilder::from(optional(within, name, description, schema))
        .required(Required::True)
        .build()
}

/// `limit` and `cursor`, which select a page of a list.
pub struct Paging;

impl IntoParams for Paging {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            optional(
                ParameterIn::Query,
                "limit",
                "The largest number of entries in the page.",
                PageLimit::schema(),
            ),
            optional(
                ParameterIn::Query,
                "cursor",
                "The `nextCursor` of the previous page.",
                Ref::from_schema_name(Cursor::name()),
            ),
        ]
    }
}

/// `If-Match`: the versions of which one must be the current one.
pub struct IfMatch;

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![optional(
            ParameterIn::Header,
            IF_MATCH,
            "The request succeeds only if the current version has one of these entity tags (RFC 9110, section 13.1.1); \
             otherwise it returns 412. `*` matches every version, and a malformed value matches none.",
            text().examples(["\"1\""]),
        )]
    }
}

/// `If-None-Match`: the versions of which none may be the current one.
pub struct IfNoneMatch;

impl IntoParams for IfNoneMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![optional(
            ParameterIn::Header,
            "If-None-Match",
            "The request succeeds only if the current version has none of these entity tags (RFC 9110, section \
             13.1.2); otherwise a read returns 304 and a change 412. `*` matches every version.",
            text().examples(["\"1\""]),
        )]
    }
}

/// `Idempotency-Key`: the client's key for retries of the request.
pub struct IdempotencyKey;

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let max = Key::MAX_CHARS;
        vec![optional(
            ParameterIn::Header,
            IDEMPOTENCY_KEY,
            "A key that the client chooses for this request. If the client sends the same request with this key again \
             within 24 hours, the request takes effect only once and gets the same response; a repeated registration \
             returns a new login. The key may be in quotes.",
            text()
                .min_length(Some(1))
                .max_length(Some(max + 2))
                .pattern(Some(format!(r#"^("[!#-~]{{1,{max}}}"|[!#-~][!-~]{{0,{}}})$"#, max - 1)))
                .examples(["8e03978e-40d5-43e8-bc93-6894a57f9324"]),
        )]
    }
}
