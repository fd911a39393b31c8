//! What requests carry besides bodies, described once for every operation that takes it.

use domain::idempotency::IdempotencyKey as Key;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{Ref, RefOr, Required, Schema};
use utoipa::{IntoParams, PartialSchema as _, ToSchema as _};

use super::schema::{Cursor, PageLimit, text};

pub(super) const IF_MATCH: &str = "If-Match";
pub(super) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// A parameter that may be left out.
pub fn optional(within: ParameterIn, name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(within)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

/// The page of a list that is asked for.
pub struct Paging;

impl IntoParams for Paging {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            optional(
                ParameterIn::Query,
                "limit",
                "How many entries the page may have.",
                PageLimit::schema(),
            ),
            optional(
                ParameterIn::Query,
                "cursor",
                "The `nextCursor` of the page before.",
                Ref::from_schema_name(Cursor::name()),
            ),
        ]
    }
}

/// The versions that the client expects.
pub struct IfMatch;

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![optional(
            ParameterIn::Header,
            IF_MATCH,
            "Only the version with one of these entity tags (RFC 9110, section 13.1.1), or 412; `*` is any, and what is no entity \
             tag is none.",
            text().examples(["\"1\""]),
        )]
    }
}

/// The versions that the client has.
pub struct IfNoneMatch;

impl IntoParams for IfNoneMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![optional(
            ParameterIn::Header,
            "If-None-Match",
            "Only a version with none of these entity tags (RFC 9110, section 13.1.2), or else 304 to whoever reads and 412 to whoever \
             changes; `*` is any.",
            text().examples(["\"1\""]),
        )]
    }
}

/// The client's name for the request.
pub struct IdempotencyKey;

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let max = Key::MAX_CHARS;
        vec![optional(
            ParameterIn::Header,
            IDEMPOTENCY_KEY,
            "The client's own name for this request: sent again with it within 24 hours, the request is done once, and answered the same (a \
             registration with a login of its own). In quotes or without.",
            text()
                .min_length(Some(1))
                .max_length(Some(max + 2))
                .pattern(Some(format!(r#"^("[!#-~]{{1,{max}}}"|[!#-~][!-~]{{0,{}}})$"#, max - 1)))
                .examples(["8e03978e-40d5-43e8-bc93-6894a57f9324"]),
        )]
    }
}
