//! Success as the contract has it: `{"success": true, "data": …}`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::ApiError;

/// A success with its data.
pub struct Reply<T> {
    status: StatusCode,
    location: Option<String>,
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
            data,
        }
    }

    /// 201.
    pub fn created(data: T) -> Self {
        Self {
            status: StatusCode::CREATED,
            location: None,
            data,
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
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(location) = self.location.and_then(|location| HeaderValue::try_from(location).ok()) {
            headers.insert(header::LOCATION, location);
        }
        response
    }
}
