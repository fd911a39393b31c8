//! Logs: one line per request, with the cause of a failure on it. Never a body, a token or a query.

use std::time::Duration;

use axum::http::Method;
use axum::response::Response;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogFormat, Logs};
use crate::error::ApiError;

/// Starts logging to standard error; a second time changes nothing.
pub(crate) fn init(logs: &Logs) {
    let _ = subscriber(logs, std::io::stderr).try_init();
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

/// What writes these logs to `writer`.
fn subscriber<W>(logs: &Logs, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = fmt::layer()
        .with_writer(writer)
        // A line that can not be written is lost. To complain about it on the same stream would panic.
        .log_internal_errors(false);
    let lines = match logs.format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .boxed(),
    };
    let asked = EnvFilter::try_new(&logs.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::registry()
        .with(lines)
        .with(asked)
        .with(filter_fn(may_be_logged))
}

/// Whatever is asked for, Lambda's crates never get so talkative that they log whole events, with the bodies and tokens in them. Neither
/// is the runtime's own line about a panic or a failure logged, which has been where it happened.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    !target.starts_with("lambda_runtime::layers::panic")
        && (!target.starts_with("lambda_") || *metadata.level() <= Level::INFO)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged if this is asked for, in either form.
    fn logged(asked: &str, work: impl Fn()) -> String {
        let lines = Lines::default();
        for format in [LogFormat::Text, LogFormat::Json] {
            let logs = Logs {
                filter: asked.to_owned(),
                format,
            };
            let writer = lines.clone();
            tracing::subscriber::with_default(subscriber(&logs, move || writer.clone()), &work);
        }
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_runtime_never_logs_its_events_whatever_is_asked_for() {
        let work = || {
            let span = tracing::info_span!(target: "lambda_runtime", "Lambda runtime invoke", requestId = "id");
            let _entered = span.enter();
            tracing::trace!(target: "lambda_runtime::layers::api_response", body = "marked", "Sending response");
            tracing::debug!(target: "lambda_runtime", body = "marked", "New event");
            tracing::trace!(target: "lambda_runtime_api_client", "marked");
            tracing::debug!(target: "lambda_http::request", "marked");
            tracing::debug!(target: "lambda_extension", "marked");
            tracing::error!(target: "lambda_runtime::layers::panic", "marked");
            tracing::info!(target: "lambda_runtime", "harmless");
        };
        for asked in [
            "trace",
            "lambda_runtime=trace",
            "debug,lambda_http=trace,lambda_runtime=debug",
            "info,lambda_runtime::layers::api_response=trace",
            "info,lambda_runtime::layers=debug,lambda_runtime::layers::panic=error",
            "lambda_=trace",
            "info,lambda_runtime::layers::api_response[{body}]=trace",
            "info,[Lambda runtime invoke]=trace",
            "info,[{requestId=id}]=trace",
            "info,[]=trace",
        ] {
            let lines = logged(asked, work);
            assert!(!lines.contains("marked"), "{asked}: {lines}");
            assert_eq!(lines.matches("harmless").count(), 2, "{asked}: {lines}");
        }
    }

    #[test]
    fn others_log_what_is_asked_for() {
        let work = || {
            tracing::trace!(target: "domain", "trace-line");
            tracing::info!(target: "domain", "info-line");
            tracing::warn!(target: "lambda_runtime", "warn-line");
        };
        for (asked, expected) in [
            ("info", [0, 2, 2]),
            ("domain=trace", [2, 2, 0]),
            ("error", [0, 0, 0]),
            ("trace", [2, 2, 2]),
            ("info,lambda_runtime=error", [0, 2, 0]),
        ] {
            let lines = logged(asked, work);
            let counts = ["trace-line", "info-line", "warn-line"].map(|line| lines.matches(line).count());
            assert_eq!(counts, expected, "{asked}: {lines}");
        }
    }
}
