//! A server's metrics, as Prometheus fetches them: read strictly, and held to what was asked of the server.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;
use testkit::{Code, Process, Remote, Target as _, TestStore};

use crate::functions::Functions;
use crate::process::{gateway, refusal};

/// A server that tells its metrics, and where it does.
fn start(store: &TestStore) -> (Process, Remote) {
    let mut command = gateway(store);
    command.env("METRICS_PORT", "0");
    let process = Process::start(command);
    let address = loop {
        let line = process.log_line().expect("it says where its metrics are");
        if let Some(address) = line.strip_prefix("metrics on ") {
            break address.strip_suffix("/metrics").expect("it names the path").to_owned();
        }
    };
    assert_ne!(address, process.address());
    (process, Remote::at(address))
}

async fn ask(remote: &Remote, method: Method, path: &str) -> (u16, Option<String>, String) {
    let request = Request::builder().method(method).uri(path).body(Body::empty());
    let answer = remote.exchange(request.unwrap()).await;
    let kind = answer.headers().get("content-type");
    let kind = kind.map(|kind| kind.to_str().unwrap().to_owned());
    let body = String::from_utf8(answer.body().to_vec()).unwrap();
    (answer.status().as_u16(), kind, body)
}

async fn scrape(remote: &Remote) -> Exposition {
    let (status, kind, text) = ask(remote, Method::GET, "/metrics").await;
    assert_eq!(
        (status, kind.as_deref()),
        (200, Some("text/plain; version=0.0.4; charset=utf-8"))
    );
    Exposition::read(&text)
}

/// What was told: the value of every series, by its name and its labels, and the kind of every family.
#[derive(Debug, Default)]
struct Exposition {
    series: BTreeMap<(String, Labels), f64>,
    kinds: BTreeMap<String, String>,
}

type Labels = BTreeMap<String, String>;

impl Exposition {
    /// Reads the text format, version 0.0.4, to the letter: every family has its help and its type, in front of its samples, which stand
    /// together.
    fn read(text: &str) -> Self {
        let mut read = Self::default();
        let mut family = String::new();
        let mut helped = BTreeSet::new();
        assert!(text.ends_with('\n'), "the last line ends like every other");
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, text) = help.split_once(' ').expect("a name, and the help");
                assert!(!text.is_empty() && is_name(name), "{line}");
                assert!(helped.insert(name.to_owned()), "{line}: it is helped once");
                name.clone_into(&mut family);
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a name, and the type");
                assert_eq!(name, family, "{line}: right after its help");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
                assert!(read.kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
            } else {
                let (name, labels, value) = sample(line);
                let kind = read.kinds.get(&family).expect("the type comes first");
                let suffix = name.strip_prefix(&*family).expect("a sample stands in its family");
                let expected: &[&str] = match kind.as_str() {
                    "histogram" => &["_bucket", "_sum", "_count"],
                    _ => &[""],
                };
                assert!(expected.contains(&suffix), "{line}");
                assert_eq!(labels.contains_key("le"), suffix == "_bucket", "{line}");
                let former = read.series.insert((name, labels), value);
                assert!(former.is_none(), "{line}: it is there twice");
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
                let le = number(&labels.remove("le").expect("a bucket has an end"));
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
                "{family} counts up"
            );
            let count = self.series[&(format!("{family}_count"), labels.clone())];
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, count)), "{family}");
            assert!(self.series[&(format!("{family}_sum"), labels)] >= 0.0);
        }
    }

    /// The value of a series; none if it is not there.
    fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.series.get(&(name.to_owned(), labels.collect())).copied()
    }

    /// All values that a label has in a series.
    fn values(&self, series: &str, label: &str) -> BTreeSet<&str> {
        let of_it = self.series.keys().filter(|(name, _)| name == series);
        of_it
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
        _ => text.parse().unwrap_or_else(|_| panic!("{text} is no number")),
    }
}

/// A name, labels between braces if there are any, a space, and the value.
fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line} is no sample"));
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(label), "{line}");
            // No value of ours has anything to escape.
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
    assert!(!value.contains(' '), "{line}: it has no time of its own");
    (name.to_owned(), labels, number(value))
}

#[tokio::test]
async fn what_was_asked_of_the_server_is_in_its_metrics() {
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
    let mut refused = 0.0;
    while remote.post("/v5/auth/login").json(&wrong).send().await.status != 429 {
        refused += 1.0;
    }

    let told = scrape(&metrics).await;
    let requests = |method: &str, route: &str, status: &str| {
        told.get(
            "coditect_http_requests_total",
            &[("method", method), ("route", route), ("status", status)],
        )
    };
    assert_eq!(requests("GET", "/v5/health", "2xx"), Some(2.0));
    assert_eq!(requests("GET", "/api/v5/health", "2xx"), Some(1.0));
    assert_eq!(requests("GET", "/v5/sessions", "4xx"), Some(1.0));
    assert_eq!(requests("POST", "/v5/auth/register", "2xx"), Some(1.0));
    assert_eq!(requests("POST", "/v5/auth/login", "4xx"), Some(refused + 1.0));
    assert_eq!(requests("POST", "/v5/auth/login", "2xx"), None);
    let of = |name: &str, method: &str, route: &str| told.get(name, &[("method", method), ("route", route)]);
    let durations = "coditect_http_request_duration_seconds_count";
    assert_eq!(of(durations, "GET", "/v5/health"), Some(2.0));
    assert_eq!(of(durations, "POST", "/v5/auth/login"), Some(refused + 1.0));
    let hashing = of(
        "coditect_http_request_duration_seconds_sum",
        "POST",
        "/v5/auth/register",
    );
    assert!(hashing.unwrap() > 0.001, "a password was hashed");
    assert_eq!(of("coditect_store_trips_total", "GET", "/v5/ready"), Some(2.0));
    assert_eq!(of("coditect_store_trips_total", "GET", "/v5/health"), Some(0.0));
    assert_eq!(of("coditect_store_retries_total", "GET", "/v5/ready"), Some(0.0));
    assert_eq!(told.get("coditect_http_requests_throttled_total", &[]), Some(1.0));
    assert_eq!(
        told.get("coditect_http_requests_store_unavailable_total", &[]),
        Some(0.0)
    );
    assert_eq!(told.get("coditect_http_requests_in_flight", &[]), Some(0.0));
    assert_eq!(told.kinds["coditect_http_requests_total"], "counter");
    assert_eq!(told.kinds["coditect_http_request_duration_seconds"], "histogram");
    assert_eq!(told.kinds["coditect_http_requests_in_flight"], "gauge");
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
    let told = scrape(&metrics).await;
    let requests = "coditect_http_requests_total";
    assert_eq!(told.values(requests, "method"), BTreeSet::from(["GET", "(other)"]));
    let routes = BTreeSet::from(["(none)", "/v5/sessions/{id}", "/v5/health"]);
    assert_eq!(told.values(requests, "route"), routes);
    assert_eq!(told.values(requests, "status"), BTreeSet::from(["2xx", "4xx"]));
}

#[tokio::test]
async fn a_request_that_has_not_ended_is_in_flight() {
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
    // The handler is waiting for the body once this comes.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    let in_flight = "coditect_http_requests_in_flight";
    assert_eq!(scrape(&metrics).await.get(in_flight, &[]), Some(1.0));
    write!(stream, "{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(scrape(&metrics).await.get(in_flight, &[]), Some(0.0));
}

#[tokio::test]
async fn the_runs_of_jobs_are_counted() {
    let store = TestStore::new();
    let (_process, metrics) = start(&store);
    // The first one begins with the server, and comes to its end when it does.
    loop {
        let told = scrape(&metrics).await;
        let runs = told.get("coditect_job_runs_total", &[("job", "janitor"), ("outcome", "done")]);
        if runs == Some(1.0) {
            let durations = told.get("coditect_job_duration_seconds_count", &[("job", "janitor")]);
            assert_eq!(durations, Some(1.0));
            break;
        }
        assert_eq!(runs, None);
    }
}

#[tokio::test]
async fn metrics_have_a_port_of_their_own_with_nothing_else_on_it() {
    let store = TestStore::new();
    let (process, metrics) = start(&store);
    assert_eq!(process.remote().get("/metrics").send().await.status, 404);
    for path in ["/", "/v5/health", "/metrics/more"] {
        assert_eq!(ask(&metrics, Method::GET, path).await.0, 404, "{path}");
    }
    assert_eq!(ask(&metrics, Method::POST, "/metrics").await.0, 405);
    assert_eq!(ask(&metrics, Method::HEAD, "/metrics").await.0, 200);
    process.terminate();
    let (status, lines) = process.wait();
    assert!(status.success(), "{status}");
    assert!(!lines.iter().any(|line| line.contains("/metrics/more")), "{lines:?}");
}

#[test]
fn without_a_port_there_are_no_metrics() {
    let store = TestStore::new();
    let process = Process::start(gateway(&store));
    process.terminate();
    let (_, lines) = process.wait();
    assert!(!lines.iter().any(|line| line.contains("metrics")), "{lines:?}");
}

#[tokio::test]
async fn a_port_that_can_not_be_had_is_named_and_so_is_a_program_without_metrics() {
    let store = TestStore::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = gateway(&store);
    command.env("METRICS_PORT", &port);
    let text = refusal(command);
    assert!(text.contains(&port) && text.contains("METRICS_PORT"), "{text}");

    let command = Functions::command("health", &store, &[("METRICS_PORT", "0")]).await;
    let text = refusal(command);
    assert!(text.contains("METRICS_PORT") && text.contains("gateway"), "{text}");
}
