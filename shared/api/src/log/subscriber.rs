//! The lines of `tracing` events: all log lines, our own and those of libraries, except the lines of requests and jobs.

use domain::Clock as _;
use domain::SystemClock;
use serde::Serializer as _;
use serde::ser::SerializeMap;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::sink::LogSink;
use crate::config::{LogFormat, Logs};

/// Starts logging. A second call has no effect.
pub(crate) fn init(logs: &Logs, sink: &LogSink) {
    let _ = subscriber(logs, sink).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(place, cause = message, "panicked");
    }));
}

/// The subscriber that writes to `sink`.
pub(super) fn subscriber(logs: &Logs, sink: &LogSink) -> impl Subscriber + Send + Sync {
    let sink = sink.clone();
    let layer = match logs.format {
        LogFormat::Text => fmt::layer()
            .with_writer(move || sink.clone())
            .log_internal_errors(false)
            .with_target(false)
            .boxed(),
        LogFormat::Json => Json(sink).boxed(),
    };
    tracing_subscriber::registry()
        .with(layer)
        .with(logs.filter.clone())
        .with(filter_fn(may_be_logged))
}

/// Excludes, under any configured filter:
///
/// - the verbose levels of the Lambda crates, which log whole events, including bodies and tokens;
/// - the runtime's own event about a panic or a failure, which has been logged where it happened;
/// - spans, which no line shows.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    !metadata.is_span()
        && !target.starts_with("lambda_runtime::layers::panic")
        && (!target.starts_with("lambda_") || *metadata.level() <= Level::INFO)
}

/// Writes events as JSON lines: one object with the timestamp, the level, the target and the event's fields.
struct Json(LogSink);

impl<S: Subscriber> Layer<S> for Json {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.0.write_now(|json| {
            // Neither the serialization of a line nor its buffer can fail.
            let Ok(mut members) = json.serialize_map(None) else {
                return;
            };
            let metadata = event.metadata();
            let _ = members.serialize_entry("timestamp", &SystemClock.now());
            let _ = members.serialize_entry("level", metadata.level().as_str());
            let _ = members.serialize_entry("target", metadata.target());
            event.record(&mut Members(&mut members));
            let _ = members.end();
        });
    }
}

/// Writes an event's fields as members of an object.
struct Members<'a, M>(&'a mut M);

impl<M: SerializeMap> Visit for Members<'_, M> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = self.0.serialize_entry(field.name(), &format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = self.0.serialize_entry(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        let _ = self.0.serialize_entry(field.name(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        let _ = self.0.serialize_entry(field.name(), &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let _ = self.0.serialize_entry(field.name(), &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let _ = self.0.serialize_entry(field.name(), &value);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use crate::config::{AddressDetail, Stream};

    use super::*;

    /// The lines that `work` logs in this format with this filter.
    fn logged_as(format: LogFormat, filter: &str, work: impl Fn()) -> String {
        let logs = Logs {
            filter: filter.parse().unwrap(),
            format,
            stream: Stream::Error,
            client_address: AddressDetail::default(),
            function: None,
        };
        let written = Arc::new(Mutex::new(Vec::new()));
        let kept = written.clone();
        let sink = LogSink::from_fn(move |line| kept.lock().unwrap().extend_from_slice(line));
        tracing::subscriber::with_default(subscriber(&logs, &sink), work);
        let bytes = written.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// The lines that `work` logs with this filter, first as text, then as JSON.
    fn logged(filter: &str, work: impl Fn()) -> String {
        [LogFormat::Text, LogFormat::Json]
            .map(|format| logged_as(format, filter, &work))
            .concat()
    }

    #[test]
    fn no_filter_makes_the_lambda_crates_log_events() {
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
        for filter in [
            "trace",
            "lambda_runtime=trace",
            "debug,lambda_http=trace,lambda_runtime=debug",
            "info,lambda_runtime::layers::api_response=trace",
            "info,lambda_runtime::layers=debug,lambda_runtime::layers::panic=error",
            "lambda_=trace",
            "info,lambda_runtime::layers::api_response[{body}]=trace",
        ] {
            let lines = logged(filter, work);
            assert!(!lines.contains("marked"), "{filter}: {lines}");
            assert_eq!(lines.matches("harmless").count(), 2, "{filter}: {lines}");
        }
    }

    #[test]
    fn other_crates_log_what_the_filter_selects() {
        let work = || {
            tracing::trace!(target: "domain", "trace-line");
            tracing::info!(target: "domain", "info-line");
            tracing::warn!(target: "lambda_runtime", "warn-line");
        };
        for (filter, expected) in [
            ("info", [0, 2, 2]),
            ("domain=trace", [2, 2, 0]),
            ("error", [0, 0, 0]),
            ("trace", [2, 2, 2]),
            ("info,lambda_runtime=error", [0, 2, 0]),
        ] {
            let lines = logged(filter, work);
            let counts = ["trace-line", "info-line", "warn-line"].map(|line| lines.matches(line).count());
            assert_eq!(counts, expected, "{filter}: {lines}");
        }
    }

    #[test]
    fn a_json_line_is_an_object_with_the_events_fields() {
        let line = logged_as(LogFormat::Json, "info", || {
            let cause = std::io::Error::other("a \"quote\"\nand a line");
            let nothing: Option<&str> = None;
            tracing::warn!(
                target: "a::b",
                nothing, count = 3_u64, below = -1_i64, share = 0.5, is = true, %cause, list = ?[1, 2], "said"
            );
        });
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        let mut line: Value = serde_json::from_str(&line).unwrap();
        let time = line["timestamp"].take();
        let time = digits_as_zero(time.as_str().unwrap());
        assert_eq!(time, "0000-00-00T00:00:00.000Z");
        assert_eq!(
            line,
            json!({
                "timestamp": null, "level": "WARN", "target": "a::b", "message": "said",
                "count": 3, "below": -1, "share": 0.5, "is": true,
                "cause": "a \"quote\"\nand a line", "list": "[1, 2]",
            })
        );
    }

    /// The text with every digit replaced by zero.
    fn digits_as_zero(time: &str) -> String {
        let zero = |c: char| if c.is_ascii_digit() { '0' } else { c };
        time.chars().map(zero).collect()
    }
}
