//! Success as the contract has it: `{"success": true, "data": …}`.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::ApiError;
use crate::preconditions::{Preconditions, Version};

pub(crate) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A success with its data.
pub struct Reply<T> {
    status: StatusCode,
    location: Option<String>,
    version: Option<Version>,
    replayed: bool,
    data: T,
}

/// The data of an answer that has none: `{}`.
#[derive(Clone, Copy, Debug, Default, Serialize)]
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
            data,
        }
    }

    /// Marks an answer that was given before, to the same request.
    #[must_use]
    pub fn replayed(self, replayed: bool) -> Self {
        Self { replayed, ..self }
    }

    /// Names the version that is sent.
    #[must_use]
    pub fn version(self, version: u64) -> Self {
        Self {
            version: Some(Version(version)),
            ..self
        }
    }

    /// Sends the version alone (304) if the client has that already.
    #[must_use]
    pub fn unless_known(self, preconditions: &Preconditions) -> Self {
        match self.version {
            Some(Version(version)) if preconditions.is_known(version) => Self {
                status: StatusCode::NOT_MODIFIED,
                ..self
            },
            _ => self,
        }
    }

    /// Says where what was created is.
    #[must_use]
    pub fn at(self, location: String) -> Self {
        Self {
            location: Some(location),
            ..self
        }
    }
}

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        let body = match serde_json::to_vec(&Envelope {
            success: true,
            data: self.data,
        }) {
            Ok(body) => body,
            Err(error) => return ApiError::internal(error).into_response(),
        };
        let mut response = self.status.into_response();
        if self.status != StatusCode::NOT_MODIFIED {
            *response.body_mut() = body.into();
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
        }
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
        response
    }
}
