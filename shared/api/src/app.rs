//! A function's router with all that stands around it.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::BoxError;
use axum::Router as Axum;
use axum::body::Bytes;
use axum::http::uri::PathAndQuery;
use axum::http::{Request, Uri};
use axum::response::Response;
use axum::routing::future::RouteFuture;
use http_body::Body;
use tower::{Service, ServiceBuilder};

use crate::config::Origins;
use crate::edge::{Edge, Guard};
use crate::error::{ApiError, Code};
use crate::observer::Observer;
use crate::router::{ALIAS_PREFIX, PREFIXES, Router};
use crate::state::AppState;

/// The application as it is served: both prefixes, problem documents for what no route answers, CORS, panics caught,
/// request ids, and every request seen by an observer. Clones are the same.
#[derive(Clone)]
pub struct App(Axum);

/// The application of these routes, whose requests are seen by `observer`.
pub fn app(router: Router, state: AppState, origins: &Origins, observer: Observer) -> App {
    // All of it as one layer: of several, axum boxes each.
    let around = ServiceBuilder::new()
        .layer(Edge::new(state.clone(), origins, observer))
        .layer_fn(Guard);
    let axum = router
        .into_axum()
        .fallback(|| async { ApiError::new(Code::NotFound, "No route of this API has this path.") })
        .method_not_allowed_fallback(|| async { method_not_allowed() })
        .layer(around)
        .with_state(state);
    App(axum)
}

impl<B> Service<Request<B>> for App
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A router always is.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(uri) = strip_alias_prefix(request.uri()) {
            *request.uri_mut() = uri;
            request.extensions_mut().insert(Before(ALIAS_PREFIX));
        }
        self.0.call(request)
    }
}

/// What stood before the path of a request that was taken to the first prefix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before(pub(crate) &'static str);

/// The address under the first prefix, if it is one under the second. Routes are made for one alone: making them is a good part of a cold start.
fn strip_alias_prefix(uri: &Uri) -> Option<Uri> {
    let [first, _] = PREFIXES;
    let rest = uri.path().strip_prefix(ALIAS_PREFIX)?.strip_prefix(first)?;
    if !(rest.is_empty() || rest.starts_with('/')) {
        return None;
    }
    let mut parts = uri.clone().into_parts();
    let path_and_query = &parts.path_and_query.as_ref()?.as_str()[ALIAS_PREFIX.len()..];
    parts.path_and_query = Some(PathAndQuery::try_from(path_and_query).ok()?);
    Uri::from_parts(parts).ok()
}

/// The refusal of a method that the path does not know.
pub(crate) fn method_not_allowed() -> ApiError {
    ApiError::new(
        Code::MethodNotAllowed,
        "This path does not answer the request's method; the header `Allow` has those that it does.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_the_second_prefix_is_taken_to_the_first_and_nothing_else_is() {
        for (uri, taken) in [
            ("/api/v5/sessions/1?a=b&c=%2F", Some("/v5/sessions/1?a=b&c=%2F")),
            ("http://localhost:1/api/v5/health", Some("http://localhost:1/v5/health")),
            ("/api/v5", Some("/v5")),
            ("/api/v5/", Some("/v5/")),
            ("/api/v5?a", Some("/v5?a")),
            ("/api/v5//", Some("/v5//")),
            ("/v5/sessions", None),
            ("/api/v55/sessions", None),
            ("/api/v4/sessions", None),
            ("/apiv5/sessions", None),
            ("/api/api/v5/sessions", None),
            ("/api/%765/sessions", None),
            ("/API/v5/sessions", None),
            ("/", None),
            ("*", None),
        ] {
            let found = strip_alias_prefix(&uri.parse().unwrap());
            assert_eq!(found, taken.map(|taken| taken.parse().unwrap()), "{uri}");
        }
        assert_eq!(PREFIXES[1], [ALIAS_PREFIX, PREFIXES[0]].concat());
    }
}
