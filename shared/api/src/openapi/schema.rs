//! The schemas that several functions use. Their types have no values: wire types refer to them with `value_type`.

use domain::page::{self, Limit};
use domain::password;
use domain::tenants::Kind;
use domain::text::NAME_MAX;
use domain::users;
use serde_json::{Value, json};
use utoipa::openapi::schema::SchemaFormat;
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema, Type};

/// A string schema, to be completed by the caller.
pub fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// A string schema with this format.
pub fn formatted(format: &str) -> ObjectBuilder {
    text().format(Some(SchemaFormat::Custom(format.to_owned())))
}

/// Defines types without values that stand for schemas.
#[macro_export]
macro_rules! schemas {
    ($($(#[$doc:meta])* $name:ident = $schema:expr;)+) => {$(
        $(#[$doc])*
        pub struct $name;

        impl ::utoipa::PartialSchema for $name {
            fn schema() -> ::utoipa::openapi::RefOr<::utoipa::openapi::Schema> {
                $schema.into()
            }
        }

        impl ::utoipa::ToSchema for $name {}
    )+};
}

/// The pattern of a text with a visible character, without control characters and changes of direction. A JSON Schema's
/// pattern is a Unicode pattern, so that it contains characters beyond U+FFFF as themselves.
macro_rules! name {
    () => {
        concat!(
            r"[^\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]*",
            r"[^\s\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f",
            r"\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8",
            "\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]",
            r"[^\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]*",
        )
    };
}

schemas! {
    /// An id.
    Id = formatted("uuid")
        .description(Some("A UUID (RFC 9562), lower-case and hyphenated."))
        .pattern(Some("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"))
        .max_length(Some(36))
        .examples(["0190d0a0-7c3e-7a11-8f3e-0123456789ab"]);

    /// An id in a path.
    IdParameter = formatted("uuid")
        .description(Some("A UUID (RFC 9562) with hyphens, in either case."))
        .pattern(Some("^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"))
        .max_length(Some(36))
        .examples(["0190d0a0-7c3e-7a11-8f3e-0123456789ab"]);

    /// A point in time.
    Time = formatted("date-time")
        .description(Some("A point in time (RFC 3339), in UTC, to the millisecond."))
        .pattern(Some(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"))
        .max_length(Some(24))
        .examples(["2026-01-02T03:04:05.678Z"]);

    /// A name.
    Name = text()
        .description(Some(
            "A name: after trimming it has at least one visible character, no control characters, and no characters \
             that override the direction of text.",
        ))
        .min_length(Some(1))
        .max_length(Some(NAME_MAX))
        .pattern(Some(concat!("^", name!(), "$")))
        .examples(["My Project"]);

    /// An email address.
    Email = formatted("email")
        .description(Some(
            "An email address (RFC 5321), trimmed and in lower case. The part before the `@` is in ASCII. An \
             internationalised domain is stored and returned in ASCII, as its A-label (RFC 5890).",
        ))
        .min_length(Some(3))
        .max_length(Some(users::Email::MAX_BYTES))
        .examples(["test@example.com"]);

    /// The name of a person or company.
    PersonName = text()
        .description(Some(
            "At most 200 characters after trimming, none of them a control character or one that overrides the \
             direction of text. Unless blank, it has a visible character.",
        ))
        .max_length(Some(NAME_MAX))
        .pattern(Some(concat!("^( *|", name!(), ")$")))
        .examples(["Test"]);

    /// The type of a tenant.
    TenantType = text().enum_values(Some(Kind::NAMES.iter().copied()));

    /// A user's role in a tenant.
    Role = text().enum_values(Some(domain::Role::NAMES.iter().copied()));

    /// An existing password.
    Password = formatted("password")
        .description(Some("A password of at most 1,024 bytes."))
        .max_length(Some(password::MAX_BYTES))
        .examples(["password123"]);

    /// The largest number of entries in a page.
    PageLimit = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(Limit::MAX))
        .default(Some(json!(Limit::default().get())))
        .examples([json!(10)]);

    /// The id of a request.
    RequestId = text()
        .description(Some("The request's id, as in the header `X-Request-Id` and in the request log."))
        .min_length(Some(1))
        .max_length(Some(64))
        .examples(["0190d0a0-7c3e-7a11-8f3e-0123456789ab"]);

    /// The end of a page.
    Cursor = text()
        .description(Some("The end of a page. Opaque; valid only for the same list with the same filter."))
        .min_length(Some(1))
        .max_length(Some(page::Cursor::MAX_CHARS))
        .pattern(Some("^[A-Za-z0-9_-]+$"))
        .examples(["AkVSl3s1LmVyr3zM0nxGd5kS7CgT0PqN2vSTu1bXo0pI"]);
}

/// A schema that allows only this value.
pub fn constant(value: impl Into<Value>) -> RefOr<Schema> {
    let value = value.into();
    let kind = if value.is_boolean() {
        Type::Boolean
    } else {
        Type::String
    };
    ObjectBuilder::new().schema_type(kind).enum_values(Some([value])).into()
}

/// The name of the component that a reference points to.
pub(super) fn name_of(reference: &Ref) -> &str {
    let location = &reference.ref_location;
    location.rsplit_once('/').map_or(location, |(_, name)| name)
}
