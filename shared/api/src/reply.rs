//! Success as the contract has it: `{"success": true, "data": …}`, but for what another standard gives another form.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body::Body as _;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::identity::Identity;
use crate::preconditions::{Preconditions, Version};

/// Room for most answers, so that they need not be moved while they are written.
const USUAL_LENGTH: usize = 512;

/// Room for the headers that most answers have, so that they need not be moved while they are added.
const USUAL_HEADERS: usize = 10;

pub(crate) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A success with its data.
pub struct Reply<T> {
    status: StatusCode,
    location: Option<String>,
    version: Option<Version>,
    replayed: bool,
    identity: Option<Identity>,
    data: T,
}

/// The data of an answer that has none: `{}`.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct Empty {}

#[derive(Serialize)]
struct Envelope<T> {
    success: bool,
    data: T,
}

impl<T> Reply<T> {
    /// 200.
    pub fn ok(data: T) -> Self {
        Self {
            status: StatusCode::OK,
            location: None,
            version: None,
            replayed: false,
            identity: None,
            data,
        }
    }

    /// 201.
    pub fn created(data: T) -> Self {
        Self {
            status: StatusCode::CREATED,
            location: None,
            version: None,
            replayed: false,
            identity: None,
            data,
        }
    }

    /// Marks an answer that was given before, to the same request.
    #[must_use]
    pub fn replayed(self, replayed: bool) -> Self {
        Self { replayed, ..self }
    }

    /// Says for the log whom a token was given out to. Whoever has sent one is known already.
    #[must_use]
    pub fn issued_to(self, identity: Identity) -> Self {
        Self {
            identity: Some(identity),
            ..self
        }
    }

    /// Names the version that is sent.
    #[must_use]
    pub fn version(self, version: u64) -> Self {
        Self {
            version: Some(Version(version)),
            ..self
        }
    }

    /// Sends the version alone (304) if the client has that already, and refuses one that it does not expect, in the order of RFC 9110,
    /// section 13.2.2.
    pub fn conditional(self, preconditions: &Preconditions) -> Result<Self, ApiError> {
        match self.version {
            Some(Version(version)) if !preconditions.matches(version) => Err(domain::Error::PreconditionFailed.into()),
            Some(Version(version)) if preconditions.client_has(version) => Ok(Self {
                status: StatusCode::NOT_MODIFIED,
                ..self
            }),
            _ => Ok(self),
        }
    }

    /// Says where what was created is.
    #[must_use]
    pub fn location(self, location: String) -> Self {
        Self {
            location: Some(location),
            ..self
        }
    }
}

/// A 200 without the envelope: a document in the form of a standard whose readers know nothing of ours.
pub struct Bare<T>(pub T);

impl<T: Serialize> IntoResponse for Bare<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0)
    }
}

/// A 200 with bytes that are part of the program.
pub struct Static {
    /// What they are.
    pub media_type: &'static str,
    /// The bytes.
    pub body: &'static [u8],
}

impl IntoResponse for Static {
    fn into_response(self) -> Response {
        let content_type = HeaderValue::from_static(self.media_type);
        ([(header::CONTENT_TYPE, content_type)], self.body).into_response()
    }
}

/// The answer with the length of its body (RFC 9110, section 8.6) and without its body, which a 304 never has.
fn without_body(response: &Response) -> Response {
    let length = response.body().size_hint().exact();
    let mut bare = response.status().into_response();
    if let Some(length) = length {
        bare.headers_mut()
            .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    bare
}

fn json(status: StatusCode, document: &impl Serialize) -> Response {
    let mut body = Vec::with_capacity(USUAL_LENGTH);
    if let Err(error) = serde_json::to_writer(&mut body, document) {
        return ApiError::internal(error).into_response();
    }
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().reserve(USUAL_HEADERS);
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
        if let Some(identity) = self.identity {
            response.extensions_mut().insert(identity);
        }
        response
    }
}
