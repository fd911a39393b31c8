//! The Prometheus metrics of a server: strictly parsed, and compared with the requests that the server received.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use domain::SecurityEvent;
use serde_json::json;
use testkit::{Code, Process, Remote, Target as _, TestStore};

use crate::function_processes::FunctionProcesses;
use crate::process::{gateway, startup_error};

/// The longest time for which a test waits.
const LIMIT: Duration = Duration::from_secs(60);

/// A server with metrics, and a client of its metrics port.
fn start(store: &TestStore) -> (Process, Remote) {
    let (process, address) = start_with(gateway(store));
    (process, Remote::at(address))
}

/// A server with metrics, and the address of its metrics.
fn start_with(mut command: Command) -> (Process, String) {
    command.env("METRICS_PORT", "0");
    let process = Process::start(command);
    let address = loop {
        let line = process.log_line().expect("the address of the metrics is logged");
        if let Some(address) = line.strip_prefix("metrics on ") {
            break address
                .strip_suffix("/metrics")
                .expect("the address ends with the path")
                .to_owned();
        }
    };
    assert_ne!(address, process.address());
    (process, address)
}

async fn fetch(remote: &Remote, method: Method, path: &str) -> (u16, Option<String>, String) {
    let request = Request::builder().method(method).uri(path).body(Body::empty());
    let response = remote.exchange(request.unwrap()).await;
    let kind = response.headers().get("content-type");
    let kind = kind.map(|kind| kind.to_str().unwrap().to_owned());
    let body = String::from_utf8(response.body().to_vec()).unwrap();
    (response.status().as_u16(), kind, body)
}

async fn scrape(remote: &Remote) -> Exposition {
    let (status, kind, text) = fetch(remote, Method::GET, "/metrics").await;
    assert_eq!(
        (status, kind.as_deref()),
        (200, Some("text/plain; version=0.0.4; charset=utf-8"))
    );
    Exposition::read(&text)
}

/// A scrape: the value of every series by name and labels, and the type of every family.
#[derive(Debug, Default)]
struct Exposition {
    series: BTreeMap<(String, Labels), f64>,
    kinds: BTreeMap<String, String>,
}

type Labels = BTreeMap<String, String>;

impl Exposition {
    /// Parses the text format, version 0.0.4, strictly: every family has its help and its type, followed by its
    /// samples.
    fn read(text: &str) -> Self {
        let mut read = Self::default();
        let mut family = String::new();
        let mut helped = BTreeSet::new();
        assert!(text.ends_with('\n'), "the last line ends with a line break");
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, text) = help.split_once(' ').expect("a name and the help");
                assert!(!text.is_empty() && is_name(name), "{line}");
                assert!(helped.insert(name.to_owned()), "{line}: a second help");
                name.clone_into(&mut family);
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a name and the type");
                assert_eq!(name, family, "{line}: the type follows the help");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
                assert!(read.kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
            } else {
                let (name, labels, value) = sample(line);
                let kind = read.kinds.get(&family).expect("the type precedes the samples");
                let suffix = name
                    .strip_prefix(&*family)
                    .expect("a sample follows the type of its family");
                let expected: &[&str] = match kind.as_str() {
                    "histogram" => &["_bucket", "_sum", "_count"],
                    _ => &[""],
                };
                assert!(expected.contains(&suffix), "{line}");
                assert_eq!(labels.contains_key("le"), suffix == "_bucket", "{line}");
                let former = read.series.insert((name, labels), value);
                assert!(former.is_none(), "{line}: a second sample");
            }
        }
        read.check_histograms();
        read
    }

    fn check_histograms(&self) {
        let mut buckets: BTreeMap<(String, Labels), Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), value) in &self.series {
            if let Some(family) = name.strip_suffix("_bucket") {
                let mut labels = labels.clone();
                let le = number(&labels.remove("le").expect("a bucket has an upper bound"));
                buckets
                    .entry((family.to_owned(), labels))
                    .or_default()
                    .push((le, *value));
            }
        }
        for ((family, labels), mut buckets) in buckets {
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(
                buckets.is_sorted_by(|one, other| one.1 <= other.1),
                "the buckets of {family} are cumulative"
            );
            let count = self.series[&(format!("{family}_count"), labels.clone())];
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, count)), "{family}");
            assert!(self.series[&(format!("{family}_sum"), labels)] >= 0.0);
        }
    }

    /// The value of a series, if there is one.
    fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.series.get(&(name.to_owned(), labels.collect())).copied()
    }

    /// The values of a label in the samples of a series.
    fn values(&self, series: &str, label: &str) -> BTreeSet<&str> {
        let samples = self.series.keys().filter(|(name, _)| name == series);
        samples
            .filter_map(|(_, labels)| labels.get(label).map(String::as_str))
            .collect()
    }
}

fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        _ => text.parse().unwrap_or_else(|_| panic!("{text} is not a number")),
    }
}

/// Parses a sample: a name, optional labels in braces, a space, the value.
fn sample(line: &str) -> (String, Labels, f64) {
    let end = line
        .find(['{', ' '])
        .unwrap_or_else(|| panic!("{line} is not a sample"));
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(label), "{line}");
            // No label value contains characters that need escaping.
            let (value, after) = value.split_once('"').unwrap_or_else(|| panic!("{line}"));
            assert!(!value.contains('\\'), "{line}");
            assert!(labels.insert(label.to_owned(), value.to_owned()).is_none(), "{line}");
            if let Some(more) = after.strip_prefix(',') {
                rest = more;
            } else {
                rest = after.strip_prefix('}').unwrap_or_else(|| panic!("{line}"));
                break;
            }
        }
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
    assert!(!value.contains(' '), "{line}: an unexpected timestamp");
    (name.to_owned(), labels, number(value))
}

#[tokio::test]
async fn metrics_count_the_requests_that_the_server_received() {
    let store = TestStore::new();
    let (process, metrics) = start(&store);
    let remote = process.remote();
    let before = scrape(&metrics).await;
    assert_eq!(before.get("coditect_http_requests_in_flight", &[]), Some(0.0));
    assert_eq!(before.get("coditect_http_requests_throttled_total", &[]), Some(0.0));
    assert!(before.get("process_start_time_seconds", &[]).unwrap() > 1.7e9);

    for path in ["/v5/health", "/v5/health", "/api/v5/health", "/v5/ready"] {
        remote.get(path).send().await.ok();
    }
    remote
        .get("/v5/sessions")
        .send()
        .await
        .assert_problem(401, Code::MissingToken);
    let account = json!({ "email": "a@example.com", "password": "password123" });
    remote.post("/v5/auth/register").json(&account).send().await.created();
    let wrong = json!({ "email": "a@example.com", "password": "a wrong one" });
    let mut rejected = 0.0;
    while remote.post("/v5/auth/login").json(&wrong).send().await.status != 429 {
        rejected += 1.0;
        assert!(rejected < 100.0, "the throttle has no effect");
    }

    let after = scrape(&metrics).await;
    let requests = |method: &str, route: &str, status: &str| {
        after.get(
            "coditect_http_requests_total",
            &[("method", method), ("route", route), ("status", status)],
        )
    };
    assert_eq!(requests("GET", "/v5/health", "2xx"), Some(2.0));
    assert_eq!(requests("GET", "/api/v5/health", "2xx"), Some(1.0));
    assert_eq!(requests("GET", "/v5/sessions", "4xx"), Some(1.0));
    assert_eq!(requests("POST", "/v5/auth/register", "2xx"), Some(1.0));
    assert_eq!(requests("POST", "/v5/auth/login", "4xx"), Some(rejected + 1.0));
    assert_eq!(requests("POST", "/v5/auth/login", "2xx"), None);
    let by_route = |name: &str, method: &str, route: &str| after.get(name, &[("method", method), ("route", route)]);
    let durations = "coditect_http_request_duration_seconds_count";
    assert_eq!(by_route(durations, "GET", "/v5/health"), Some(2.0));
    assert_eq!(by_route(durations, "POST", "/v5/auth/login"), Some(rejected + 1.0));
    let hashing = by_route(
        "coditect_http_request_duration_seconds_sum",
        "POST",
        "/v5/auth/register",
    );
    assert!(hashing.unwrap() > 0.001, "a password was hashed");
    assert_eq!(by_route("coditect_store_trips_total", "GET", "/v5/ready"), Some(3.0));
    assert_eq!(by_route("coditect_store_trips_total", "GET", "/v5/health"), Some(0.0));
    assert_eq!(by_route("coditect_store_retries_total", "GET", "/v5/ready"), Some(0.0));
    assert_eq!(after.get("coditect_http_requests_throttled_total", &[]), Some(1.0));
    assert_eq!(
        after.get("coditect_http_requests_store_unavailable_total", &[]),
        Some(0.0)
    );
    assert_eq!(after.get("coditect_http_requests_in_flight", &[]), Some(0.0));
    assert_eq!(after.kinds["coditect_http_requests_total"], "counter");
    assert_eq!(after.kinds["coditect_http_request_duration_seconds"], "histogram");
    assert_eq!(after.kinds["coditect_http_requests_in_flight"], "gauge");
}

#[tokio::test]
async fn no_client_can_add_a_series() {
    let store = TestStore::new();
    let (process, metrics) = start(&store);
    let remote = process.remote();
    for number in 0..20 {
        for path in [
            format!("/marked-{number}"),
            format!("/v5/sessions/{number}"),
            format!("/v5/health?{number}"),
        ] {
            for method in [Method::GET, format!("MARKED{number}").parse().unwrap()] {
                remote.request(method, &path).send().await;
            }
        }
    }
    let after = scrape(&metrics).await;
    let requests = "coditect_http_requests_total";
    assert_eq!(after.values(requests, "method"), BTreeSet::from(["GET", "(other)"]));
    let routes = BTreeSet::from(["(none)", "/v5/sessions/{id}", "/v5/health"]);
    assert_eq!(after.values(requests, "route"), routes);
    assert_eq!(after.values(requests, "status"), BTreeSet::from(["2xx", "4xx"]));
}

#[tokio::test]
async fn an_unfinished_request_counts_as_in_flight() {
    let store = TestStore::new();
    let (process, metrics) = start(&store);
    let body = json!({ "email": "test@example.com", "password": "password123" }).to_string();
    let mut stream = TcpStream::connect(process.address().trim_start_matches("http://")).unwrap();
    write!(
        stream,
        "POST /v5/auth/register HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    // The interim response means that the handler waits for the body.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    let in_flight = "coditect_http_requests_in_flight";
    assert_eq!(scrape(&metrics).await.get(in_flight, &[]), Some(1.0));
    write!(stream, "{body}").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 201"), "{response}");
    assert_eq!(scrape(&metrics).await.get(in_flight, &[]), Some(0.0));
}

#[tokio::test]
async fn metrics_count_job_runs() {
    let store = TestStore::new();
    let (_process, metrics) = start(&store);
    // The first run starts with the server.
    let end = tokio::time::Instant::now() + LIMIT;
    loop {
        let after = scrape(&metrics).await;
        let runs = after.get("coditect_job_runs_total", &[("job", "janitor"), ("outcome", "done")]);
        if runs == Some(1.0) {
            let durations = after.get("coditect_job_duration_seconds_count", &[("job", "janitor")]);
            assert_eq!(durations, Some(1.0));
            break;
        }
        assert_eq!(runs, None);
        assert!(tokio::time::Instant::now() < end, "no job has run");
    }
}

#[tokio::test]
async fn the_metrics_port_serves_only_metrics() {
    let store = TestStore::new();
    let (process, metrics) = start(&store);
    assert_eq!(process.remote().get("/metrics").send().await.status, 404);
    for path in ["/", "/v5/health", "/metrics/more"] {
        assert_eq!(fetch(&metrics, Method::GET, path).await.0, 404, "{path}");
    }
    assert_eq!(fetch(&metrics, Method::POST, "/metrics").await.0, 405);
    assert_eq!(fetch(&metrics, Method::HEAD, "/metrics").await.0, 200);
    process.terminate();
    let (status, lines) = process.wait();
    assert!(status.success(), "{status}");
    assert!(!lines.iter().any(|line| line.contains("/metrics/more")), "{lines:?}");
}

#[tokio::test]
async fn metrics_have_an_address_of_their_own_and_count_security_events() {
    let store = TestStore::new();
    let mut command = gateway(&store);
    // Clients may come from anywhere, and metrics stay on this machine.
    command.env("HOST", "0.0.0.0");
    let (process, address) = start_with(command);
    let clients = process.address();
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    assert!(clients.starts_with("http://0.0.0.0:"), "{clients}");
    let metrics = Remote::at(address);
    let count = async |event: &str, attack: &str| {
        let labels = [("event", event), ("attack", attack)];
        scrape(&metrics).await.get("coditect_security_events_total", &labels)
    };
    assert_eq!(count("invalid_token", "(none)").await, Some(0.0));
    let port = clients.rsplit(':').next().unwrap();
    let remote = Remote::at(format!("http://127.0.0.1:{port}"));
    let rejected = remote.get("/v5/sessions").bearer("junk").send().await;
    rejected.assert_problem(401, Code::InvalidToken);
    assert_eq!(count("invalid_token", "(none)").await, Some(1.0));
    assert_eq!(count("token_reuse", "token_reuse").await, Some(0.0));
    let all = scrape(&metrics).await;
    let events: BTreeSet<_> = SecurityEvent::all().map(SecurityEvent::as_str).collect();
    assert_eq!(all.values("coditect_security_events_total", "event"), events);

    let mut command = gateway(&store);
    command.env("METRICS_HOST", "0.0.0.0");
    let (_process, address) = start_with(command);
    assert!(address.starts_with("http://0.0.0.0:"), "{address}");
}

#[test]
fn without_metrics_port_there_are_no_metrics() {
    let store = TestStore::new();
    let process = Process::start(gateway(&store));
    process.terminate();
    let (_, lines) = process.wait();
    assert!(!lines.iter().any(|line| line.contains("metrics")), "{lines:?}");
}

#[tokio::test]
async fn an_unusable_metrics_port_is_named_in_the_error() {
    let store = TestStore::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = gateway(&store);
    command.env("METRICS_PORT", &port);
    let text = startup_error(command);
    assert!(text.contains(&port) && text.contains("METRICS_PORT"), "{text}");

    let command = FunctionProcesses::command("health", &store, &[("METRICS_PORT", "0")]).await;
    let text = startup_error(command);
    assert!(text.contains("METRICS_PORT") && text.contains("gateway"), "{text}");
}
