//! No log contains a secret: every operation with every kind of input, at the log level `trace`, against the program of
//! the gateway and of each function.

mod driver;
mod proxy;
mod secrets;

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};
use testkit::{
    Process, RuntimeApi, Target as _, TestApp, TestResponse, TestStore, check_job_log_line, check_request_log_line,
};

use self::driver::{drive_every_operation, text};
use self::secrets::Secrets;
use crate::function_processes::FunctionProcesses;
use crate::operations::operations;
use crate::process::gateway;
use crate::sweep::put_keys;

/// All requests come from one address, so its limits are off. The limits of each account stay. Emails wait in the
/// store, from which the test takes their tokens.
const ENVIRONMENT: [(&str, &str); 4] = [
    ("THROTTLE_ADDRESS", "10000/1/1"),
    ("THROTTLE_REGISTRATION", "10000/1/1"),
    ("THROTTLE_EMAILS", "10000/1/1"),
    ("MAIL", "outbox"),
];

/// Sends bytes that are not HTTP, and requests that the server rejects before a handler sees them.
fn send_malformed_requests(address: &str) {
    // On plain connections, because the server may close one before all is written.
    let mut requests: Vec<String> = [
        "marked\r\n\r\n",
        "GET /marked?\u{0}marked HTTP/1.1\r\n\r\n",
        "GET /v5/health HTTP/1.1\r\nauthorization: Bearer marked\u{1}\r\n\r\n",
        "GET /v5/health HTTP/1.1\r\nmarked marked: marked\r\n\r\n",
        "GET /v5/sessions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer marked\u{e9}\r\n\r\n",
        "POST /v5/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: marked\r\n\r\n",
        "POST /v5/auth/login HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nmarked\r\n",
        "POST /v5/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n\
         {\"password\":\"marked",
    ]
    .map(str::to_owned)
    .into();
    let large = "marked".repeat(100_000);
    requests.push(format!("GET /v5/health HTTP/1.1\r\nauthorization: {large}\r\n\r\n"));
    requests.push(format!("GET /v5/{large} HTTP/1.1\r\nhost: x\r\n\r\n"));
    requests.extend(operations().iter().map(|operation| {
        format!(
            "{} {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer marked\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{large}",
            operation.method,
            operation.path_with("/v5", "marked"),
            large.len(),
        )
    }));
    let mut responses = 0;
    for request in &requests {
        let mut stream = TcpStream::connect(address.trim_start_matches("http://")).unwrap();
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.shutdown(Shutdown::Write);
        let mut response = Vec::new();
        let _ = stream.read_to_end(&mut response);
        let mut line = request.split(' ');
        let (method, target) = (line.next().unwrap(), line.next().unwrap_or_default());
        let path = target.split('?').next().unwrap_or_default();
        // A response must match the document, which describes no response to a request without a valid method.
        if let Ok(method) = method.parse() {
            responses += usize::from(TestResponse::parse_http1(&method, path, &response).is_some());
        }
    }
    assert!(responses > 0, "no request reached the application");
}

/// The log of a gateway, and what it was sent.
struct Log {
    lines: Vec<String>,
    request_ids: BTreeSet<String>,
    secrets: Secrets,
}

async fn log_of_a_gateway(format: &str) -> Log {
    let store = TestStore::new();
    let mut command = gateway(&store);
    command
        .env("RUST_LOG", "trace")
        .env("LOG_FORMAT", format)
        .envs(ENVIRONMENT);
    let process = Process::start(command);
    let (request_ids, secrets) = drive_every_operation(&process.remote(), &store.open()).await;
    send_malformed_requests(process.address());
    process.terminate();
    let (status, lines) = process.wait();
    assert!(status.success(), "{status}");
    Log {
        lines,
        request_ids,
        secrets,
    }
}

/// The lines with this `message`. Every line must be JSON.
fn lines_with_message(lines: &[String], message: &str) -> Vec<Value> {
    let parse = |line: &String| serde_json::from_str(line).unwrap_or_else(|_| panic!("a line is not JSON: {line}"));
    let mut lines: Vec<Value> = lines.iter().map(parse).collect();
    lines.retain(|line| line["message"] == message);
    lines
}

/// Each operation succeeded and failed at least once.
fn assert_every_operation_is_logged(requests: &[Value]) {
    for operation in operations() {
        let (method, route) = (operation.method.as_str(), format!("/v5{}", operation.path));
        let lines = requests
            .iter()
            .filter(|line| line["method"] == method && line["route"] == route);
        let statuses: BTreeSet<_> = lines.filter_map(|line| line["status"].as_u64()).collect();
        assert!(
            statuses.contains(&u64::from(operation.success)) && statuses.len() > 1,
            "{method} {route}: {statuses:?}"
        );
    }
}

#[tokio::test]
async fn the_json_log_of_the_gateway_contains_no_secret_and_every_request() {
    let log = log_of_a_gateway("json").await;
    assert_eq!(log.secrets.leaks(&log.lines), [""; 0]);

    let requests = lines_with_message(&log.lines, "request");
    for line in &requests {
        assert_eq!(check_request_log_line(line, None), Ok(()), "{line}");
    }
    let logged: BTreeSet<_> = requests.iter().map(|line| text(&line["request_id"])).collect();
    assert!(log.request_ids.is_subset(&logged));
    assert_every_operation_is_logged(&requests);
}

#[tokio::test]
async fn the_text_log_of_the_gateway_contains_no_secret_and_every_request() {
    let log = log_of_a_gateway("text").await;
    assert_eq!(log.secrets.leaks(&log.lines), [""; 0]);
    for id in &log.request_ids {
        let mut lines = log.lines.iter();
        assert!(lines.any(|line| line.contains(id.as_str())), "{id} has no line");
    }
}

#[tokio::test]
async fn the_log_of_every_function_under_lambda_contains_no_secret() {
    let store = TestStore::new();
    let mut env = ENVIRONMENT.to_vec();
    env.push(("RUST_LOG", "trace"));
    let functions = FunctionProcesses::start(&store, &env).await;
    let (_, secrets) = drive_every_operation(&functions, &store.open()).await;
    // Sent without the contract check, because the document describes no 413 for an operation without a body.
    let gateway = gateway::router();
    for operation in operations() {
        let is_own = |route: &&api::Route| operation.method == route.method && operation.path == route.path;
        let route = gateway
            .routes()
            .iter()
            .find(is_own)
            .expect("every operation has a route");
        let large = "marked".repeat(route.body_max_bytes / 6 + 1);
        let request = Request::builder()
            .method(operation.method.clone())
            .uri(operation.path_with("/v5", "marked"))
            .header(header::AUTHORIZATION, "Bearer marked")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(large));
        let response = functions.exchange(request.unwrap()).await;
        assert_eq!(response.status(), 413, "{} {}", operation.method, operation.path);
    }
    // The web application has no operations.
    for number in 0..6 {
        for path in ["app", "assets"] {
            let request = Request::get(format!("/{path}/marked/{number}?marked=marked"))
                .header(header::COOKIE, "marked=marked")
                .body(Body::empty());
            functions.exchange(request.unwrap()).await;
        }
    }
    // Events that are not requests: the Lambda runtime rejects them before the router.
    for event in [
        json!("marked"),
        json!({ "marked": "marked" }),
        json!({
            "version": "marked",
            "requestContext": { "http": "marked" },
            "headers": ["marked"],
            "body": { "marked": 1 },
        }),
        json!({ "version": "2.0", "rawPath": "/marked", "requestContext": { "http": { "method": "mark ed" } } }),
        json!({
            "httpMethod": "GET",
            "path": "/marked",
            "requestContext": { "elb": "marked" },
            "headers": { "mark ed": "marked\n" },
        }),
    ] {
        functions.invoke_each(&event).await;
    }
    let mut all = Vec::new();
    for log in functions.stop().await {
        let name = log.name;
        let lines: Vec<_> = log.text.lines().map(str::to_owned).collect();
        assert_eq!(secrets.leaks(&lines), [""; 0], "{name}");
        let requests = lines_with_message(&lines, "request");
        for line in &requests {
            assert_eq!(
                check_request_log_line(line, Some(RuntimeApi::FUNCTION_NAME)),
                Ok(()),
                "{line}"
            );
        }
        let cold_starts = requests.iter().filter(|line| line["cold_start"] == true);
        assert_eq!(cold_starts.count(), 1, "{name}");
        let ids: BTreeSet<_> = requests.iter().map(|line| text(&line["request_id"])).collect();
        assert_eq!(ids.len(), requests.len(), "{name}: each request has one line");
        assert!(
            requests.len() + 5 >= log.invocations && requests.len() > 10,
            "{name}: {} of {}",
            requests.len(),
            log.invocations
        );
        all.extend(requests);
    }
    assert_every_operation_is_logged(&all);
}

#[tokio::test]
async fn the_log_of_every_job_under_lambda_contains_no_secret() {
    let store = TestStore::new();
    let db = store.open();
    // Each job fails on one of these entries. A key is logged, and is not a secret: keys consist of ids.
    let id = domain::MailId::parse("00000000-0000-0000-0000-000000000000").unwrap();
    let junk = &[
        kv::Key::of(&("expiry", 0, "junk")),
        kv::Key::of(&("outbox", 0, 0, id.uuid())),
    ];
    let mail = format!("file:{}", store.folder().join("mail").display());
    // An email with a token, which the mailer sends.
    let app = TestApp::alongside_processes(gateway::router(), store.open());
    app.register("marked@example.com").await;
    for job in gateway::jobs() {
        let command = FunctionProcesses::command(job.name(), &store, &[("RUST_LOG", "trace"), ("MAIL", &mail)]).await;
        let function = RuntimeApi::start(command).await;
        for fails in [false, true, false] {
            if fails {
                put_keys(&db, junk).await;
            }
            let event = json!({ "source": "marked", "detail": { "token": "marked", "body": ["marked"] } });
            assert_eq!(function.invoke(&event).await.is_err(), fails);
            db.run(|txn| async move { junk.iter().try_for_each(|key| txn.clear(key)) })
                .await
                .unwrap();
        }
        let log = function.stop().await;
        let lines: Vec<_> = log.lines().map(str::to_owned).collect();
        assert_eq!(Secrets::default().leaks(&lines), [""; 0]);
        let runs = lines_with_message(&lines, "job");
        for (number, line) in (0..).zip(&runs) {
            assert_eq!(
                check_job_log_line(line, Some(RuntimeApi::FUNCTION_NAME)),
                Ok(()),
                "{line}"
            );
            assert_eq!(line["trace_id"], RuntimeApi::trace_id(number));
        }
        let failures: Vec<_> = runs.iter().map(|line| line["JobFailures"].clone()).collect();
        assert_eq!(failures, [0, 1, 0]);
    }
}
