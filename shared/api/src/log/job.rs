//! The record of a finished job: its log line and its metrics. `shared/testkit/schemas/job-log-line.schema.json`
//! describes the line.

use std::time::Duration;

use domain::Timestamp;
use serde::Serialize;
use serde_json::Value as Json;
use tracing::{Level, debug, enabled, error, field, info};

use super::emf::{Declaration, EmbeddedMetrics, Value};
use super::line::{Line, millis, serialize_millis};
use super::sink::LogSink;
use crate::trace_id::TraceId;

/// The target of job log lines, for `RUST_LOG`.
const TARGET: &str = "api::job";

static DECLARATION: Declaration = Declaration::new();

/// A finished job: the members of its log line, in their order.
#[derive(Serialize)]
pub(crate) struct FinishedJob<'a> {
    /// When it finished: the line's timestamp.
    #[serde(skip)]
    pub(crate) at: Timestamp,
    /// The id of the invocation, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace_id: Option<TraceId>,
    pub(crate) job: &'static str,
    #[serde(rename = "duration_ms", serialize_with = "serialize_millis")]
    pub(crate) duration: Duration,
    /// What the job did, if it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) summary: Option<&'a Json>,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<&'a str>,
    pub(crate) store_trips: u32,
    /// Attempts of its transactions, without the first attempt of each.
    pub(crate) store_retries: u32,
    /// Whether a success is logged at the level `DEBUG`, because the job had nothing to do.
    #[serde(skip)]
    pub(crate) is_quiet: bool,
}

impl FinishedJob<'_> {
    /// Writes the JSON line, with the metrics of `function` if it has a name.
    pub(crate) fn write_json(&self, sink: &LogSink, function: Option<&str>) {
        let metrics = [
            ("Duration", Value::Millis(millis(self.duration))),
            ("JobFailures", Value::Count(u32::from(self.has_failed()))),
        ];
        sink.write_json(&Line {
            timestamp: self.at,
            level: self.level().as_str(),
            message: "job",
            record: self,
            metrics: function.map(|function| EmbeddedMetrics {
                timestamp: self.at,
                function,
                metrics: &metrics,
                declaration: DECLARATION.of(&metrics),
            }),
        });
    }

    /// Writes the text line, with the same members, through `tracing`.
    pub(crate) fn write_text(&self) {
        macro_rules! event {
            ($level:ident) => {
                $level!(
                    target: TARGET,
                    request_id = self.request_id,
                    trace_id = self.trace_id.map(field::display),
                    job = self.job,
                    duration_ms = millis(self.duration),
                    summary = self.summary.map(field::display),
                    cause = self.cause,
                    store_trips = self.store_trips,
                    store_retries = self.store_retries,
                    "job"
                )
            };
        }
        match self.level() {
            Level::ERROR => event!(error),
            Level::DEBUG => event!(debug),
            _ => event!(info),
        }
    }

    /// Whether the log's filter accepts the line.
    pub(crate) fn is_enabled(&self) -> bool {
        match self.level() {
            Level::ERROR => enabled!(target: TARGET, Level::ERROR),
            Level::DEBUG => enabled!(target: TARGET, Level::DEBUG),
            _ => enabled!(target: TARGET, Level::INFO),
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.cause.is_some()
    }

    fn level(&self) -> Level {
        match (self.has_failed(), self.is_quiet) {
            (true, _) => Level::ERROR,
            (false, true) => Level::DEBUG,
            (false, false) => Level::INFO,
        }
    }
}
