//! Logs: one line per request, with the cause of a failure on it. Never a body, a token or a query.

use std::time::Duration;

use axum::http::Method;
use axum::response::Response;
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Logs};
use crate::error::ApiError;

/// Starts logging to standard error; a second time changes nothing.
pub(crate) fn init(logs: &Logs) {
    let filter = filter(&logs.filter);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A line that can not be written is lost. To complain about it on the same stream would panic.
        .log_internal_errors(false);
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
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(place, cause = message, "panicked");
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

/// The filter that is asked for, but never so fine that whole events are logged, with the bodies and tokens in them; and without the
/// runtime's own line about a failure or a panic, which has been logged where it happened.
fn filter(asked: &str) -> EnvFilter {
    let filter = EnvFilter::try_new(asked).unwrap_or_else(|_| EnvFilter::new("info"));
    [
        "lambda_runtime=info",
        "lambda_http=info",
        "lambda_runtime::layers::panic=off",
    ]
    .into_iter()
    .filter_map(|directive| directive.parse().ok())
    .fold(filter, EnvFilter::add_directive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_never_logs_its_events_whatever_is_asked_for() {
        for asked in [
            "trace",
            "lambda_runtime=trace",
            "debug,lambda_http=trace,lambda_runtime=debug",
        ] {
            let filter = filter(asked).to_string();
            let directives: Vec<_> = filter
                .split(',')
                .filter(|directive| directive.starts_with("lambda_"))
                .collect();
            assert!(
                directives.contains(&"lambda_runtime=info") && directives.contains(&"lambda_http=info"),
                "{filter}"
            );
            assert!(
                !directives
                    .iter()
                    .any(|directive| directive.ends_with("trace") || directive.ends_with("debug")),
                "{filter}"
            );
        }
    }
}
