//! A server's own metrics for Prometheus: kept while the process lives, and served in the text format, version 0.0.4.
//!
//! Label values come from the code alone: routes of the route table, methods of HTTP, classes of status. So the number
//! of series is fixed when the program is built, and a client cannot add one.
//!
//! Only `serve_with` refers to this module, so that the linker removes it from a function's program.

use std::sync::Arc;

use axum::Router as Axum;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use domain::security::Attack;
use domain::{SecurityEvent, Timestamp};
use prometheus_client::encoding::{EncodeLabelSet, prometheus_text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::log::job::FinishedJob;
use crate::log::request::{FinishedRequest, NONE};
use crate::observer::{MetricsSink, Reached};

/// The upper bounds of the histograms' buckets, in seconds: from a read of LMDB to beyond the store's deadline.
const BUCKETS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The path of the metrics, as Prometheus expects it.
pub(crate) const PATH: &str = "/metrics";

/// Creates the metrics of a process that started at `start`: the sink that fills them and the endpoint that serves
/// them.
pub(crate) fn start(start: Timestamp) -> (Arc<dyn MetricsSink>, Axum) {
    let metrics = Arc::new(Metrics::new(start));
    let endpoint = Axum::new().route(PATH, get(serve)).with_state(metrics.clone());
    (metrics, endpoint)
}

async fn serve(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, prometheus_text::CONTENT_TYPE)], metrics.text())
}

struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    throttled: Counter,
    store_unavailable: Counter,
    limited_connections: Family<LimitLabels, Counter>,
    security_events: Family<SecurityLabels, Counter>,
    store_trips: Family<RouteLabels, Counter>,
    store_retries: Family<RouteLabels, Counter>,
    job_runs: Family<JobRunLabels, Counter>,
    job_durations: Family<JobLabels, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SecurityLabels {
    event: &'static str,
    attack: &'static str,
}

impl From<SecurityEvent> for SecurityLabels {
    fn from(event: SecurityEvent) -> Self {
        Self {
            event: event.as_str(),
            attack: event.attack().map_or(NONE, Attack::as_str),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    limit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    job: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobRunLabels {
    job: &'static str,
    outcome: &'static str,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Metrics {
    fn new(start: Timestamp) -> Self {
        let mut registry = Registry::default();
        // The name that the client libraries of Prometheus use.
        registry.register_with_unit(
            "process_start_time",
            "The start of the process, in seconds since the Unix epoch",
            Unit::Seconds,
            ConstGauge::new(seconds(start)),
        );
        let mut metrics = Self {
            registry,
            requests: Family::default(),
            durations: Family::new_with_constructor(histogram),
            in_flight: Gauge::default(),
            throttled: Counter::default(),
            store_unavailable: Counter::default(),
            limited_connections: Family::default(),
            security_events: Family::default(),
            store_trips: Family::default(),
            store_retries: Family::default(),
            job_runs: Family::default(),
            job_durations: Family::new_with_constructor(histogram),
        };
        metrics.register();
        // From zero, so that a rate includes the first event.
        for event in SecurityEvent::all() {
            drop(metrics.security_events.get_or_create(&event.into()));
        }
        metrics
    }

    fn register(&mut self) {
        let registry = self.registry.sub_registry_with_prefix("coditect");
        registry.register(
            "http_requests",
            "Finished requests, by the class of the response status; (none) if the client disconnected before",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "Duration of requests",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register(
            "http_requests_in_flight",
            "Requests that are not finished",
            self.in_flight.clone(),
        );
        registry.register(
            "http_requests_throttled",
            "Requests with the response status 429",
            self.throttled.clone(),
        );
        registry.register(
            "http_requests_store_unavailable",
            "Requests that failed with 503 because the store did not respond in time",
            self.store_unavailable.clone(),
        );
        registry.register(
            "security_events",
            "Requests with a security event, by the event and the attack that it indicates",
            self.security_events.clone(),
        );
        registry.register(
            "store_trips",
            "Sequential round trips of requests to the store",
            self.store_trips.clone(),
        );
        registry.register(
            "store_retries",
            "Attempts of the transactions of requests, without the first attempt of each",
            self.store_retries.clone(),
        );
        registry.register(
            "connections_limited",
            "Connections that reached a limit, by the limit",
            self.limited_connections.clone(),
        );
        registry.register("job_runs", "Runs of a job, by outcome", self.job_runs.clone());
        registry.register_with_unit(
            "job_duration",
            "Duration of the runs of a job",
            Unit::Seconds,
            self.job_durations.clone(),
        );
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_text::encode(&mut text, &self.registry);
        text
    }
}

impl MetricsSink for Metrics {
    fn request_started(&self) {
        self.in_flight.inc();
    }

    fn request_finished(&self, request: &FinishedRequest) {
        self.in_flight.dec();
        let method = request.method;
        let route = request.route.text();
        self.requests
            .get_or_create(&RequestLabels {
                method,
                route: (*route).to_owned(),
                status: status_class(request.status_class()),
            })
            .inc();
        let labels = RouteLabels {
            method,
            route: route.into_owned(),
        };
        self.durations
            .get_or_create(&labels)
            .observe(request.duration.as_secs_f64());
        self.store_trips
            .get_or_create(&labels)
            .inc_by(request.store_trips.into());
        self.store_retries
            .get_or_create(&labels)
            .inc_by(request.store_retries.into());
        if request.is_throttled() {
            self.throttled.inc();
        }
        if request.is_store_unavailable() {
            self.store_unavailable.inc();
        }
        if let Some(event) = request.security {
            self.security_events.get_or_create(&event.into()).inc();
        }
    }

    fn connection_limited(&self, reached: Reached) {
        let labels = LimitLabels { limit: reached.name() };
        self.limited_connections.get_or_create(&labels).inc();
    }

    fn job_finished(&self, finished: &FinishedJob<'_>) {
        let job = finished.job;
        let outcome = if finished.has_failed() { "failed" } else { "done" };
        self.job_runs.get_or_create(&JobRunLabels { job, outcome }).inc();
        self.job_durations
            .get_or_create(&JobLabels { job })
            .observe(finished.duration.as_secs_f64());
    }
}

fn status_class(digit: Option<u16>) -> &'static str {
    match digit {
        Some(1) => "1xx",
        Some(2) => "2xx",
        Some(3) => "3xx",
        Some(4) => "4xx",
        Some(5) => "5xx",
        _ => NONE,
    }
}

fn seconds(time: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "times before the year 287396 are exact")]
    let millis = time.as_millis() as f64;
    millis / 1000.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::error::Code;

    fn request(status: Option<u16>, code: Option<Code>) -> FinishedRequest {
        FinishedRequest {
            status,
            code: code.map(Code::as_str),
            ..FinishedRequest::sample()
        }
    }

    fn metrics() -> Metrics {
        Metrics::new(Timestamp::from_millis(1_767_225_600_500))
    }

    fn metrics_of_job(summary: Option<&Value>, cause: Option<&'static str>) -> Metrics {
        let metrics = metrics();
        metrics.job_finished(&FinishedJob {
            at: Timestamp::from_millis(0),
            request_id: None,
            trace_id: None,
            job: "janitor",
            duration: Duration::from_secs(60),
            summary,
            cause,
            store_trips: 0,
            store_retries: 0,
            is_quiet: false,
        });
        metrics
    }

    #[track_caller]
    fn assert_lines(metrics: &Metrics, expected: &[&str]) {
        let text = metrics.text();
        for line in expected {
            assert!(text.lines().any(|served| served == *line), "{line}:\n{text}");
        }
    }

    #[test]
    fn requests_are_counted_by_route_and_outcome() {
        let metrics = metrics();
        metrics.request_started();
        assert_lines(&metrics, &["coditect_http_requests_in_flight 1"]);
        metrics.request_finished(&request(Some(200), None));
        for (status, code) in [
            (Some(429), Some(Code::TooManyAttempts)),
            (Some(503), Some(Code::StoreUnavailable)),
            (Some(500), Some(Code::Internal)),
            (None, None),
        ] {
            metrics.request_started();
            metrics.request_finished(&request(status, code));
        }
        assert_lines(
            &metrics,
            &[
                "# TYPE process_start_time_seconds gauge",
                "process_start_time_seconds 1767225600.5",
                "# TYPE coditect_http_requests_total counter",
                r#"coditect_http_requests_total{method="GET",route="/v5/things/{id}",status="2xx"} 1"#,
                r#"coditect_http_requests_total{method="GET",route="/v5/things/{id}",status="4xx"} 1"#,
                r#"coditect_http_requests_total{method="GET",route="/v5/things/{id}",status="5xx"} 2"#,
                r#"coditect_http_requests_total{method="GET",route="/v5/things/{id}",status="(none)"} 1"#,
                "coditect_http_requests_in_flight 0",
                "coditect_http_requests_throttled_total 1",
                "coditect_http_requests_store_unavailable_total 1",
                "# TYPE coditect_http_request_duration_seconds histogram",
                r#"coditect_http_request_duration_seconds_bucket{method="GET",route="/v5/things/{id}",le="0.025"} 0"#,
                r#"coditect_http_request_duration_seconds_bucket{method="GET",route="/v5/things/{id}",le="0.05"} 5"#,
                r#"coditect_http_request_duration_seconds_count{method="GET",route="/v5/things/{id}"} 5"#,
                r#"coditect_store_trips_total{method="GET",route="/v5/things/{id}"} 10"#,
                r#"coditect_store_retries_total{method="GET",route="/v5/things/{id}"} 5"#,
            ],
        );
    }

    #[test]
    fn security_events_are_counted_from_zero_by_event_and_attack() {
        let metrics = metrics();
        let series = |event, attack, count| {
            format!(r#"coditect_security_events_total{{event="{event}",attack="{attack}"}} {count}"#)
        };
        assert_lines(
            &metrics,
            &[
                "# TYPE coditect_security_events_total counter",
                &series("token_reuse", "token_reuse", 0),
                &series("throttled_by_account", "lockout", 0),
                &series("wrong_password", "(none)", 0),
            ],
        );
        for event in [
            SecurityEvent::ThrottledByAddress,
            SecurityEvent::ThrottledByAddress,
            SecurityEvent::ThrottledByKnown,
        ] {
            metrics.request_finished(&FinishedRequest {
                security: Some(event),
                ..FinishedRequest::sample()
            });
        }
        assert_lines(
            &metrics,
            &[
                &series("throttled_by_address", "password_spraying", 2),
                &series("throttled_by_known", "lockout", 1),
                &series("token_reuse", "token_reuse", 0),
            ],
        );
    }

    #[test]
    fn connections_are_counted_by_the_limit_that_they_reach() {
        let metrics = metrics();
        for reached in [Reached::Peer, Reached::WriteTimeout, Reached::Peer] {
            metrics.connection_limited(reached);
        }
        assert_lines(
            &metrics,
            &[
                r#"coditect_connections_limited_total{limit="peer"} 2"#,
                r#"coditect_connections_limited_total{limit="write_timeout"} 1"#,
            ],
        );
    }

    #[test]
    fn job_runs_are_counted_by_job_and_outcome() {
        assert_lines(
            &metrics_of_job(Some(&Value::Null), None),
            &[
                r#"coditect_job_runs_total{job="janitor",outcome="done"} 1"#,
                r#"coditect_job_duration_seconds_bucket{job="janitor",le="10"} 0"#,
                r#"coditect_job_duration_seconds_sum{job="janitor"} 60.0"#,
            ],
        );
        assert_lines(
            &metrics_of_job(None, Some("the cause")),
            &[r#"coditect_job_runs_total{job="janitor",outcome="failed"} 1"#],
        );
    }
}
