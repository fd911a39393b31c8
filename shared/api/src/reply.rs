//! Successful responses: `{"success": true, "data": …}`, or the bare form of another standard.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::SecurityEvent;
use http_body::Body as _;
use serde::Serialize;
use utoipa::ToSchema;

use crate::cookies;
use crate::error::ApiError;
use crate::identity::Identity;
use crate::preconditions::{Preconditions, Version};

/// The initial capacity of a body, in bytes: most bodies are serialized without growing it.
const BODY_CAPACITY: usize = 512;

/// The initial capacity of the headers: most responses get all their headers without growing it.
const HEADER_CAPACITY: usize = 13;

pub(crate) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A successful response with its data.
pub struct Reply<T> {
    status: StatusCode,
    location: Option<String>,
    version: Option<Version>,
    replayed: bool,
    identity: Option<Identity>,
    security: Option<SecurityEvent>,
    cookies: Vec<HeaderValue>,
    data: T,
}

/// The data of a response without data: `{}`.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct Empty {}

#[derive(Serialize)]
struct Envelope<T> {
    success: bool,
    data: T,
}

impl<T> Reply<T> {
    /// A response with the status 200.
    pub fn ok(data: T) -> Self {
        Self {
            status: StatusCode::OK,
            location: None,
            version: None,
            replayed: false,
            identity: None,
            security: None,
            cookies: Vec::new(),
            data,
        }
    }

    /// A response with the status 201.
    pub fn created(data: T) -> Self {
        Self {
            status: StatusCode::CREATED,
            location: None,
            version: None,
            replayed: false,
            identity: None,
            security: None,
            cookies: Vec::new(),
            data,
        }
    }

    /// A response with the status 202.
    pub fn accepted(data: T) -> Self {
        Self {
            status: StatusCode::ACCEPTED,
            ..Self::ok(data)
        }
    }

    /// Marks the response as a replay: the response to an earlier request with the same idempotency key.
    #[must_use]
    pub fn replayed(self, replayed: bool) -> Self {
        Self { replayed, ..self }
    }

    /// Names, for the log line, the identity to which this response issues a token. The identity behind a request's own
    /// token is known already.
    #[must_use]
    pub fn issued_to(self, identity: Identity) -> Self {
        Self {
            identity: Some(identity),
            ..self
        }
    }

    /// Names a security event in the log line of a request that succeeds all the same.
    #[must_use]
    pub fn security(self, security: Option<SecurityEvent>) -> Self {
        Self { security, ..self }
    }

    /// Stores a secret in the browser, where scripts cannot read it, for at most `max_age`.
    pub fn cookie(mut self, name: &'static str, secret: String, max_age: Duration) -> Result<Self, ApiError> {
        self.cookies.push(cookies::set_cookie(name, secret, max_age)?);
        Ok(self)
    }

    /// Removes a secret from the browser.
    pub fn without_cookie(self, name: &'static str) -> Result<Self, ApiError> {
        self.cookie(name, String::new(), Duration::ZERO)
    }

    /// Sets the version of the resource, which is sent as the `ETag`.
    #[must_use]
    pub fn version(self, version: impl Into<Version>) -> Self {
        Self {
            version: Some(version.into()),
            ..self
        }
    }

    /// Removes the version, for a response that shows another resource than the one that the path names.
    #[must_use]
    pub fn without_version(self) -> Self {
        Self { version: None, ..self }
    }

    /// Evaluates the request's preconditions, in the order of RFC 9110, section 13.2.2: rejects a version that the
    /// client does not expect, and responds with 304 if the client has the version already.
    pub fn conditional(self, preconditions: &Preconditions) -> Result<Self, ApiError> {
        match self.version {
            Some(version) if !preconditions.matches(version) => Err(domain::Error::PreconditionFailed.into()),
            Some(version) if preconditions.client_has(version) => Ok(Self {
                status: StatusCode::NOT_MODIFIED,
                ..self
            }),
            _ => Ok(self),
        }
    }

    /// Sets the location of the created resource.
    #[must_use]
    pub fn location(self, location: String) -> Self {
        Self {
            location: Some(location),
            ..self
        }
    }
}

/// A response with the status 200 and without the envelope: a document in the form that another standard defines.
pub struct Bare<T>(pub T);

impl<T: Serialize> IntoResponse for Bare<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0)
    }
}

/// A response with the status 200 and a body that is part of the program.
pub struct Static {
    /// The media type of the body.
    pub media_type: &'static str,
    /// The body.
    pub body: &'static [u8],
}

impl IntoResponse for Static {
    fn into_response(self) -> Response {
        let content_type = HeaderValue::from_static(self.media_type);
        ([(header::CONTENT_TYPE, content_type)], self.body).into_response()
    }
}

/// A file that never changes, as the path names it by its content. Everybody may see it, and caches may keep it.
pub struct Immutable {
    /// The media type of the body.
    pub media_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl Immutable {
    /// Caches may keep the file for a year, the longest time that they observe (RFC 9111, section 1.2.2).
    const CACHE_CONTROL: &'static str = "public, max-age=31536000, immutable";

    /// What another path names is another file, so there is one version.
    const VERSION: Version = Version::Number(1);

    /// The response to a request with these preconditions: the file, or 304 if the client has it.
    pub fn conditional(self, preconditions: &Preconditions) -> Result<Response, ApiError> {
        let version = Self::VERSION;
        if !preconditions.matches(version) {
            return Err(domain::Error::PreconditionFailed.into());
        }
        let mut response = self.body.into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        if preconditions.client_has(version) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response = without_body(&response);
        }
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(Self::CACHE_CONTROL));
        headers.insert(header::ETAG, Self::VERSION.header());
        Ok(response)
    }
}

/// The 304 response: without a body, but with the body's length (RFC 9110, section 8.6).
fn without_body(response: &Response) -> Response {
    let length = response.body().size_hint().exact();
    let mut bare = response.status().into_response();
    if let Some(length) = length {
        bare.headers_mut()
            .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    bare
}

/// A file that browsers save and do not show. Nobody may keep it.
pub struct Attachment {
    /// The media type of the body.
    pub media_type: &'static str,
    /// The name under which browsers save it: letters, digits, `.`, `-` and `_`.
    pub name: String,
    /// The whole body, because the log shows a response that fails in the middle as a success, and Lambda's runtime
    /// panics.
    pub body: Bytes,
}

impl IntoResponse for Attachment {
    fn into_response(self) -> Response {
        let disposition = HeaderValue::try_from(format!("attachment; filename=\"{}\"", self.name));
        let Ok(disposition) = disposition else {
            return ApiError::internal("the name of the file is no header value").into_response();
        };
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(self.media_type)),
            (header::CONTENT_DISPOSITION, disposition),
            (header::CONTENT_LENGTH, HeaderValue::from(self.body.len())),
        ];
        (headers, self.body).into_response()
    }
}

fn json(status: StatusCode, document: &impl Serialize) -> Response {
    let mut body = Vec::with_capacity(BODY_CAPACITY);
    if let Err(error) = serde_json::to_writer(&mut body, document) {
        return ApiError::internal(error).into_response();
    }
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().reserve(HEADER_CAPACITY);
    let content_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        let envelope = Envelope {
            success: true,
            data: self.data,
        };
        let mut response = match self.status {
            StatusCode::NOT_MODIFIED => without_body(&json(self.status, &envelope)),
            status => json(status, &envelope),
        };
        let headers = response.headers_mut();
        if let Some(location) = self.location.and_then(|location| HeaderValue::try_from(location).ok()) {
            headers.insert(header::LOCATION, location);
        }
        if self.replayed {
            headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
        }
        if let Some(version) = self.version {
            headers.insert(header::ETAG, version.header());
        }
        for cookie in self.cookies {
            headers.append(header::SET_COOKIE, cookie);
        }
        if let Some(identity) = self.identity {
            response.extensions_mut().insert(identity);
        }
        if let Some(event) = self.security {
            response.extensions_mut().insert(event);
        }
        response
    }
}
