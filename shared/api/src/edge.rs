//! What every request passes first and every response last: the request's id, the body's limit, the problem document,
//! and the watch that ends in the one log line.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use domain::{Clock, Ids, TokenId};
use http_body::Body as _;
use http_body_util::Limited;

use crate::error::{ApiError, Problem};
use crate::json;
use crate::observer::Observer;

/// The largest body that a route takes, in bytes.
pub const BODY_MAX_BYTES: usize = 64 * 1024;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id that the gateway or the Lambda service gave a request; the server inserts it as an extension. A request
/// without one is given one here. What a client sends as `X-Request-Id` is not taken: it could be another request's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

/// What the edge needs.
#[derive(Clone)]
pub(crate) struct Edge {
    pub(crate) ids: Arc<Ids>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Observer,
}

/// The outermost middleware.
pub(crate) async fn edge(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let id = match request.extensions().get::<RequestId>() {
        Some(id) => id.clone(),
        None => RequestId(edge.ids.next::<TokenId>().to_string()),
    };
    let watch = edge.observer.watch(&request, id.clone(), edge.clock);
    let method = request.method().clone();
    request.extensions_mut().insert(id);
    request.extensions_mut().insert(watch.seen());

    let response = watch.meter().measure(next.run(request)).await;
    let mut response = write_problem(response, &method, watch.id());
    if method == Method::OPTIONS && response.status() == StatusCode::OK {
        // A preflight, which the CORS layer answers with a 200 that has no body.
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(&watch.id().0) {
        headers.insert(X_REQUEST_ID, value);
    }
    watch.answered(&response);
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
