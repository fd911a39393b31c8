//! The innermost layer, directly around the handlers: it limits the size of bodies and responds for a handler that
//! panics.

use std::any::Any;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::response::{IntoResponse as _, Response};
use futures_util::future::{CatchUnwind, Either, FutureExt as _, Map};
use http_body::Body as _;
use http_body_util::Limited;
use tower::Service;

use crate::error::ApiError;
use crate::json::{self, BODY_MAX_BYTES};
use crate::router::{PREFIXES, Route};

/// The routes that accept larger bodies than the others.
#[derive(Clone, Default)]
pub(crate) struct LargeBodies(Option<Arc<[LargeBody]>>);

struct LargeBody {
    method: &'static str,
    /// With the prefix, as axum names the route.
    path: String,
    max_bytes: usize,
}

impl LargeBodies {
    pub(crate) fn of(routes: &[Route]) -> Self {
        let [prefix, _] = PREFIXES;
        let large = routes.iter().filter(|route| route.body_max_bytes > BODY_MAX_BYTES);
        let large = large.map(|route| LargeBody {
            method: route.method,
            path: [prefix, &route.path].concat(),
            max_bytes: route.body_max_bytes,
        });
        let large: Arc<[_]> = large.collect();
        Self((!large.is_empty()).then_some(large))
    }

    /// The largest body that the route of the request accepts, in bytes.
    fn limit(&self, request: &Request) -> usize {
        let route = request.extensions().get::<MatchedPath>();
        let (Some(large), Some(route)) = (&self.0, route) else {
            return BODY_MAX_BYTES;
        };
        let is_own = |body: &&LargeBody| body.path == route.as_str() && body.method == request.method().as_str();
        large.iter().find(is_own).map_or(BODY_MAX_BYTES, |body| body.max_bytes)
    }
}

/// Rejects a body whose declared length exceeds the limit of its route, cuts off any other body at the limit, and turns
/// a panic into a response.
///
/// A handler can only panic while its future is polled, because axum creates nothing but that future before.
#[derive(Clone)]
pub(crate) struct Guard<S> {
    pub(crate) inner: S,
    pub(crate) large: LargeBodies,
}

impl<S> Service<Request> for Guard<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, CaughtPanic<S::Future>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let size = request.body().size_hint();
        // The server enforces a declared length, so that only a body without one is counted.
        let request = match size.exact() {
            Some(length) if length <= BODY_MAX_BYTES as u64 => request,
            length => {
                let max_bytes = self.large.limit(&request);
                if length.unwrap_or(size.lower()) > max_bytes as u64 {
                    return Either::Left(ready(Ok(json::body_too_large(max_bytes).into_response())));
                }
                match length {
                    Some(_) => request,
                    None => request.map(|body| Body::new(Limited::new(body, max_bytes))),
                }
            }
        };
        // A panic leaves no half-changed state behind: what handlers share is behind locks that allow for panics.
        let response = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        Either::Right(response.map(respond_to_panic))
    }
}

type CaughtPanic<F> = Map<CatchUnwind<AssertUnwindSafe<F>>, fn(Outcome) -> Result<Response, Infallible>>;

type Outcome = Result<Result<Response, Infallible>, Box<dyn Any + Send>>;

fn respond_to_panic(outcome: Outcome) -> Result<Response, Infallible> {
    outcome.unwrap_or_else(|_| {
        let error = ApiError::internal("the handler panicked; the previous log line says where and why");
        Ok(error.into_response())
    })
}
