//! The innermost layer, directly around the handlers: it limits the size of bodies and responds for a handler that
//! panics.

use std::any::Any;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::panic::AssertUnwindSafe;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use futures_util::future::{CatchUnwind, Either, FutureExt as _, Map};
use http_body::Body as _;
use http_body_util::Limited;
use tower::Service;

use crate::error::ApiError;
use crate::json::{self, BODY_MAX_BYTES};

/// Rejects a body whose declared length exceeds the limit, cuts off any other body at the limit, and turns a panic into
/// a response.
///
/// A handler can only panic while its future is polled, because axum creates nothing but that future before.
#[derive(Clone)]
pub(crate) struct Guard<S>(pub(crate) S);

impl<S> Service<Request> for Guard<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, CaughtPanic<S::Future>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let size = request.body().size_hint();
        if size.lower() > BODY_MAX_BYTES as u64 {
            return Either::Left(ready(Ok(json::body_too_large().into_response())));
        }
        // The server enforces a declared length, so that only a body without one is counted.
        let request = match size.exact() {
            Some(_) => request,
            None => request.map(|body| Body::new(Limited::new(body, BODY_MAX_BYTES))),
        };
        // A panic leaves no half-changed state behind: what handlers share is behind locks that allow for panics.
        let response = AssertUnwindSafe(self.0.call(request)).catch_unwind();
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
