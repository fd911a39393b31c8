//! Cross-origin resource sharing (WHATWG Fetch): which origins' pages may read responses.

use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::response::Response;
use futures_util::FutureExt as _;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};
use tower_http::cors::{AllowCredentials, AllowOrigin, CorsLayer, ResponseFuture};

use crate::config::Origins;

/// The methods that pages may use.
pub const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// The request headers that pages may set. Browsers let them set a few others without permission.
pub const REQUEST_HEADERS: [&str; 12] = [
    "authorization",
    "content-type",
    "if-match",
    "if-none-match",
    "idempotency-key",
    "range",
    "if-range",
    "content-digest",
    "repr-digest",
    // W3C Trace Context and Baggage, which instrumented pages add to every request.
    "traceparent",
    "tracestate",
    "baggage",
];

/// The response headers that pages may read.
pub const RESPONSE_HEADERS: [&str; 11] = [
    "content-disposition",
    "allow",
    "etag",
    "accept-ranges",
    "content-range",
    "repr-digest",
    "location",
    "x-request-id",
    "retry-after",
    "idempotency-replayed",
    "www-authenticate",
];

/// How long browsers may cache the response to a preflight.
pub const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Adds the headers that let pages of the allowed origins read responses.
pub(crate) struct Cors {
    origins: Origins,
    layer: CorsLayer,
    /// The headers of every response: all that the layer adds, except those that depend on the origin. They are
    /// computed once, because the layer would compute the same headers for every request.
    common: HeaderMap,
}

impl Cors {
    pub(crate) fn new(origins: &Origins) -> Self {
        let layer = layer(origins);
        Self {
            origins: origins.clone(),
            common: added_headers(&layer, None),
            layer,
        }
    }

    /// The response to a preflight; `service` is not called.
    pub(crate) fn preflight<S>(&self, service: S, request: Request) -> ResponseFuture<S::Future>
    where
        S: Service<Request, Response = Response>,
    {
        self.layer.layer(service).call(request)
    }

    /// Adds the headers for a request with this `Origin`.
    pub(crate) fn add_to(&self, response: &mut HeaderMap, origin: Option<&HeaderValue>) {
        for (name, value) in &self.common {
            // The layer does the same: it appends to `Vary` and replaces the others.
            if name == header::VARY {
                response.append(name, value.clone());
            } else {
                response.insert(name, value.clone());
            }
        }
        if let Some(origin) = origin
            && matches!(self.origins, Origins::Listed(_))
            && is_allowed(&self.origins, origin)
        {
            response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            if is_named(&self.origins, origin) {
                let yes = HeaderValue::from_static("true");
                response.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
            }
        }
    }
}

/// Whether pages of this origin may also send and receive cookies.
fn is_named(origins: &Origins, origin: &HeaderValue) -> bool {
    origin.to_str().is_ok_and(|origin| origins.names(origin))
}

fn is_allowed(origins: &Origins, origin: &HeaderValue) -> bool {
    origin.to_str().is_ok_and(|origin| origins.allow(origin))
}

/// The headers that the layer adds to the response to a request that is not a preflight.
fn added_headers(layer: &CorsLayer, origin: Option<HeaderValue>) -> HeaderMap {
    let mut request = Request::default();
    if let Some(origin) = origin {
        request.headers_mut().insert(header::ORIGIN, origin);
    }
    let bare = service_fn(|_: Request| ready(Ok::<_, Infallible>(Response::<()>::default())));
    let Some(Ok(response)) = layer.layer(bare).oneshot(request).now_or_never() else {
        unreachable!("neither the layer nor the service waits");
    };
    response.into_parts().0.headers
}

fn layer(origins: &Origins) -> CorsLayer {
    let allowed = match origins {
        Origins::Any => AllowOrigin::any(),
        Origins::Listed(_) => {
            let origins = origins.clone();
            AllowOrigin::predicate(move |origin, _| is_allowed(&origins, origin))
        }
    };
    let named = origins.clone();
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_credentials(AllowCredentials::predicate(move |origin, _| is_named(&named, origin)))
        .allow_methods(METHODS.map(|name| Method::from_bytes(name.as_bytes()).expect("a method of HTTP")))
        .allow_headers(REQUEST_HEADERS.map(HeaderName::from_static))
        .expose_headers(RESPONSE_HEADERS.map(HeaderName::from_static))
        .max_age(MAX_AGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_added_headers_are_those_that_the_layer_adds() {
        let allowed = ["https://app.example.com", "https://*.example.org", "vscode-webview:"];
        let listed = Origins::Listed(allowed.map(Into::into).to_vec());
        for origins in [Origins::Any, listed] {
            let cors = Cors::new(&origins);
            for origin in [
                Some("https://app.example.com"),
                Some("https://a.example.org"),
                Some("vscode-webview://a"),
                Some("https://evil.example.com"),
                Some("https://app.example.com.evil.com"),
                Some("https://*.example.org.evil.com"),
                Some("null"),
                Some(""),
                None,
            ] {
                let origin = origin.map(HeaderValue::from_static);
                let mut added = HeaderMap::new();
                cors.add_to(&mut added, origin.as_ref());
                assert_eq!(added, added_headers(&cors.layer, origin.clone()), "{origin:?}");
                let is_named = origins != Origins::Any && origin.as_ref().is_some_and(|origin| origin == allowed[0]);
                let credentials = added.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
                assert_eq!(credentials, is_named, "{origin:?}");
            }

            let mut response = HeaderMap::new();
            response.insert(header::VARY, HeaderValue::from_static("accept"));
            response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("etag"));
            cors.add_to(&mut response, None);
            let all = |name| response.get_all(name).iter().count();
            let varies = all(header::VARY) == 1 + cors.common.get_all(header::VARY).iter().count();
            assert!(
                varies && all(header::ACCESS_CONTROL_EXPOSE_HEADERS) == 1,
                "{response:?}"
            );
        }
    }
}
