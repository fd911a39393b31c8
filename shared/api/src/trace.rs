//! The log but for the lines of requests and jobs, which [`crate::line`] makes: whatever goes through `tracing`, ours and our libraries'.

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

use crate::config::{LogFormat, Logs};
use crate::line::LogSink;

/// Starts logging; a second time changes nothing.
pub(crate) fn init(logs: &Logs, lines: &LogSink) {
    let _ = subscriber(logs, lines).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(place, cause = message, "panicked");
    }));
}

/// What writes these logs to `lines`.
fn subscriber(logs: &Logs, lines: &LogSink) -> impl Subscriber + Send + Sync {
    let lines = lines.clone();
    let layer = match logs.format {
        LogFormat::Text => fmt::layer()
            .with_writer(move || lines.clone())
            .log_internal_errors(false)
            .with_target(false)
            .boxed(),
        LogFormat::Json => Json(lines).boxed(),
    };
    tracing_subscriber::registry()
        .with(layer)
        .with(logs.filter.clone())
        .with(filter_fn(may_be_logged))
}

/// Whatever is asked for, Lambda's crates never get so talkative that they log whole events, with the bodies and tokens in them. Neither
/// is the runtime's own line about a panic or a failure logged, which has been where it happened. Spans are on no line.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    !metadata.is_span()
        && !target.starts_with("lambda_runtime::layers::panic")
        && (!target.starts_with("lambda_") || *metadata.level() <= Level::INFO)
}

/// LogSink for machines: an object with the event's fields beside its time, level and target.
struct Json(LogSink);

impl<S: Subscriber> Layer<S> for Json {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.0.write(|json| {
            // Nothing in a line refuses to be written, nor does the buffer.
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

    use crate::config::Stream;

    use super::*;

    /// What is logged in one form if this is asked for.
    fn logged_as(format: LogFormat, asked: &str, work: impl Fn()) -> String {
        let logs = Logs {
            filter: asked.parse().unwrap(),
            format,
            stream: Stream::Error,
            function: None,
        };
        let written = Arc::new(Mutex::new(Vec::new()));
        let kept = written.clone();
        let lines = LogSink::from_fn(move |line| kept.lock().unwrap().extend_from_slice(line));
        tracing::subscriber::with_default(subscriber(&logs, &lines), work);
        let bytes = written.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// What is logged if this is asked for, in either form.
    fn logged(asked: &str, work: impl Fn()) -> String {
        [LogFormat::Text, LogFormat::Json]
            .map(|format| logged_as(format, asked, &work))
            .concat()
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

    #[test]
    fn a_line_for_machines_is_an_object_with_the_fields_as_they_are() {
        let line = logged_as(LogFormat::Json, "info", || {
            let cause = std::io::Error::other("a \"quote\"\nand a line");
            let nothing: Option<&str> = None;
            tracing::warn!(target: "a::b", nothing, count = 3_u64, below = -1_i64, share = 0.5, is = true, %cause, list = ?[1, 2], "said");
        });
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        let mut line: Value = serde_json::from_str(&line).unwrap();
        let time = line["timestamp"].take();
        let form = form_of(time.as_str().unwrap());
        assert_eq!(form, "0000-00-00T00:00:00.000Z");
        assert_eq!(
            line,
            json!({
                "timestamp": null, "level": "WARN", "target": "a::b", "message": "said", "count": 3, "below": -1, "share": 0.5, "is": true,
                "cause": "a \"quote\"\nand a line", "list": "[1, 2]",
            })
        );
    }

    /// The time with every digit a zero.
    fn form_of(time: &str) -> String {
        let zero = |c: char| if c.is_ascii_digit() { '0' } else { c };
        time.chars().map(zero).collect()
    }
}
