//! A server's own metrics, for Prometheus to fetch: kept for as long as the process lives, and told in its text format, version 0.0.4.
//!
//! A label's values are those that the code has: the routes of the table, the methods of HTTP, the classes of status. So how many series there
//! are is decided when the program is built, and no client can add one.
//!
//! Only what a server's `main` asks for reaches this module, so a function's program does not contain it.

use std::sync::Arc;

use axum::Router as Axum;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use domain::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, prometheus_text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::line;
use crate::observer::{NONE, Recorder};

/// The upper ends of the histograms' buckets, in seconds: from a read of LMDB to the store's deadline and beyond.
const BUCKETS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Where Prometheus looks.
pub(crate) const PATH: &str = "/metrics";

/// The metrics of a process that has started at `start`: who fills them, and who answers what they are.
pub(crate) fn start(start: Timestamp) -> (Arc<dyn Recorder>, Axum) {
    let metrics = Arc::new(Metrics::new(start));
    let endpoint = Axum::new().route(PATH, get(tell)).with_state(metrics.clone());
    (metrics, endpoint)
}

async fn tell(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, prometheus_text::CONTENT_TYPE)], metrics.text())
}

struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    durations: Family<Route, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    throttled: Counter,
    store_unavailable: Counter,
    store_trips: Family<Route, Counter>,
    store_retries: Family<Route, Counter>,
    runs: Family<Outcome, Counter>,
    run_durations: Family<Job, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: &'static str,
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Job {
    job: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    job: &'static str,
    outcome: &'static str,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Metrics {
    fn new(start: Timestamp) -> Self {
        let mut registry = Registry::default();
        // The name that Prometheus' own libraries give it.
        registry.register_with_unit(
            "process_start_time",
            "When the process started, in seconds since the Unix epoch",
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
            store_trips: Family::default(),
            store_retries: Family::default(),
            runs: Family::default(),
            run_durations: Family::new_with_constructor(histogram),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let ours = self.registry.sub_registry_with_prefix("coditect");
        ours.register(
            "http_requests",
            "Requests that have ended, by the class of the answer's status, which is (none) where nobody waited for one",
            self.requests.clone(),
        );
        ours.register_with_unit(
            "http_request_duration",
            "How long requests took",
            Unit::Seconds,
            self.durations.clone(),
        );
        ours.register(
            "http_requests_in_flight",
            "Requests that have not ended yet",
            self.in_flight.clone(),
        );
        ours.register(
            "http_requests_throttled",
            "Requests that were answered 429",
            self.throttled.clone(),
        );
        ours.register(
            "http_requests_store_unavailable",
            "Requests that were answered 503 because the database did not answer in time",
            self.store_unavailable.clone(),
        );
        ours.register(
            "store_trips",
            "Trips to the database that requests made one after another",
            self.store_trips.clone(),
        );
        ours.register(
            "store_retries",
            "Attempts at requests' transactions, but for the first of each",
            self.store_retries.clone(),
        );
        ours.register("job_runs", "Runs of a job, by their outcome", self.runs.clone());
        ours.register_with_unit(
            "job_duration",
            "How long runs of a job took",
            Unit::Seconds,
            self.run_durations.clone(),
        );
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // It fails if the buffer does, which does not.
        let _ = prometheus_text::encode(&mut text, &self.registry);
        text
    }
}

impl Recorder for Metrics {
    fn begun(&self) {
        self.in_flight.inc();
    }

    fn ended(&self, request: &line::Request<'_>) {
        self.in_flight.dec();
        let route = Route {
            method: request.method,
            route: request.route.to_owned(),
        };
        self.requests
            .get_or_create(&Answered {
                method: request.method,
                route: request.route.to_owned(),
                status: class(request.class()),
            })
            .inc();
        self.durations.get_or_create(&route).observe(request.took.as_secs_f64());
        self.store_trips
            .get_or_create(&route)
            .inc_by(request.store.trips.into());
        self.store_retries
            .get_or_create(&route)
            .inc_by(request.store.retries.into());
        if request.is_throttled() {
            self.throttled.inc();
        }
        if request.is_store_unavailable() {
            self.store_unavailable.inc();
        }
    }

    fn run(&self, run: &line::Run<'_>) {
        let outcome = if run.outcome.is_ok() { "done" } else { "failed" };
        self.runs.get_or_create(&Outcome { job: run.job, outcome }).inc();
        let job = Job { job: run.job };
        self.run_durations.get_or_create(&job).observe(run.took.as_secs_f64());
    }
}

fn class(digit: Option<u16>) -> &'static str {
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
    #[expect(clippy::cast_precision_loss, reason = "what loses precision is far in the future")]
    let millis = time.as_millis() as f64;
    millis / 1000.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::error::Code;
    use crate::line::Store;
    use crate::trace_id::TraceId;

    fn request(status: Option<u16>, code: Option<Code>) -> line::Request<'static> {
        line::Request {
            at: Timestamp::from_millis(0),
            id: "id",
            trace: TraceId::begin(),
            method: "GET",
            route: "/v5/things/{id}",
            status,
            code,
            cause: None,
            took: Duration::from_millis(30),
            identity: None,
            store: Store { trips: 2, retries: 1 },
            is_cold_start: false,
        }
    }

    fn run(outcome: Result<&Value, &'static str>) -> Metrics {
        let metrics = Metrics::new(Timestamp::from_millis(1_767_225_600_500));
        metrics.run(&line::Run {
            at: Timestamp::from_millis(0),
            id: None,
            trace: None,
            job: "janitor",
            took: Duration::from_secs(60),
            store: Store::default(),
            outcome,
        });
        metrics
    }

    #[track_caller]
    fn has(metrics: &Metrics, lines: &[&str]) {
        let text = metrics.text();
        for line in lines {
            assert!(text.lines().any(|told| told == *line), "{line}:\n{text}");
        }
    }

    #[test]
    fn a_request_is_counted_by_its_route_and_what_became_of_it() {
        let metrics = Metrics::new(Timestamp::from_millis(1_767_225_600_500));
        metrics.begun();
        has(&metrics, &["coditect_http_requests_in_flight 1"]);
        metrics.ended(&request(Some(200), None));
        for (status, code) in [
            (Some(429), Some(Code::TooManyAttempts)),
            (Some(503), Some(Code::StoreUnavailable)),
            (Some(500), Some(Code::Internal)),
            (None, None),
        ] {
            metrics.begun();
            metrics.ended(&request(status, code));
        }
        has(
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
    fn a_run_is_counted_by_its_job_and_its_outcome() {
        has(
            &run(Ok(&Value::Null)),
            &[
                r#"coditect_job_runs_total{job="janitor",outcome="done"} 1"#,
                r#"coditect_job_duration_seconds_bucket{job="janitor",le="10"} 0"#,
                r#"coditect_job_duration_seconds_sum{job="janitor"} 60.0"#,
            ],
        );
        has(
            &run(Err("the cause")),
            &[r#"coditect_job_runs_total{job="janitor",outcome="failed"} 1"#],
        );
    }
}
