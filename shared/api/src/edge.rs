//! What every request passes first and every response last: the request's id, the body's limit, the problem document,
//! and the watch that ends in the one log line.

use std::any::Any;
use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use domain::TokenId;
use futures_util::future::{CatchUnwind, Either, FutureExt as _, Map};
use http_body::Body as _;
use http_body_util::Limited;
use tower::{Layer, Service};

use crate::config::Origins;
use crate::cors::Cors;
use crate::error::ApiError;
use crate::json::{self, BODY_MAX_BYTES};
use crate::observer::{Observer, Watch};
use crate::problem::Problem;
use crate::state::AppState;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id that the gateway or the Lambda service gave a request; the server inserts it as an extension, from which it is taken here. A request
/// without one is given one. What a client sends as `X-Request-Id` is not taken: it could be another request's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

/// Says, as an extension of a request, that its server has others to answer: the answer lets them go first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LetsOthersGoFirst;

/// What the edge needs. Clones share it: axum makes one of every request.
#[derive(Clone)]
pub(crate) struct Edge(Arc<Needs>);

struct Needs {
    state: AppState,
    cors: Cors,
    observer: Observer,
}

impl Edge {
    pub(crate) fn new(state: AppState, origins: &Origins, observer: Observer) -> Self {
        let cors = Cors::new(origins);
        Self(Arc::new(Needs { state, cors, observer }))
    }
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
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static> + Clone,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let Needs { state, cors, observer } = &*self.edge.0;
        let given = request.extensions_mut().remove::<RequestId>();
        let id = given.unwrap_or_else(|| RequestId(state.env.ids.next::<TokenId>().to_string()));
        let lets_others_go_first = request.extensions_mut().remove::<LetsOthersGoFirst>().is_some();
        let watch = observer.watch(&request, id, state.env.clock.clone());
        request.extensions_mut().insert(watch.seen());
        let method = request.method().clone();
        if method == Method::OPTIONS {
            let preflight = cors.preflight(self.inner.clone(), request);
            return Box::pin(async move {
                let mut response = preflight.await?;
                // It has no body.
                *response.status_mut() = StatusCode::NO_CONTENT;
                Ok(finished(response, watch))
            });
        }
        let origin = request.headers().get(header::ORIGIN).cloned();
        let edge = self.edge.clone();
        let answering = watch.meter().measure(self.inner.call(request));
        Box::pin(async move {
            let mut response = write_problem(answering.await?, &method, watch.id());
            let headers = response.headers_mut();
            edge.0.cors.add_to(headers, origin.as_ref());
            if lets_others_go_first {
                let_others_go_first().await;
            }
            Ok(finished(response, watch))
        })
    }
}

/// Stands right before the handler: refuses a body that says that it is too large, cuts off one that turns out to be, and answers for a handler
/// that panics, which it does while its future is polled: axum makes nothing but that future before.
#[derive(Clone)]
pub(crate) struct Guard<S>(pub(crate) S);

impl<S> Service<Request> for Guard<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, Caught<S::Future>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let size = request.body().size_hint();
        if size.lower() > BODY_MAX_BYTES as u64 {
            return Either::Left(ready(Ok(json::body_too_large().into_response())));
        }
        // One whose length is known needs no watching.
        let request = match size.exact() {
            Some(_) => request,
            None => request.map(|body| Body::new(Limited::new(body, BODY_MAX_BYTES))),
        };
        // Nothing that is used after a panic can be half changed: what handlers share is behind locks that allow for it.
        let answering = AssertUnwindSafe(self.0.call(request)).catch_unwind();
        Either::Right(answering.map(caught))
    }
}

type Ended = Result<Result<Response, Infallible>, Box<dyn Any + Send>>;

/// A handler's answer, whatever becomes of the handler.
type Caught<F> = Map<CatchUnwind<AssertUnwindSafe<F>>, fn(Ended) -> Result<Response, Infallible>>;

fn caught(ended: Ended) -> Result<Response, Infallible> {
    let panicked = |_| ApiError::internal("the handler panicked; the line before says where and why").into_response();
    ended.unwrap_or_else(|panic| Ok(panicked(panic)))
}

/// Lets everything run that this thread can run now. So the answers to all requests that were there are made first, and then leave one after the
/// other: whoever they go to on the same machine, a client or a proxy, is woken once for several, which takes longer than to make one.
async fn let_others_go_first() {
    let mut have_gone = false;
    poll_fn(|context| {
        if have_gone {
            return Poll::Ready(());
        }
        have_gone = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The answer as it leaves, of which the watch takes note.
fn finished(mut response: Response, watch: Watch) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(&watch.id().0) {
        headers.insert(X_REQUEST_ID, value);
    }
    watch.answered(&response);
    response
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::http::StatusCode;
    use futures_util::poll;
    use utoipa::openapi::path::HttpMethod;

    use super::*;
    use crate::app::app;
    use crate::line::LogSink;
    use crate::router::Router;

    #[tokio::test]
    async fn others_that_can_run_go_first_and_each_goes_once() {
        let gone = Arc::new(Mutex::new(Vec::new()));
        let go = |number, lets_others: bool| {
            let gone = gone.clone();
            tokio::spawn(async move {
                if lets_others {
                    let_others_go_first().await;
                }
                gone.lock().unwrap().push(number);
            })
        };
        let (first, second, third) = (go(1, true), go(2, false), go(3, true));
        tokio::try_join!(first, second, third).unwrap();
        assert_eq!(*gone.lock().unwrap(), [2, 1, 3]);
    }

    #[tokio::test]
    async fn an_answer_waits_for_others_if_its_server_has_some_and_is_not_told_of_before() {
        let folder = tempfile::tempdir().unwrap();
        let told = Arc::new(Mutex::new(0));
        let count = told.clone();
        let lines = LogSink::from_fn(move |_| *count.lock().unwrap() += 1);
        let router = Router::new().on(&HttpMethod::Get, "/here".to_owned(), || async {
            StatusCode::NO_CONTENT
        });
        let observer = Observer::with_embedded_metrics(lines, "test");
        let mut app = app(router, AppState::on(&folder), &Origins::Any, observer);
        for has_others in [false, true] {
            let mut request = Request::get("/v5/here").body(Body::empty()).unwrap();
            if has_others {
                request.extensions_mut().insert(LetsOthersGoFirst);
            }
            let mut answering = app.call(request);
            assert_eq!(poll!(&mut answering).is_pending(), has_others);
            assert_eq!(*told.lock().unwrap(), 1, "the first request alone");
            if has_others {
                assert_eq!(answering.await.unwrap().status(), StatusCode::NO_CONTENT);
            }
        }
        assert_eq!(*told.lock().unwrap(), 2);
    }
}
