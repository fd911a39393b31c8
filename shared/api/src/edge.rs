//! What every request passes first and every response last: the request's id, the body's limit, the problem document,
//! and the one log line.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use domain::{Ids, TokenId};
use http_body::Body as _;
use http_body_util::Limited;
use tokio::time::Instant;

use crate::error::{ApiError, Problem};
use crate::{json, trace};

/// The largest body that a route takes, in bytes.
pub const BODY_MAX_BYTES: usize = 64 * 1024;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id that the gateway or the Lambda service gave a request; the server inserts it as an extension. A request
/// without one is given one here. What a client sends as `X-Request-Id` is not taken: it could be another request's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

/// The outermost middleware.
pub(crate) async fn edge(State(ids): State<Arc<Ids>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = match request.extensions().get::<RequestId>() {
        Some(id) => id.clone(),
        None => RequestId(ids.next::<TokenId>().to_string()),
    };
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();

    let response = next.run(request).await;
    let mut response = write_problem(response, &method, &id);
    if method == Method::OPTIONS && response.status() == StatusCode::OK {
        // A preflight, which the CORS layer answers with a 200 that has no body.
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(X_REQUEST_ID, value);
    }
    trace::request(
        &id.0,
        &method,
        route.as_ref().map(MatchedPath::as_str),
        &response,
        started.elapsed(),
    );
    response
}

/// Refuses a body that says that it is too large, and cuts off one that turns out to be.
pub(crate) async fn limit_body(request: Request, next: Next) -> Response {
    if request.body().size_hint().lower() > BODY_MAX_BYTES as u64 {
        return json::too_large().into_response();
    }
    next.run(request.map(|body| Body::new(Limited::new(body, BODY_MAX_BYTES))))
        .await
}

fn write_problem(mut response: Response, method: &Method, id: &RequestId) -> Response {
    let Some(error) = response.extensions().get::<ApiError>().cloned() else {
        return response;
    };
    let document = serde_json::to_vec(&Problem::new(&error, &id.0)).unwrap_or_default();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(document.len()));
    *response.body_mut() = if method == Method::HEAD {
        Body::empty()
    } else {
        Body::from(document)
    };
    response
}
