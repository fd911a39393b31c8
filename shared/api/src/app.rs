//! A function's router with everything around it: prefixes, layers and the responses for unknown routes.

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
use crate::error::{ApiError, Code};
use crate::guard::{Guard, LargeBodies};
use crate::observer::Observer;
use crate::request_context::RequestContext;
use crate::request_layer::RequestLayer;
use crate::router::{ALIAS_PREFIX, PREFIXES, Router};
use crate::state::AppState;

/// The complete application: both prefixes, request ids, CORS, problem documents, caught panics and telemetry. Clones
/// are equal.
#[derive(Clone)]
pub struct App(Axum);

/// Builds the application of these routes; `observer` reports its requests.
pub fn app(router: Router, state: AppState, origins: &Origins, observer: Observer) -> App {
    let large = LargeBodies::of(router.routes());
    let (axum, open_paths) = router.into_parts();
    // One layer that combines both: axum boxes the future of each layer that it is given.
    let layers = ServiceBuilder::new()
        .layer(RequestLayer::new(state.clone(), open_paths, origins, observer))
        .layer_fn(move |inner| Guard {
            inner,
            large: large.clone(),
        });
    let axum = axum
        .fallback(|| async { ApiError::new(Code::NotFound, "No route of this API has this path.") })
        .method_not_allowed_fallback(|| async { method_not_allowed() })
        .layer(layers)
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
        // An axum router is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(uri) = strip_alias_prefix(request.uri()) {
            *request.uri_mut() = uri;
            RequestContext::of(&mut request).set_alias_prefix(ALIAS_PREFIX);
        }
        self.0.call(request)
    }
}

/// The URI under the first prefix, if it is under the second one.
///
/// Routes are registered under the first prefix only, because registering routes is a considerable part of a cold
/// start.
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

/// The rejection of a method for which the path has no route.
pub(crate) fn method_not_allowed() -> ApiError {
    ApiError::new(
        Code::MethodNotAllowed,
        "This path does not support the request's method; the header `Allow` lists the supported methods.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_second_prefix_is_replaced_by_the_first() {
        for (uri, stripped) in [
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
            assert_eq!(found, stripped.map(|stripped| stripped.parse().unwrap()), "{uri}");
        }
        assert_eq!(PREFIXES[1], [ALIAS_PREFIX, PREFIXES[0]].concat());
    }
}
