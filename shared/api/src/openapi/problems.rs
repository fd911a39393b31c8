//! The responses that are problems. A handler declares those that only it can return; the module above adds the others.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use domain::text::Rejection;
use serde_json::json;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::schema::AllOfBuilder;
use utoipa::openapi::{Components, ContentBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Type};
use utoipa::{IntoResponses, ToSchema as _};

use super::{headers, schema};
use crate::error::{ApiError, Code, Violation};
use crate::problem::Problem;

macro_rules! problems {
    ($($name:ident)+) => {$(
        #[doc = concat!("[`Code::", stringify!($name), "`].")]
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                // The key is the code and not the status, because several codes share a status.
                BTreeMap::from([(Code::$name.as_str().to_owned(), Response::default().into())])
            }
        }
    )+};
}

problems! {
    AccountSuspended
    CursorExpired
    Cycle
    EmailTaken
    Exists
    Forbidden
    InvalidCredentials
    InvalidRefreshToken
    IsADirectory
    LastOwner
    MalformedRequest
    NotADirectory
    NotEmpty
    NotFound
    OriginNotAllowed
    PreconditionFailed
    PreconditionRequired
    QuotaExceeded
    RangeNotSatisfiable
    ReauthenticationRequired
    SessionBusy
    StoreFull
    StoreUnavailable
    TooManyAttempts
}

/// The problems of an access token.
pub(super) const TOKEN: [Code; 4] = [
    Code::MissingToken,
    Code::InvalidToken,
    Code::ExpiredToken,
    Code::RevokedToken,
];

/// The component for [`TOKEN`]. Generated clients have a type with this name.
const TOKEN_COMPONENT: &str = "TokenRefused";

/// The codes grouped by status.
pub(super) fn by_status(codes: BTreeSet<Code>) -> BTreeMap<u16, Vec<Code>> {
    let mut groups = BTreeMap::<u16, Vec<Code>>::new();
    for code in codes {
        groups.entry(code.status().as_u16()).or_default().push(code);
    }
    groups
}

/// The response with one of these codes, which share a status. A response that many operations have becomes a component
/// and a reference to it.
pub(super) fn response_or_reference(codes: &[Code], components: &mut Components) -> RefOr<Response> {
    let name = match codes {
        [code] => pascal(code.as_str()),
        codes if *codes == TOKEN => TOKEN_COMPONENT.to_owned(),
        codes => {
            let (own, token) = codes
                .strip_suffix(&TOKEN)
                .map_or((codes, None), |own| (own, Some(TOKEN_COMPONENT.to_owned())));
            let own = own.iter().map(|code| pascal(code.as_str()));
            let names: Vec<_> = own.chain(token).collect();
            return with_named_schema(&names.join("Or"), response(codes), components).into();
        }
    };
    if !components.responses.contains_key(&name) {
        let response = with_named_schema(&name, response(codes), components);
        components.responses.insert(name.clone(), response.into());
    }
    Ref::from_response_name(name).into()
}

/// Moves the body's schema to the components, so that generated clients have one named type for it.
fn with_named_schema(name: &str, mut response: Response, components: &mut Components) -> Response {
    let name = format!("{name}Problem");
    for content in response.content.values_mut() {
        let RefOr::T(content) = content else { continue };
        if let Some(schema) = content.schema.replace(Ref::from_schema_name(&name).into()) {
            components.schemas.insert(name.clone(), schema);
        }
    }
    response
}

fn pascal(code: &str) -> String {
    let words = code.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_owned() + &rest.to_ascii_lowercase()
    });
    words.collect()
}

/// The response with one of these codes, which share a status.
pub(super) fn response(codes: &[Code]) -> Response {
    let status = codes[0].status();
    let titles: Vec<_> = codes
        .iter()
        .map(|code| format!("`{}`: {}.", code.as_str(), code.title()))
        .collect();
    let members = ObjectBuilder::new()
        .property(
            "status",
            ObjectBuilder::new()
                .schema_type(Type::Integer)
                .enum_values(Some([status.as_u16()])),
        )
        .property(
            "code",
            schema::text().enum_values(Some(codes.iter().map(|code| code.as_str()))),
        )
        .required("status")
        .required("code");
    let members = match codes {
        [Code::ValidationFailed] => members.required("errors"),
        [Code::QuotaExceeded] => members.required("quota"),
        [Code::LastOwner] => members.required("organizations"),
        _ => members,
    };
    let schema = AllOfBuilder::new()
        .item(Ref::from_schema_name(Problem::name()))
        .item(members);
    let examples = codes.iter().map(|code| {
        let problem = json!(Problem::new(&sample(*code), "0190d0a0-7c3e-7a11-8f3e-0123456789ab"));
        let example = ExampleBuilder::new().summary(code.title()).value(Some(problem));
        (code.as_str(), example.build())
    });
    let content = ContentBuilder::new()
        .schema(Some(schema))
        .examples_from_iter(examples)
        .build();
    let mut response = ResponseBuilder::new()
        .description(titles.join(" "))
        .content("application/problem+json", content)
        .build();
    let mut add = |header: &str| {
        response.headers.insert(header.to_owned(), RefOr::Ref(Ref::default()));
    };
    match status {
        StatusCode::UNAUTHORIZED => add("WWW-Authenticate"),
        StatusCode::METHOD_NOT_ALLOWED => add("Allow"),
        StatusCode::RANGE_NOT_SATISFIABLE => add("Content-Range"),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => add("Retry-After"),
        _ => {}
    }
    headers::refer(&mut response);
    if status == StatusCode::FORBIDDEN && codes.contains(&Code::InsufficientScope) {
        headers::add_optional(&mut response, "WWW-Authenticate");
    }
    response
}

/// An example of a failure with this code, from the code that returns it.
fn sample(code: Code) -> ApiError {
    use domain::Error;
    match code {
        Code::ValidationFailed => ApiError::invalid(vec![
            Violation::new("/name", &Rejection("is required".to_owned())),
            Violation::new("/workspacePath", &Rejection("must not contain `..`".to_owned())),
        ]),
        Code::MalformedBody => ApiError::new(code, "The body must be a JSON object."),
        Code::MalformedRequest | Code::TooManyConnections => crate::request_layer::rejected(code),
        Code::RequestTimeout => crate::json::request_timeout(),
        Code::InvalidCredentials => Error::InvalidCredentials.into(),
        Code::MissingToken => crate::caller::missing_token(),
        Code::InvalidToken => jwt::Rejection::Invalid("an example").into(),
        Code::ExpiredToken => crate::error::expired_token(),
        Code::RevokedToken => Error::Revoked.into(),
        Code::InvalidRefreshToken => Error::InvalidRefreshToken(None).into(),
        Code::MethodNotAllowed => crate::app::method_not_allowed(),
        Code::UnsupportedMediaType => crate::json::unsupported_media_type(),
        Code::BodyTooLarge => crate::json::body_too_large(crate::json::BODY_MAX_BYTES),
        Code::Internal => ApiError::internal("an example"),
        Code::Forbidden => Error::Forbidden.into(),
        Code::InsufficientScope => Error::InsufficientScope(Some(domain::access_tokens::Scope::WriteSessions)).into(),
        Code::AccountSuspended => Error::Suspended.into(),
        Code::ReauthenticationRequired => Error::ReauthenticationRequired.into(),
        Code::OriginNotAllowed => crate::cookies::origin_not_allowed("an example"),
        Code::NotFound => Error::NotFound.into(),
        Code::EmailTaken => Error::EmailTaken.into(),
        Code::EmailNotVerified => Error::EmailNotVerified.into(),
        Code::LastOwner => {
            let id = domain::id::Id::from_uuid(uuid::uuid!("0190d0a0-7c3e-7a11-8f3e-0123456789ab"));
            Error::LastOwner(vec![(id, "Example Inc.".to_owned())]).into()
        }
        Code::Exists => Error::Exists.into(),
        Code::CursorExpired => Error::ChangesRemoved.into(),
        Code::NotEmpty => Error::NotEmpty.into(),
        Code::NotADirectory => Error::NotADirectory.into(),
        Code::IsADirectory => Error::IsADirectory.into(),
        Code::Cycle => Error::Cycle.into(),
        Code::SessionBusy => Error::SessionBusy.into(),
        Code::PreconditionRequired => Error::PreconditionRequired.into(),
        Code::PreconditionFailed => Error::PreconditionFailed.into(),
        Code::RangeNotSatisfiable => crate::content::unsatisfiable(1234),
        Code::IdempotencyMismatch => Error::IdempotencyMismatch.into(),
        Code::TooManyAttempts => {
            let wait = std::time::Duration::from_secs(1);
            let event = domain::SecurityEvent::ThrottledByPair;
            Error::TooManyAttempts { wait, event }.into()
        }
        Code::QuotaExceeded => Error::QuotaExceeded(domain::usage::Usage {
            quota: domain::usage::Quota::Sessions,
            used: 10_000,
            limit: Some(10_000),
        })
        .into(),
        Code::StoreFull => {
            let why = "an example".to_owned();
            Error::Store(kv::Error::Full { why }).into()
        }
        Code::StoreUnavailable => {
            let cause = kv::Cause::Readers;
            Error::Store(kv::Error::Unavailable { cause }).into()
        }
    }
}
