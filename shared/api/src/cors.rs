//! Cross-origin rules (WHATWG Fetch), from configuration.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::config::Origins;
use crate::edge::X_REQUEST_ID;
use crate::reply::IDEMPOTENCY_REPLAYED;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn layer(origins: &Origins) -> CorsLayer {
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
