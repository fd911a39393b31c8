//! Cross-origin rules (WHATWG Fetch), from configuration.

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
use crate::edge::X_REQUEST_ID;
use crate::reply::IDEMPOTENCY_REPLAYED;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What is added to answers, so that browsers let pages of these origins read them.
pub(crate) struct Cors {
    layer: CorsLayer,
    /// What the layer adds to the answer of a page of each listed origin, asked once: it would make the same again for every request.
    listed: Vec<(HeaderValue, HeaderMap)>,
    /// And of anybody else.
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
                    .map(|origin| (origin.clone(), added(&layer, Some(origin))))
                    .collect()
            }
        };
        Self {
            others: added(&layer, None),
            layer,
            listed,
        }
    }

    /// The answer to a preflight; `service` is not asked.
    pub(crate) fn preflight<S>(&self, service: S, request: Request) -> ResponseFuture<S::Future>
    where
        S: Service<Request, Response = Response>,
    {
        self.layer.layer(service).call(request)
    }

    /// Adds what the answer to a request of a page of this origin has.
    pub(crate) fn add_to(&self, answer: &mut HeaderMap, origin: Option<&HeaderValue>) {
        for (name, value) in self.headers(origin) {
            // As the layer does it.
            if name == header::VARY {
                answer.append(name, value.clone());
            } else {
                answer.insert(name, value.clone());
            }
        }
    }

    fn headers(&self, origin: Option<&HeaderValue>) -> &HeaderMap {
        let listed = origin.and_then(|origin| self.listed.iter().find(|(listed, _)| listed == origin));
        listed.map_or(&self.others, |(_, headers)| headers)
    }
}

/// What the layer adds to an answer to anything but a preflight.
fn added(layer: &CorsLayer, origin: Option<HeaderValue>) -> HeaderMap {
    let mut request = Request::default();
    if let Some(origin) = origin {
        request.headers_mut().insert(header::ORIGIN, origin);
    }
    let bare = service_fn(|_: Request| ready(Ok::<_, Infallible>(Response::<()>::default())));
    let Some(Ok(answer)) = layer.layer(bare).oneshot(request).now_or_never() else {
        unreachable!("nothing is waited for");
    };
    answer.into_parts().0.headers
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
    fn what_was_asked_once_is_what_the_layer_would_add() {
        let ours = ["https://app.example.com", "http://localhost:3000"];
        let listed = Origins::Listed(ours.map(Into::into).to_vec());
        for origins in [Origins::Any, listed] {
            let cors = Cors::new(&origins);
            let evil = [
                "https://evil.example.com",
                "https://app.example.com.evil.com",
                "null",
                "",
            ];
            for origin in ours.into_iter().chain(evil) {
                let origin = Some(HeaderValue::from_static(origin));
                assert_eq!(*cors.headers(origin.as_ref()), added(&cors.layer, origin));
            }
            assert_eq!(*cors.headers(None), added(&cors.layer, None));

            let mut answer = HeaderMap::new();
            answer.insert(header::VARY, HeaderValue::from_static("accept"));
            answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("etag"));
            cors.add_to(&mut answer, None);
            let all = |name| answer.get_all(name).iter().count();
            let varies = all(header::VARY) == 1 + cors.others.get_all(header::VARY).iter().count();
            assert!(varies && all(header::ACCESS_CONTROL_EXPOSE_HEADERS) == 1, "{answer:?}");
        }
    }
}
