//! The headers of responses, described once.

use std::collections::BTreeMap;

use serde_json::json;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::{Object, ObjectBuilder, Ref, RefOr, Response, Type};

use super::schema::text;
use crate::cookies;
use crate::preconditions::Version;

/// Headers of every response; the last one only of those over TLS.
const ALWAYS: [&str; 5] = [
    "X-Request-Id",
    "Cache-Control",
    "X-Content-Type-Options",
    "Referrer-Policy",
    "Strict-Transport-Security",
];

/// The description of the header `Cache-Control` of a response that names it.
const IMMUTABLE: &str = "Cache-Control-Immutable";

/// The values of `WWW-Authenticate`.
const CHALLENGE: &str = r#"^Bearer( error="invalid_token"| error="insufficient_scope"(, scope="[a-z]+:[a-z]+")?)?$"#;

pub(super) fn all() -> BTreeMap<String, RefOr<Header>> {
    let seconds = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(86_400))
        .examples([json!(1)])
        .build();
    let headers = [
        (
            "X-Request-Id",
            "The request's id, assigned by the API. The request log contains it.",
            sample("0190d0a0-7c3e-7a11-8f3e-0123456789ab", 64),
        ),
        (
            "Cache-Control",
            "Caches must not store the response.",
            text().enum_values(Some(["no-store"])).examples(["no-store"]).build(),
        ),
        (
            "X-Content-Type-Options",
            "Browsers must use the declared media type.",
            text().enum_values(Some(["nosniff"])).examples(["nosniff"]).build(),
        ),
        (
            "Referrer-Policy",
            "Requests that this response causes do not tell its address.",
            text()
                .enum_values(Some(["no-referrer"]))
                .examples(["no-referrer"])
                .build(),
        ),
        (
            "Location",
            "The path of the created resource, under the prefix of the request; or the URL of a large file, which is \
             valid for a short time.",
            text()
                .max_length(Some(4096))
                .pattern(Some(
                    "^((/api)?/v5/sessions/[0-9a-f-]{36}(/(snapshots|uploads)/[0-9a-f-]{36})?|https?://.+)$",
                ))
                .examples(["/v5/sessions/0190d0a0-7c3e-7a11-8f3e-0123456789ab"])
                .build(),
        ),
        (
            "ETag",
            "The version in this response, for `If-Match` and `If-None-Match`.",
            text()
                .max_length(Some(Version::MAX_CHARS))
                .pattern(Some(r#"^"[0-9a-f]+"$"#))
                .examples(["\"1\""])
                .build(),
        ),
        (
            "Retry-After",
            "The number of seconds to wait before the next attempt.",
            seconds,
        ),
        (
            "WWW-Authenticate",
            "The required authentication scheme (RFC 6750), with an `error` if the request had a token, and the scope \
             that a personal access token lacks.",
            text()
                .max_length(Some(58))
                .pattern(Some(CHALLENGE))
                .examples(["Bearer"])
                .build(),
        ),
        (
            "Allow",
            "The methods that the path supports.",
            sample("GET,HEAD,POST", 50),
        ),
        (
            "Content-Security-Policy",
            "What the response may do in a browser.",
            sample("sandbox; default-src 'none'", 500),
        ),
    ];
    let mut headers: BTreeMap<String, RefOr<Header>> = headers
        .into_iter()
        .chain(of_files())
        .map(|(name, description, schema)| (name.to_owned(), header(description, schema, true).into()))
        .collect();
    headers.insert(IMMUTABLE.to_owned(), immutable().into());
    headers.insert("Idempotency-Replayed".to_owned(), replayed().into());
    headers.insert("Set-Cookie".to_owned(), set_cookie().into());
    headers.insert(
        "Strict-Transport-Security".to_owned(),
        strict_transport_security().into(),
    );
    headers
}

/// The headers of the contents of files.
fn of_files() -> [(&'static str, &'static str, Object); 4] {
    [
        (
            "Content-Disposition",
            "The name under which browsers save the response; whether they may show it (`inline`) or not \
             (`attachment`).",
            text()
                .max_length(Some(1100))
                .pattern(Some(concat!(
                    r#"^(attachment|inline); filename="[ !#$&-\[\]-~]+""#,
                    r"(; filename\*=UTF-8''[!#$%&+.0-9A-Z^_`a-z|~-]+)?$"
                )))
                .examples(["attachment; filename=\"coditect-export-2026-11-27.zip\""])
                .build(),
        ),
        (
            "Accept-Ranges",
            "`Range` selects a part of the content.",
            text().enum_values(Some(["bytes"])).examples(["bytes"]).build(),
        ),
        (
            "Content-Range",
            "The first and the last byte of the part, and the size of the whole content; without a part only the size.",
            text()
                .max_length(Some(70))
                .pattern(Some(r"^bytes ([0-9]+-[0-9]+|\*)/[0-9]+$"))
                .examples(["bytes 0-99/1234"])
                .build(),
        ),
        (
            "Repr-Digest",
            "The SHA-256 of the whole content (RFC 9530), also if the response has a part of it.",
            text()
                .max_length(Some(60))
                .pattern(Some("^sha-256=:[A-Za-z0-9+/]{43}=:$"))
                .examples(["sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"])
                .build(),
        ),
    ]
}

fn strict_transport_security() -> Header {
    let policy = "max-age=31536000";
    header(
        "Present if the client used TLS: for a year, browsers use nothing else.",
        text().enum_values(Some([policy])).examples([policy]).build(),
        false,
    )
}

fn set_cookie() -> Header {
    let names = [cookies::REFRESH, cookies::DEVICE].join("|");
    let attributes = "HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=";
    let schema = text()
        .max_length(Some(300))
        .pattern(Some(format!("^({names})=[A-Za-z0-9_-]*; {attributes}[0-9]+$")))
        .examples([format!("{}=; {attributes}0", cookies::REFRESH)]);
    header(
        "Present if tokens are in cookies: one header stores the refresh token, another one the device token. A logout \
         removes the refresh token.",
        schema.build(),
        false,
    )
}

fn replayed() -> Header {
    let schema = text().enum_values(Some(["true"])).examples(["true"]).build();
    let description = "Present if the same request took effect before; this response repeats the earlier one.";
    header(description, schema, false)
}

fn immutable() -> Header {
    let value = "public, max-age=31536000, immutable";
    let schema = text().enum_values(Some([value])).examples([value]).build();
    let description = "Caches may keep the response for a year. It never changes.";
    header(description, schema, true)
}

fn sample(value: &str, max_length: usize) -> Object {
    text().max_length(Some(max_length)).examples([value]).build()
}

fn header(description: &str, schema: Object, required: bool) -> Header {
    let mut header = HeaderBuilder::new()
        .schema(Some(schema))
        .description(Some(description))
        .build();
    // utoipa has no field for this member of the standard.
    header.extensions = Some(Extensions::from_iter([("required", required)]));
    header
}

/// The same header, as an optional one.
pub(super) fn optional(header: RefOr<Header>) -> RefOr<Header> {
    let RefOr::T(mut header) = header else {
        return header;
    };
    header.extensions = Some(Extensions::from_iter([("required", false)]));
    header.into()
}

/// Adds a header that only some of the responses with these codes have.
pub(super) fn add_optional(response: &mut Response, name: &str) {
    let header = all().remove(name).expect("it is described");
    response.headers.insert(name.to_owned(), optional(header));
}

/// Adds the headers of every response, and turns the headers that a handler names into references.
pub(super) fn refer(response: &mut Response) {
    let named: Vec<String> = response.headers.keys().cloned().collect();
    let known = all();
    for name in named.iter().map(String::as_str).chain(ALWAYS) {
        let is_immutable = name == "Cache-Control" && named.iter().any(|named| named == name);
        let description = if is_immutable { IMMUTABLE } else { name };
        assert!(
            known.contains_key(description),
            "{name} is not described in {}",
            file!()
        );
        let reference = Ref::new(format!("#/components/headers/{description}"));
        response.headers.insert(name.to_owned(), RefOr::Ref(reference));
    }
}
