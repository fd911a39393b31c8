//! The OpenAPI document of all functions, assembled from their handlers.
//!
//! Each handler declares its parameters, its success, and the [problems] that only it can return (`#[utoipa::path]`).
//! This module adds what follows from that: the problems of tokens, bodies and parameters, the headers of every
//! response, the envelope, and examples.
//!
//! One of the gateway's examples writes the document to `infra/openapi.json` (`make openapi`), and `health` serves that
//! file. So no deployed program contains this code.

mod closed;
mod examples;
mod headers;
pub mod parameters;
pub mod problems;
pub mod schema;

use std::collections::BTreeSet;

use serde_json::json;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, Info, License, ObjectBuilder, OpenApi, OpenApiBuilder, Paths, RefOr, Response, Schema, Server,
    ServerBuilder,
};
use utoipa::{PartialSchema as _, ToSchema as _};

use crate::cookies;
use crate::error::{Code, Violation};
use crate::problem::Problem;
use crate::quota::QuotaBody;

/// The name of the security scheme of access tokens.
pub const ACCESS_TOKEN: &str = "accessToken";

/// The name of the security scheme of refresh tokens in cookies.
const REFRESH_COOKIE: &str = "refreshCookie";

/// The extension by which a handler declares a success without the envelope. It is not part of the finished document.
const BARE: &str = "x-bare";

/// The extension that describes responses outside all operations: to unknown paths and methods, and to `OPTIONS`.
const OUTSIDE: &str = "x-outside-operations";

const INTRODUCTION: &str = include_str!("introduction.md");

/// The complete document, from the functions' parts.
///
/// # Panics
/// If a handler names an undescribed header, or two functions use one name for two schemas.
pub fn complete(parts: impl IntoIterator<Item = OpenApi>) -> OpenApi {
    let mut document = OpenApiBuilder::new()
        .info(info())
        .servers(Some([
            server("http://localhost:8080/api/v5", "Development: `make run`."),
            server("https://api.coditect.ai/api/v5", "Production."),
        ]))
        .paths(Paths::new())
        .components(Some(components()))
        .build();
    for part in parts {
        let known = document.components.iter().flat_map(|components| &components.schemas);
        let added = part.components.iter().flat_map(|components| &components.schemas);
        for (name, schema) in known {
            let differs = added.clone().any(|(other, another)| other == name && another != schema);
            assert!(
                !differs,
                "two schemas have the name {name}: rename one with `#[schema(as = …)]`"
            );
        }
        document.merge(part);
    }
    let mut components = document.components.take().unwrap_or_default();
    let outside = outside_operations(&mut components);
    document.extensions = Some(Extensions::from_iter([(OUTSIDE, outside)]));
    for (operation, writes) in operations(&mut document) {
        complete_operation(operation, writes, &mut components);
    }
    let responses = operations(&mut document).flat_map(|(operation, _)| operation.responses.responses.values());
    closed::close(responses, &mut components);
    for (operation, _) in operations(&mut document) {
        examples::fill(operation, &components);
    }
    document.components = Some(components);
    document
}

fn info() -> Info {
    let license = License::builder()
        .name("Proprietary")
        .identifier(Some("LicenseRef-Proprietary"))
        .build();
    let mut info = Info::new("Coditect API", env!("CARGO_PKG_VERSION"));
    info.description = Some(INTRODUCTION.trim().to_owned());
    info.license = Some(license);
    info
}

fn server(url: &str, description: &str) -> Server {
    ServerBuilder::new().url(url).description(Some(description)).build()
}

fn components() -> Components {
    let mut token = Http::new(HttpAuthScheme::Bearer);
    token.description = Some(
        "The `token` in the responses of registering, logging in and refreshing, a JWT. It is valid for a day by \
         default, and only until its login ends. Or a personal access token, `coditect_pat_` and 94 letters and \
         digits, which is valid until it expires or is revoked, and for what its scopes allow."
            .to_owned(),
    );
    let mut components = Components::new();
    components.add_security_scheme(ACCESS_TOKEN, SecurityScheme::Http(token));
    let cookie = ApiKeyValue::with_description(
        cookies::REFRESH,
        "The refresh token of a page, set by a response to `\"transport\": \"cookie\"`. It is accepted only with an \
         `Origin` that may use cookies.",
    );
    components.add_security_scheme(REFRESH_COOKIE, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    let mut schemas = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut schemas);
    schemas.push((schema::RequestId::name().into_owned(), schema::RequestId::schema()));
    schemas.push((Violation::name().into_owned(), Violation::schema()));
    schemas.push((schema::IdParameter::name().into_owned(), schema::IdParameter::schema()));
    schemas.push((Code::name().into_owned(), Code::schema()));
    schemas.push((QuotaBody::name().into_owned(), QuotaBody::schema()));
    components.schemas.extend(schemas);
    components.headers = headers::all();
    components
}

/// Every operation, and whether its method is one that writes.
fn operations(document: &mut OpenApi) -> impl Iterator<Item = (&mut Operation, bool)> {
    let paths = document.paths.paths.values_mut();
    paths.flat_map(|path: &mut PathItem| {
        let methods = [
            (&mut path.get, false),
            (&mut path.post, true),
            (&mut path.put, true),
            (&mut path.patch, true),
            (&mut path.delete, true),
        ];
        methods
            .into_iter()
            .filter_map(|(operation, writes)| Some((operation.as_mut()?, writes)))
    })
}

/// Adds what follows from the operation's parameters, body and security.
fn complete_operation(operation: &mut Operation, writes: bool, components: &mut Components) {
    if operation.security.is_none() {
        // An explicit empty list: the operation is public.
        operation.security = Some(Vec::new());
    }
    summarise(operation);
    reject_null_body(operation);
    let mut codes = implied_codes(operation, writes);
    let declared = std::mem::take(&mut operation.responses.responses);
    for (key, response) in declared {
        if let Some(code) = Code::ALL.iter().find(|code| code.as_str() == key) {
            codes.insert(*code);
        } else {
            let RefOr::T(mut response) = response else {
                panic!("a success is described at its handler");
            };
            headers::refer(&mut response);
            wrap_in_envelope(&mut response);
            operation.responses.responses.insert(key, RefOr::T(response));
        }
    }
    for (status, codes) in problems::by_status(codes) {
        let response = problems::response_or_reference(&codes, components);
        operation.responses.responses.insert(status.to_string(), response);
    }
}

/// Makes the first sentence of the handler's documentation the summary, and the rest the description.
fn summarise(operation: &mut Operation) {
    let lines = [operation.summary.take(), operation.description.take()];
    let text = lines
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('\n', " ");
    let (summary, description) = text.split_once(". ").unwrap_or((&text, ""));
    operation.summary = Some(summary.trim_end_matches('.').to_owned());
    operation.description = (!description.is_empty()).then(|| description.to_owned());
}

/// Describes an optional body (`request_body = Option<…>`) as a body that may be absent. A handler rejects the JSON
/// text `null`, which utoipa would allow.
fn reject_null_body(operation: &mut Operation) {
    let Some(RefOr::T(body)) = &mut operation.request_body else {
        return;
    };
    for content in body.content.values_mut() {
        let RefOr::T(content) = content else { continue };
        if let Some(RefOr::T(Schema::OneOf(choice))) = &content.schema
            && let Some(schema) = choice.items.iter().find(|item| matches!(item, RefOr::Ref(_)))
        {
            content.schema = Some(schema.clone());
        }
    }
}

/// The problems that follow from the operation's parameters, body and security.
fn implied_codes(operation: &Operation, writes: bool) -> BTreeSet<Code> {
    // The layers around every handler return these.
    let mut codes = BTreeSet::from([Code::BodyTooLarge, Code::Internal]);
    let no_token = SecurityRequirement::default();
    let access_token = SecurityRequirement::new(ACCESS_TOKEN, [""; 0]);
    match operation.security.as_deref() {
        None | Some([]) => {}
        Some(accepted) if !accepted.contains(&access_token) => {}
        // The token is optional, and one that expired lately is accepted: see `api::LogoutCaller`.
        Some(accepted) if accepted.contains(&no_token) => {
            codes.extend([Code::InvalidToken, Code::ExpiredToken, Code::InsufficientScope]);
        }
        // The operation reads the token's login from the store.
        Some(_) => {
            codes.extend(problems::TOKEN);
            codes.insert(Code::InsufficientScope);
            codes.insert(Code::StoreUnavailable);
            let is_about_own_account =
                |tags: &Vec<String>| tags.iter().any(|tag| matches!(&**tag, "authentication" | "users"));
            if !operation.tags.as_ref().is_some_and(is_about_own_account) {
                codes.insert(Code::EmailNotVerified);
            }
            if writes {
                codes.insert(Code::StoreFull);
            }
        }
    }
    if operation.request_body.is_some() {
        codes.extend([
            Code::MalformedBody,
            Code::RequestTimeout,
            Code::UnsupportedMediaType,
            Code::ValidationFailed,
        ]);
    }
    for parameter in operation.parameters.iter().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        match (&parameter.parameter_in, parameter.name.as_str()) {
            (ParameterIn::Path, _) => codes.extend([Code::NotFound]),
            (ParameterIn::Query, _) => codes.extend([Code::ValidationFailed]),
            (ParameterIn::Header, parameters::IF_MATCH) => codes.extend([Code::PreconditionFailed]),
            (ParameterIn::Header, parameters::IDEMPOTENCY_KEY) => {
                codes.extend([Code::ValidationFailed, Code::IdempotencyMismatch]);
            }
            _ => {}
        }
    }
    codes
}

fn wrap_in_envelope(response: &mut Response) {
    let mut extensions = response.extensions.take().unwrap_or_default();
    if extensions.remove(BARE).is_some() {
        return;
    }
    for content in response.content.values_mut() {
        let RefOr::T(content) = content else { continue };
        let Some(data) = content.schema.take() else { continue };
        let envelope = ObjectBuilder::new()
            .property("success", schema::constant(true))
            .required("success")
            .property("data", data)
            .required("data")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        content.schema = Some(envelope.into());
    }
}

/// The responses to requests that match no operation.
fn outside_operations(components: &mut Components) -> serde_json::Value {
    // Described inline and removed from the components, because no operation returns it.
    let mut wrong_method = problems::response(&[Code::MethodNotAllowed]);
    let allow = components.headers.remove("Allow").expect("it is described");
    wrong_method.headers.insert("Allow".to_owned(), allow.clone());
    let mut preflight = Response::new("The cross-origin rules, which browsers may keep for a day. There is no body.");
    headers::refer(&mut preflight);
    preflight
        .headers
        .insert("Allow".to_owned(), headers::optional(allow.clone()));
    let mut malformed = problems::response(&[Code::MalformedRequest]);
    let mut busy = problems::response(&[Code::TooManyConnections]);
    for rejection in [&mut malformed, &mut busy] {
        rejection
            .headers
            .insert("Allow".to_owned(), headers::optional(allow.clone()));
    }
    let mut problem = |code| problems::response_or_reference(&[code], components);
    json!({
        "unknownPath": {
            "404": problem(Code::NotFound),
            "413": problem(Code::BodyTooLarge),
        },
        "unknownMethod": {
            "405": wrong_method,
            "413": problem(Code::BodyTooLarge),
        },
        "options": { "204": preflight },
        "malformedRequest": { "400": malformed },
        "tooManyConnections": { "503": busy },
    })
}
