//! The spans that a gateway exports: to a collector that decodes them, to one that is down, and to none.

mod collector;

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use axum::http::HeaderName;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::{Value, json};
use testkit::{Process, Target as _, TestStore};
use tokio::time::Instant;

use self::collector::{Collector, attribute, attributes};
use crate::process::{gateway, register, startup_error};
use crate::request_log::{TRACE, TRACEPARENT};

const HEADER: HeaderName = HeaderName::from_static("traceparent");

/// A gateway that sends its spans to this endpoint, each soon after its end.
fn traced(store: &TestStore, endpoint: &str) -> Command {
    let mut command = gateway(store);
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("OTEL_BSP_SCHEDULE_DELAY", "10")
        // The job's transactions are not traced, but they may make a request's commit wait.
        .env("SWEEP_SECONDS", "0");
    command
}

fn hex(id: &[u8]) -> String {
    let digits = id.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from_digit(digit.into(), 16).unwrap())
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = expected.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn is_request(span: &Span, name: &str) -> bool {
    span.kind() == SpanKind::Server && span.name == name
}

/// The next line of the request log with this route.
fn log_line(process: &Process, route: &str) -> Value {
    loop {
        let line = process.log_line().expect("the request is logged");
        if let Ok(line) = serde_json::from_str::<Value>(&line)
            && line["route"] == route
        {
            return line;
        }
    }
}

#[tokio::test]
async fn a_request_is_a_span_in_the_clients_trace_with_its_store_trips_as_children() {
    let (store, mut collector) = (TestStore::new(), Collector::start());
    let mut command = traced(&store, collector.endpoint());
    command
        .env("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20key")
        .env("OTEL_SERVICE_NAME", "the-service")
        .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test");
    let process = Process::start(command);
    let remote = process.remote();
    let token = register(&remote, "alice-to-look-for@example.com").await;
    let body = json!({ "name": "a name to look for", "workspacePath": "/look-for" });
    let created = remote.post("/v5/sessions").bearer(&token).json(&body);
    let created = created.send().await.created();
    let id = created["id"]
        .as_str()
        .or(created["session"]["id"].as_str())
        .unwrap()
        .to_owned();
    let path = format!("/api/v5/sessions/{id}?mark=to-look-for");
    let request = remote.get(&path).bearer(&token).header(HEADER, TRACEPARENT);
    let response = request.send().await;
    assert_eq!(response.status, 200);

    let span = collector.span(|span| is_request(span, "GET /api/v5/sessions/{id}"));
    assert_eq!(hex(&span.trace_id), TRACE);
    assert_eq!(hex(&span.parent_span_id), "00f067aa0ba902b7");
    let line = log_line(&process, "/api/v5/sessions/{id}");
    assert_eq!(line["trace_id"], TRACE);
    let trips = line["store_trips"].to_string();
    assert_eq!(
        attributes(&span.attributes),
        pairs(&[
            ("coditect.store.retries", "0"),
            ("coditect.store.trips", &trips),
            ("http.request.method", "GET"),
            ("http.response.status_code", "200"),
            ("http.route", "/api/v5/sessions/{id}"),
            ("url.scheme", "http"),
        ])
    );
    let children = |parent: &Span| -> Vec<Span> {
        let is_child = |span: &&Span| span.parent_span_id == parent.span_id && span.trace_id == parent.trace_id;
        collector.spans().filter(is_child).cloned().collect()
    };
    let engine = if cfg!(feature = "fdb") { "foundationdb" } else { "lmdb" };
    let reads = children(&span);
    // The begin of a transaction is a trip without a span.
    assert!(
        reads.len() + 1 >= trips.parse().unwrap() && !reads.is_empty(),
        "{reads:?}"
    );
    for trip in &reads {
        assert_eq!((trip.kind(), trip.name.as_str()), (SpanKind::Client, "get"));
        let expected = [("db.operation.name", "get"), ("db.system.name", engine)];
        assert_eq!(attributes(&trip.attributes), pairs(&expected));
        assert!(span.start_time_unix_nano <= trip.start_time_unix_nano, "{trip:?}");
        assert!(trip.start_time_unix_nano <= trip.end_time_unix_nano, "{trip:?}");
        assert!(trip.end_time_unix_nano <= span.end_time_unix_nano, "{trip:?}");
    }
    let created = collector.span(|span| is_request(span, "POST /v5/sessions"));
    let writes: Vec<_> = collector
        .spans()
        .filter(|span| span.parent_span_id == created.span_id)
        .collect();
    let writes: Vec<_> = writes.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(writes.iter().filter(|name| **name == "commit").count(), 1, "{writes:?}");

    process.terminate();
    assert!(process.wait().0.success());
    collector.drain();
    for export in &collector.received {
        assert!(
            export.head.starts_with("post /v1/traces http/1.1\r\n"),
            "{}",
            export.head
        );
        assert!(export.head.contains("\r\napi-key: a key\r\n"), "{}", export.head);
        let expected = [
            ("deployment.environment.name", "test"),
            ("service.name", "the-service"),
            ("service.version", api::VERSION),
        ];
        assert_eq!(attributes(&export.resource.attributes), pairs(&expected));
        let text = String::from_utf8_lossy(&export.body);
        let logged = ["request_id", "tenant_id", "user_id", "login_id", "client_address"];
        let logged = logged.map(|name| line[name].as_str().expect("the line has the member").to_owned());
        let marks = ["look-for", "look for", "password123", &token, &id, "127.0.0.1", "mark="];
        for mark in marks.into_iter().chain(logged.iter().map(String::as_str)) {
            assert!(!text.contains(mark), "a span contains {mark}: {text}");
        }
    }
}

#[tokio::test]
async fn a_request_without_a_trace_has_the_trace_of_its_log_line() {
    let (store, mut collector) = (TestStore::new(), Collector::start());
    let process = Process::start(traced(&store, collector.endpoint()));
    let remote = process.remote();
    remote.get("/v5/health").send().await.ok();
    let span = collector.span(|span| is_request(span, "GET /v5/health"));
    assert!(span.parent_span_id.is_empty(), "{span:?}");
    assert_eq!(hex(&span.trace_id), log_line(&process, "/v5/health")["trace_id"]);

    let xray = HeaderName::from_static("x-amzn-trace-id");
    let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
    remote.get("/v5/ready").header(xray, root).send().await.ok();
    let span = collector.span(|span| is_request(span, "GET /v5/ready"));
    assert_eq!(hex(&span.trace_id), "5759e988bd862e3fe1be46a994272793");
    assert_eq!(span.status.unwrap_or_default().code(), StatusCode::Unset);

    let request = axum::http::Request::builder().method("BREW").uri("/a/path");
    let response = remote.exchange(request.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(response.status(), 404);
    let span = collector.span(|span| is_request(span, "HTTP"));
    assert_eq!(attribute(&span, "http.request.method").as_deref(), Some("_OTHER"));
    assert_eq!(attribute(&span, "http.response.status_code").as_deref(), Some("404"));
    assert_eq!(attribute(&span, "http.route"), None);
    assert_eq!(attribute(&span, "error.type"), None, "a 4xx is the client's error");
}

#[tokio::test]
async fn the_sampler_selects_the_requests_and_sigterm_sends_their_spans() {
    let (store, mut collector) = (TestStore::new(), Collector::start());
    let mut command = traced(&store, collector.endpoint());
    command
        .env("OTEL_TRACES_SAMPLER", "parentbased_always_off")
        // Nothing is sent before the end.
        .env("OTEL_BSP_SCHEDULE_DELAY", "3600000");
    let process = Process::start(command);
    let remote = process.remote();
    remote.get("/v5/health").send().await.ok();
    let unsampled = TRACEPARENT.replace("-01", "-00");
    for parent in [TRACEPARENT, &unsampled] {
        remote.get("/v5/ready").header(HEADER, parent).send().await.ok();
    }
    process.terminate();
    let (status, lines) = process.wait();
    assert!(status.success(), "{status}: {lines:?}");
    collector.drain();
    let requests: Vec<_> = collector
        .spans()
        .filter(|span| span.kind() == SpanKind::Server)
        .collect();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!(
        (requests[0].name.as_str(), hex(&requests[0].trace_id).as_str()),
        ("GET /v5/ready", TRACE)
    );
    assert!(collector.spans().all(|span| hex(&span.trace_id) == TRACE));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn without_an_endpoint_or_switched_off_nothing_is_traced() {
    let threads = |process: &Process| -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", process.pid().as_raw_nonzero())).unwrap();
        // A thread may end meanwhile.
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name.starts_with("OpenTelemetry")).collect()
    };
    let (store, mut collector) = (TestStore::new(), Collector::start());
    let on = Process::start(traced(&store, collector.endpoint()));
    // A thread names itself after it has started.
    let named = async {
        while threads(&on).len() != 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let deadline = Duration::from_secs(20);
    tokio::time::timeout(deadline, named)
        .await
        .expect("the exporter's thread runs");
    drop(on);

    let mut by_default = traced(&store, collector.endpoint());
    by_default.env_remove("OTEL_EXPORTER_OTLP_ENDPOINT");
    let mut disabled = traced(&store, collector.endpoint());
    disabled.env("OTEL_SDK_DISABLED", "true");
    for command in [by_default, disabled] {
        let process = Process::start(command);
        process
            .remote()
            .get("/v5/ready")
            .header(HEADER, TRACEPARENT)
            .send()
            .await
            .ok();
        assert_eq!(threads(&process), Vec::<String>::new());
        assert_eq!(log_line(&process, "/v5/ready")["trace_id"], TRACE);
        process.terminate();
        assert!(process.wait().0.success());
    }
    collector.drain();
    assert_eq!(collector.spans().count(), 0);
}

#[tokio::test]
async fn requests_succeed_while_the_collector_is_down_or_hangs() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // It accepts connections and never responds.
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    for address in [closed, hanging.local_addr().unwrap()] {
        let (store, start) = (TestStore::new(), Instant::now());
        let mut command = traced(&store, &format!("http://{address}"));
        command
            .env("OTEL_BSP_MAX_QUEUE_SIZE", "8")
            .env("OTEL_EXPORTER_OTLP_TIMEOUT", "20");
        let process = Process::start(command);
        let remote = process.remote();
        let token = register(&remote, "alice@example.com").await;
        // Many more spans than the queue takes.
        for _ in 0..100 {
            remote.get("/v5/sessions").bearer(&token).send().await.ok();
        }
        process.terminate();
        let (status, lines) = process.wait();
        assert!(status.success(), "{status}: {lines:?}");
        let failures: Vec<Value> = lines
            .iter()
            .filter(|line| line.contains("spans could not be sent"))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
        assert!((1..=1 + seconds).contains(&failures.len()), "{failures:?}");
        for line in failures {
            assert!(line["cause"].is_string() && line["count"].is_u64(), "{line}");
        }
    }
}

#[test]
fn an_unusable_setting_is_a_startup_error() {
    let store = TestStore::new();
    for (variable, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
    ] {
        let mut command = traced(&store, "http://127.0.0.1:4318");
        command.env(variable, value);
        let text = startup_error(command);
        assert!(text.starts_with(&format!("error: {variable} must be ")), "{text}");
    }
}
