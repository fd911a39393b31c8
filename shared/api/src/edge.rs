//! What every request passes first and every response last: the request's id, the body's limit, the problem document,
//! and the watch that ends in the one log line.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use domain::{Clock, Ids, TokenId};
use futures_util::future::Either;
use http_body::Body as _;
use http_body_util::Limited;
use tower::{Layer, Service};

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

impl<S> Layer<S> for Edge {
    type Service = Edged<S>;

    fn layer(&self, inner: S) -> Edged<S> {
        Edged {
            edge: self.clone(),
            inner,
        }
    }
}

/// The outermost service.
#[derive(Clone)]
pub(crate) struct Edged<S> {
    edge: Edge,
    inner: S,
}

impl<S> Service<Request> for Edged<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let edge = &self.edge;
        let id = match request.extensions().get::<RequestId>() {
            Some(id) => id.clone(),
            None => RequestId(edge.ids.next::<TokenId>().to_string()),
        };
        let watch = edge.observer.watch(&request, id.clone(), edge.clock.clone());
        let method = request.method().clone();
        request.extensions_mut().insert(id);
        request.extensions_mut().insert(watch.seen());
        let answering = watch.meter().measure(self.inner.call(request));
        Box::pin(async move {
            let mut response = write_problem(answering.await?, &method, watch.id());
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
            Ok(response)
        })
    }
}

/// Refuses a body that says that it is too large, and cuts off one that turns out to be.
#[derive(Clone)]
pub(crate) struct LimitBody<S>(pub(crate) S);

impl<S> Service<Request> for LimitBody<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let size = request.body().size_hint();
        if size.lower() > BODY_MAX_BYTES as u64 {
            return Either::Left(ready(Ok(json::too_large().into_response())));
        }
        // One whose length is known needs no watching.
        let request = match size.exact() {
            Some(_) => request,
            None => request.map(|body| Body::new(Limited::new(body, BODY_MAX_BYTES))),
        };
        Either::Right(self.0.call(request))
    }
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
