//! The OpenAPI document of all functions, put together from what stands at their handlers.
//!
//! A handler says (`#[utoipa::path]`) what it takes, what it succeeds with, and which [problems] are its own. What follows from what it takes is
//! added here, once for all: the refusals of tokens, bodies and parameters, the headers of every answer, the envelope, examples. No program
//! that is deployed calls this, so none has it: the document is made by one of the gateway's examples, committed as `infra/openapi.json`, and served from there.

mod examples;
mod headers;
pub mod parameters;
pub mod problems;
pub mod schema;

use std::collections::BTreeSet;

use serde_json::json;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, SchemaType};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, Content, Info, License, ObjectBuilder, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Response, Schema,
    Server, ServerBuilder, Type,
};
use utoipa::{PartialSchema as _, ToSchema as _};

use crate::error::{Code, Problem, Violation};

/// The name of the one security scheme.
pub const ACCESS_TOKEN: &str = "accessToken";

/// What a handler says of a success that is in no envelope.
const BARE: &str = "x-bare";

/// What no operation answers: paths and methods that there are not, and the `OPTIONS` of a browser.
const OUTSIDE: &str = "x-outside-operations";

const INTRODUCTION: &str = include_str!("introduction.md");

/// The whole document, from the functions' parts.
///
/// # Panics
/// If a part names a header that there is not, or two parts give one name to two schemas.
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
        let again = part.components.iter().flat_map(|components| &components.schemas);
        for (name, schema) in known {
            let is_another = again.clone().any(|(other, another)| other == name && another != schema);
            assert!(!is_another, "two schemas are called {name}: say `#[schema(as = …)]`");
        }
        document.merge(part);
    }
    let mut components = document.components.take().unwrap_or_default();
    let outside = outside(&mut components);
    document.extensions = Some(Extensions::from_iter([(OUTSIDE, outside)]));

    let mut answered = BTreeSet::new();
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        answers(operation, &mut components);
        for response in operation.responses.responses.values() {
            if let RefOr::T(response) = response {
                reachable(response, &components, &mut answered);
            }
        }
    }
    for response in components.responses.values() {
        if let RefOr::T(response) = response {
            reachable(response, &components, &mut answered);
        }
    }
    for name in &answered {
        if let Some(RefOr::T(schema)) = components.schemas.get_mut(name) {
            nothing_else(schema);
        }
    }
    for operation in document.paths.paths.values_mut().flat_map(operations) {
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
    token.bearer_format = Some("JWT".to_owned());
    token.description = Some(
        "The `token` that registering, logging in and refreshing answer. It is good for a day by default, and as long as its login lives."
            .to_owned(),
    );
    let mut components = Components::new();
    components.add_security_scheme(ACCESS_TOKEN, SecurityScheme::Http(token));
    let mut schemas = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut schemas);
    schemas.push((schema::RequestId::name().into_owned(), schema::RequestId::schema()));
    schemas.push((Violation::name().into_owned(), Violation::schema()));
    schemas.push((Code::name().into_owned(), Code::schema()));
    components.schemas.extend(schemas);
    components.headers = headers::all();
    components
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut path.get,
        &mut path.post,
        &mut path.put,
        &mut path.patch,
        &mut path.delete,
    ]
    .into_iter()
    .flatten()
}

/// Gives an operation what follows from what it takes.
fn answers(operation: &mut Operation, components: &mut Components) {
    if operation.security.is_none() {
        // Said explicitly: nothing is asked for.
        operation.security = Some(Vec::new());
    }
    summarise(operation);
    let mut codes = implied(operation);
    let declared = std::mem::take(&mut operation.responses.responses);
    for (key, response) in declared {
        if let Some(code) = Code::ALL.iter().find(|code| code.as_str() == key) {
            codes.insert(*code);
        } else {
            let RefOr::T(mut response) = response else {
                panic!("a success is described at its handler");
            };
            headers::refer(&mut response);
            wrap(&mut response);
            operation.responses.responses.insert(key, RefOr::T(response));
        }
    }
    for (status, codes) in problems::by_status(codes) {
        let response = problems::referred(&codes, components);
        operation.responses.responses.insert(status.to_string(), response);
    }
}

/// Makes the first sentence of the handler's documentation the summary, and the others the description.
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

/// The refusals that follow from what an operation takes.
fn implied(operation: &Operation) -> BTreeSet<Code> {
    // What stands around every handler.
    let mut codes = BTreeSet::from([Code::BodyTooLarge, Code::Internal]);
    let nothing = SecurityRequirement::default();
    match operation.security.as_deref() {
        None | Some([]) => {}
        // See `api::Leaving`.
        Some(asked) if asked.contains(&nothing) => {
            codes.insert(Code::InvalidToken);
        }
        // Whether its login lives is asked of the store.
        Some(_) => {
            codes.extend(problems::TOKEN);
            codes.insert(Code::StoreUnavailable);
        }
    }
    if operation.request_body.is_some() {
        codes.extend([Code::MalformedBody, Code::UnsupportedMediaType, Code::ValidationFailed]);
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

/// Puts a success into the envelope.
fn wrap(response: &mut Response) {
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

/// The answers to what is no operation.
fn outside(components: &mut Components) -> serde_json::Value {
    // Not among the components, because no operation has them.
    let mut wrong_method = problems::response(&[Code::MethodNotAllowed]);
    let allow = components.headers.remove("Allow").expect("it is described");
    wrong_method.headers.insert("Allow".to_owned(), allow.clone());
    let mut preflight = Response::new("The rules for requests from other origins, for a day; without a body.");
    headers::refer(&mut preflight);
    preflight.headers.insert("Allow".to_owned(), headers::optional(allow));
    let mut referred = |code| problems::referred(&[code], components);
    json!({
        "unknownPath": {
            "404": referred(Code::NotFound),
            "413": referred(Code::BodyTooLarge),
        },
        "unknownMethod": {
            "405": wrong_method,
            "413": referred(Code::BodyTooLarge),
        },
        "options": { "204": preflight },
    })
}

/// Gathers the names of the schemas that a response refers to.
fn reachable(response: &Response, components: &Components, found: &mut BTreeSet<String>) {
    for content in response.content.values() {
        if let RefOr::T(Content {
            schema: Some(schema), ..
        }) = content
        {
            follow(schema, components, found);
        }
    }
}

fn follow(schema: &RefOr<Schema>, components: &Components, found: &mut BTreeSet<String>) {
    let schema = match schema {
        RefOr::Ref(reference) => {
            let name = schema_name(reference);
            if found.insert(name.to_owned()) {
                let schema = components.schemas.get(name);
                follow(schema.expect("what is referred to is there"), components, found);
            }
            return;
        }
        RefOr::T(schema) => schema,
    };
    match schema {
        Schema::Object(object) => object
            .properties
            .values()
            .for_each(|member| follow(member, components, found)),
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &array.items {
                follow(items, components, found);
            }
        }
        Schema::OneOf(one) => one.items.iter().for_each(|item| follow(item, components, found)),
        Schema::AllOf(all) => all.items.iter().for_each(|item| follow(item, components, found)),
        Schema::AnyOf(any) => any.items.iter().for_each(|item| follow(item, components, found)),
        _ => {}
    }
}

/// Replies have the members that are described and no others.
fn nothing_else(schema: &mut Schema) {
    match schema {
        Schema::Object(object) if object.schema_type == SchemaType::Type(Type::Object) => {
            let exact = || Box::new(AdditionalProperties::FreeForm(false));
            object.additional_properties.get_or_insert_with(exact);
        }
        Schema::OneOf(one) => {
            for item in &mut one.items {
                if let RefOr::T(schema) = item {
                    nothing_else(schema);
                }
            }
        }
        _ => {}
    }
}

/// The name of the schema that is referred to.
fn schema_name(reference: &Ref) -> &str {
    let location = &reference.ref_location;
    location.rsplit_once('/').map_or(location, |(_, name)| name)
}
