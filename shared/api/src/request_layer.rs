//! The outermost layer: it gives every request an id and a timer, and every response its problem document and common
//! headers.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use domain::{IdGenerator, ready};
use futures_util::future::Either;
use tower::{Layer, Service};

use crate::config::Origins;
use crate::cors::Cors;
use crate::date;
use crate::error::{ApiError, Code};
use crate::observer::{Observer, RequestTimer};
use crate::problem::Problem;
use crate::request_context::RequestContext;
use crate::request_id::{RequestId, X_REQUEST_ID};
use crate::state::AppState;

/// The statuses after which the server closes the connection: it has not read the whole request.
const CLOSING: [StatusCode; 2] = [StatusCode::REQUEST_TIMEOUT, StatusCode::PAYLOAD_TOO_LARGE];

/// Browsers use TLS for a year after this header (RFC 6797). It says nothing about other names of the domain.
const HSTS: &str = "max-age=31536000";

/// Creates the outermost service. Clones share its parts, because axum clones the service for every request.
#[derive(Clone)]
pub(crate) struct RequestLayer(Arc<Shared>);

struct Shared {
    state: AppState,
    /// The paths that are served whatever the store contains.
    open_paths: Vec<String>,
    cors: Cors,
    observer: Observer,
    /// Generates the ids of requests; those of the domain must ascend in the whole process, and these need not.
    ids: IdGenerator,
}

impl RequestLayer {
    pub(crate) fn new(state: AppState, open_paths: Vec<String>, origins: &Origins, observer: Observer) -> Self {
        let cors = Cors::new(origins);
        let ids = IdGenerator::new(state.env.clock.clone(), state.env.rng.clone());
        Self(Arc::new(Shared {
            state,
            open_paths,
            cors,
            observer,
            ids,
        }))
    }
}

impl<S> Layer<S> for RequestLayer {
    type Service = RequestService<S>;

    fn layer(&self, inner: S) -> RequestService<S> {
        RequestService {
            layer: self.clone(),
            inner,
        }
    }
}

/// The outermost service.
#[derive(Clone)]
pub(crate) struct RequestService<S> {
    layer: RequestLayer,
    inner: S,
}

impl<S> Service<Request> for RequestService<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static> + Clone + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let Shared {
            state,
            cors,
            observer,
            ids,
            ..
        } = &*self.layer.0;
        let context = RequestContext::of(&mut request);
        let id = context.request_id_or(|| RequestId::generated(ids.next()));
        let context = context.clone();
        let server = context.server_request();
        let alias_prefix = context.alias_prefix();
        let timer = observer.start_timer(&request, id, context, state.env.clock.clone());
        let method = request.method().clone();
        let origin = request.headers().get(header::ORIGIN).cloned();
        let layer = self.layer.clone();
        if let Some(code) = server.and_then(|server| server.rejection) {
            let response = rejected(code).into_response();
            return Box::pin(async move { Ok(layer.respond(response, &method, origin.as_ref(), timer)) });
        }
        if method == Method::OPTIONS {
            let preflight = cors.preflight(self.inner.clone(), request);
            return Box::pin(async move {
                let mut response = preflight.await?;
                // tower-http responds with 200, but the response has no body.
                *response.status_mut() = StatusCode::NO_CONTENT;
                Ok(finish(response, timer))
            });
        }
        let response = if self.layer.must_check_store(&request) {
            Either::Left(self.layer.call_if_store_is_usable(self.inner.clone(), request))
        } else {
            Either::Right(self.inner.call(request))
        };
        let response = timer.meter().measure(response);
        Box::pin(async move {
            let mut response = response.await?;
            if !alias_prefix.is_empty() {
                add_prefix(response.headers_mut(), alias_prefix);
            }
            if server.is_some() {
                yield_to_ready_requests().await;
            }
            Ok(layer.respond(response, &method, origin.as_ref(), timer))
        })
    }
}

impl RequestLayer {
    /// Whether the process does not know yet if the store contains a part of a dump, or knows that it does, and the
    /// request is for a route that serves tenants' data.
    fn must_check_store(&self, request: &Request) -> bool {
        let Shared { state, open_paths, .. } = &*self.0;
        let is_open = |path: &MatchedPath| open_paths.iter().any(|open| open == path.as_str());
        state.env.readiness.must_check()
            && (request.extensions().get::<MatchedPath>()).is_some_and(|path| !is_open(path))
    }

    /// Calls the handler unless the store contains a part of a dump. Boxed, because it is rare and would enlarge the
    /// future of every request.
    fn call_if_store_is_usable<S>(
        &self,
        mut inner: S,
        request: Request,
    ) -> Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>
    where
        S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static> + Send + 'static,
    {
        let state = self.0.state.clone();
        Box::pin(async move {
            match ready::require_usable(&state.env).await {
                Ok(()) => inner.call(request).await,
                Err(error) => Ok(ApiError::from(error).into_response()),
            }
        })
    }

    /// Completes a response that is not one to a preflight.
    fn respond(
        &self,
        response: Response,
        method: &Method,
        origin: Option<&HeaderValue>,
        timer: RequestTimer,
    ) -> Response {
        let mut response = write_problem(response, method, timer.id());
        self.0.cors.add_to(response.headers_mut(), origin);
        finish(response, timer)
    }
}

/// The response to a request that the server does not serve.
pub(crate) fn rejected(code: Code) -> ApiError {
    let detail = match code {
        Code::MalformedRequest => "Send exactly one `Host`, a host name or an address with an optional port.",
        _ => {
            "The server, or the client's address, has as many connections or requests in progress as it may have. Wait \
             for some to finish, and try again."
        }
    };
    ApiError::new(code, detail)
}

/// Adds the prefix that was removed from the request's path to the path of a created resource.
fn add_prefix(headers: &mut HeaderMap, alias_prefix: &str) {
    let Some(Ok(path)) = headers.get(header::LOCATION).map(HeaderValue::to_str) else {
        return;
    };
    // A large file is at a URL of the object store.
    if !path.starts_with('/') {
        return;
    }
    if let Ok(location) = HeaderValue::try_from([alias_prefix, path].concat()) {
        headers.insert(header::LOCATION, location);
    }
}

/// Yields once to the tasks that are ready on this thread.
///
/// Under load the thread then computes the responses to all waiting requests before it sends the first one. The
/// receiver of the responses, a client or proxy on the same machine, wakes up once for several of them; waking it takes
/// longer than computing a response.
async fn yield_to_ready_requests() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if has_yielded {
            return Poll::Ready(());
        }
        has_yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Adds the common headers and stops the timer.
fn finish(mut response: Response, timer: RequestTimer) -> Response {
    let status = response.status();
    let is_from_server = timer.context().server_request().is_some();
    let headers = response.headers_mut();
    // An immutable file has its own.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if timer.context().is_https() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
    if let Ok(value) = HeaderValue::from_str(timer.id().as_str()) {
        headers.insert(X_REQUEST_ID, value);
    }
    let at = timer.finish(&response);
    if is_from_server {
        let headers = response.headers_mut();
        headers.insert(header::DATE, date::header(at));
        // The rest of such a request is not parsed as the next one.
        if CLOSING.contains(&status) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
    response
}

/// Writes the problem document of a failed request. The error has no body before, because only this layer knows the
/// request's id.
fn write_problem(mut response: Response, method: &Method, id: &RequestId) -> Response {
    let Some(error) = response.extensions().get::<ApiError>().cloned() else {
        return response;
    };
    let document = serde_json::to_vec(&Problem::new(&error, id.as_str())).unwrap_or_default();
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
    use std::time::Duration;

    use futures_util::poll;
    use utoipa::openapi::path::HttpMethod;

    use super::*;
    use crate::app::app;
    use crate::log::LogSink;
    use crate::request_context::ServerRequest;
    use crate::router::Router;

    #[tokio::test]
    async fn tasks_that_are_ready_run_before_a_task_that_yields() {
        let finished = Arc::new(Mutex::new(Vec::new()));
        let spawn = |number, yields: bool| {
            let finished = finished.clone();
            tokio::spawn(async move {
                if yields {
                    yield_to_ready_requests().await;
                }
                finished.lock().unwrap().push(number);
            })
        };
        let (first, second, third) = (spawn(1, true), spawn(2, false), spawn(3, true));
        tokio::try_join!(first, second, third).unwrap();
        assert_eq!(*finished.lock().unwrap(), [2, 1, 3]);
    }

    #[tokio::test]
    async fn response_yields_once_when_the_thread_is_shared_and_is_logged_after() {
        let folder = tempfile::tempdir().unwrap();
        let logged = Arc::new(Mutex::new(0));
        let count = logged.clone();
        let sink = LogSink::from_fn(move |_| *count.lock().unwrap() += 1);
        let handler = || async { StatusCode::NO_CONTENT };
        let router = Router::new().on(&HttpMethod::Get, "/here", handler);
        let observer = Observer::with_embedded_metrics(sink, "test");
        let mut app = app(router, AppState::on(&folder), &Origins::Any, observer);
        for yields in [false, true] {
            let mut request = Request::get("/v5/here").body(Body::empty()).unwrap();
            if yields {
                let server = ServerRequest {
                    body_deadline: Duration::MAX,
                    rejection: None,
                };
                let context = RequestContext::default().with_server_request(server);
                request.extensions_mut().insert(context);
            }
            let mut response = app.call(request);
            assert_eq!(poll!(&mut response).is_pending(), yields);
            assert_eq!(*logged.lock().unwrap(), 1, "only the first request is logged");
            if yields {
                assert_eq!(response.await.unwrap().status(), StatusCode::NO_CONTENT);
            }
        }
        assert_eq!(*logged.lock().unwrap(), 2);
    }
}
