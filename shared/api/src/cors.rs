//! Cross-origin resource sharing (WHATWG Fetch): which origins' pages may read responses.

use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::response::Response;
use futures_util::FutureExt as _;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};
use tower_http::cors::{AllowOrigin, CorsLayer, ResponseFuture};

use crate::config::Origins;
use crate::reply::IDEMPOTENCY_REPLAYED;
use crate::request_id::X_REQUEST_ID;

/// How long browsers may cache the response to a preflight.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Adds the headers that let pages of the allowed origins read responses.
pub(crate) struct Cors {
    layer: CorsLayer,
    /// The headers that the layer adds for each listed origin. They are computed once, because the layer would compute
    /// the same headers for every request.
    listed: Vec<(HeaderValue, HeaderMap)>,
    /// The headers for every other origin, and for requests without one.
    others: HeaderMap,
}

impl Cors {
    pub(crate) fn new(origins: &Origins) -> Self {
        let layer = layer(origins);
        let listed = match origins {
            Origins::Any => Vec::new(),
            Origins::Listed(list) => {
                let values = list.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
                values
                    .map(|origin| (origin.clone(), added_headers(&layer, Some(origin))))
                    .collect()
            }
        };
        Self {
            others: added_headers(&layer, None),
            layer,
            listed,
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
        for (name, value) in self.headers(origin) {
            // The layer does the same: it appends to `Vary` and replaces the others.
            if name == header::VARY {
                response.append(name, value.clone());
            } else {
                response.insert(name, value.clone());
            }
        }
    }

    fn headers(&self, origin: Option<&HeaderValue>) -> &HeaderMap {
        let listed = origin.and_then(|origin| self.listed.iter().find(|(listed, _)| listed == origin));
        listed.map_or(&self.others, |(_, headers)| headers)
    }
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
    let origins = match origins {
        Origins::Any => AllowOrigin::any(),
        Origins::Listed(list) => AllowOrigin::list(list.iter().filter_map(|origin| HeaderValue::from_str(origin).ok())),
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            HeaderName::from_static("idempotency-key"),
        ])
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            X_REQUEST_ID,
            header::RETRY_AFTER,
            IDEMPOTENCY_REPLAYED,
        ])
        .max_age(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cached_headers_are_those_that_the_layer_adds() {
        let allowed = ["https://app.example.com", "http://localhost:3000"];
        let listed = Origins::Listed(allowed.map(Into::into).to_vec());
        for origins in [Origins::Any, listed] {
            let cors = Cors::new(&origins);
            let evil = [
                "https://evil.example.com",
                "https://app.example.com.evil.com",
                "null",
                "",
            ];
            for origin in allowed.into_iter().chain(evil) {
                let origin = Some(HeaderValue::from_static(origin));
                assert_eq!(*cors.headers(origin.as_ref()), added_headers(&cors.layer, origin));
            }
            assert_eq!(*cors.headers(None), added_headers(&cors.layer, None));

            let mut response = HeaderMap::new();
            response.insert(header::VARY, HeaderValue::from_static("accept"));
            response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("etag"));
            cors.add_to(&mut response, None);
            let all = |name| response.get_all(name).iter().count();
            let varies = all(header::VARY) == 1 + cors.others.get_all(header::VARY).iter().count();
            assert!(
                varies && all(header::ACCESS_CONTROL_EXPOSE_HEADERS) == 1,
                "{response:?}"
            );
        }
    }
}
