//! Logs: one line per request, with the cause of a failure on it. Never a body, a token or a query.

use std::time::Duration;

use axum::http::Method;
use axum::response::Response;
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Logs};
use crate::error::ApiError;

/// Starts logging to standard error; a second time changes nothing.
pub(crate) fn init(logs: &Logs) {
    let filter = EnvFilter::try_new(&logs.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let _ = match logs.format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        // The message is logged with the request that panicked; here is the place, which only the hook knows.
        tracing::error!(place, "panicked");
    }));
}

pub(crate) fn request(id: &str, method: &Method, route: Option<&str>, response: &Response, took: Duration) {
    let status = response.status().as_u16();
    let duration_ms = took.as_secs_f64() * 1000.0;
    let error = response.extensions().get::<ApiError>();
    let code = error.map(|error| error.code().as_str());
    let cause = error.and_then(|error| error.cause.as_deref());
    let method = method.as_str();
    let route = route.unwrap_or("(none)");
    if response.status().is_server_error() {
        tracing::error!(
            request_id = id,
            method,
            route,
            status,
            duration_ms,
            code,
            cause,
            "request"
        );
    } else {
        tracing::info!(
            request_id = id,
            method,
            route,
            status,
            duration_ms,
            code,
            cause,
            "request"
        );
    }
}
