//! Success as the contract has it: `{"success": true, "data": …}`, but for what another standard gives another form.

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

/// A 200 without the envelope: a document in the form of a standard whose readers know nothing of ours.
pub struct Bare<T>(pub T);

impl<T: Serialize> IntoResponse for Bare<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0)
    }
}

fn json(status: StatusCode, document: &impl Serialize) -> Response {
    let body = match serde_json::to_vec(document) {
        Ok(body) => body,
        Err(error) => return ApiError::internal(error).into_response(),
    };
    let content_type = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
}

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        let envelope = Envelope {
            success: true,
            data: self.data,
        };
        let mut response = json(self.status, &envelope);
        let headers = response.headers_mut();
        if let Some(location) = self.location.and_then(|location| HeaderValue::try_from(location).ok()) {
            headers.insert(header::LOCATION, location);
        }
        response
    }
}
