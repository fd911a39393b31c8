//! Unusual requests: as raw bytes to the gateway's process, and through the router.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use axum::http::header::{CONTENT_ENCODING, LOCATION};
use axum::http::{HeaderName, Method};
use domain::Clock as _;
use serde_json::{Value, json};
use testkit::{Actor, Code, Process, Target as _, TestApp, TestResponse, TestStore};

use crate::process::gateway;

fn connect(process: &Process) -> TcpStream {
    TcpStream::connect(process.address().trim_start_matches("http://")).unwrap()
}

/// Writes the whole request before it reads the response, like many clients.
fn exchange(process: &Process, method: &Method, path: &str, request: &[u8]) -> TestResponse {
    let mut stream = connect(process);
    stream.write_all(request).expect("the server reads the whole request");
    let mut response = Vec::new();
    stream.read_to_end(&mut response).expect("the connection is not reset");
    TestResponse::parse_http1(method, path, &response).expect("the application responds")
}

#[test]
fn a_missing_repeated_or_malformed_host_is_a_400() {
    let store = TestStore::new();
    let process = Process::start(gateway(&store));
    let send = |method: Method, path: &str, version: &str, hosts: &str| {
        let request = format!("{method} {path} HTTP/{version}\r\n{hosts}connection: close\r\n\r\n");
        exchange(&process, &method, path, request.as_bytes())
    };
    for hosts in [
        "",
        "host: localhost\r\nhost: localhost\r\n",
        "Host: a\r\nHOST: b\r\n",
        "host: a b\r\n",
        "host: a, b\r\n",
        "host: user@localhost\r\n",
        "host: localhost/v5\r\n",
        "host: localhost:port\r\n",
        "host: [::1\r\n",
        "host: \u{fc}\r\n",
    ] {
        for (method, path) in [
            (Method::GET, "/v5/health"),
            (Method::GET, "/api/v5/sessions"),
            (Method::POST, "/v5/auth/login"),
            (Method::OPTIONS, "/v5/health"),
            (Method::GET, "/nothing"),
        ] {
            let response = send(method.clone(), path, "1.1", hosts);
            assert_eq!(
                response.header("access-control-allow-origin"),
                Some("*"),
                "{method} {path}"
            );
            response.assert_problem(400, Code::MalformedRequest);
        }
    }
    for (version, hosts) in [
        ("1.1", "host: localhost\r\n"),
        ("1.1", "host:\r\n"),
        ("1.1", "host: [::1]:8080\r\n"),
        ("1.1", "host: B%C3%BCcher.example:\r\n"),
        ("1.0", ""),
        ("1.0", "host: localhost\r\n"),
    ] {
        let response = send(Method::GET, "/v5/health", version, hosts);
        assert_eq!(response.status, 200, "{version} {hosts}");
    }
    let twice = send(Method::GET, "/v5/health", "1.0", "host: a\r\nhost: a\r\n");
    twice.assert_problem(400, Code::MalformedRequest);
}

/// Sends 5 MB with a length, and in chunks.
fn send_large(process: &Process, path: &str) -> [TestResponse; 2] {
    const SIZE: usize = 5_000_000;
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n");
    let mut with_length = format!("{head}content-length: {SIZE}\r\n\r\n").into_bytes();
    with_length.resize(with_length.len() + SIZE, b' ');
    let mut chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{SIZE:x}\r\n").into_bytes();
    chunked.resize(chunked.len() + SIZE, b' ');
    chunked.extend(b"\r\n0\r\n\r\n");
    [with_length, chunked].map(|request| exchange(process, &Method::POST, path, &request))
}

#[test]
fn a_client_that_writes_everything_before_it_reads_gets_its_413() {
    let store = TestStore::new();
    let process = Process::start(gateway(&store));
    for response in send_large(&process, "/v5/auth/login") {
        assert_eq!(response.header("connection"), Some("close"));
        response.assert_problem(413, Code::BodyTooLarge);
    }
}

#[test]
fn a_client_whose_body_is_not_needed_gets_its_response() {
    let store = TestStore::new();
    let process = Process::start(gateway(&store));
    // Without a declared length, the missing token is noticed first.
    let [with_length, chunked] = send_large(&process, "/v5/sessions");
    with_length.assert_problem(413, Code::BodyTooLarge);
    chunked.assert_problem(401, Code::MissingToken);
    let [_, chunked] = send_large(&process, "/v5/nothing");
    chunked.assert_problem(404, Code::NotFound);
    let head = format!(
        "GET /v5/health HTTP/1.1\r\nhost: x\r\nfiller: {}",
        "x".repeat(1_000_000)
    );
    let mut stream = connect(&process);
    stream
        .write_all(head.as_bytes())
        .expect("the server reads the whole head");
    let mut response = String::new();
    stream
        .read_to_string(&mut response)
        .expect("the connection is not reset");
    assert!(response.starts_with("HTTP/1.1 431 "), "{response}");
}

fn draft() -> Value {
    json!({ "name": "one", "workspacePath": "/workspace" })
}

async fn start() -> (TestApp, Actor) {
    let app = TestApp::start(gateway::router());
    let alice = app.register("alice@example.com").await;
    (app, alice)
}

#[tokio::test]
async fn ids_are_read_in_either_case_and_written_in_lower_case() {
    let (app, alice) = start().await;
    let session = app
        .post("/v5/sessions")
        .by(&alice)
        .json(&draft())
        .send()
        .await
        .created();
    let id = session["id"].as_str().unwrap();
    let upper = format!("/v5/sessions/{}", id.to_uppercase());
    assert_ne!(upper, format!("/v5/sessions/{id}"));
    assert_eq!(app.get(&upper).by(&alice).send().await.ok(), session);
    let changed = app
        .patch(&upper)
        .by(&alice)
        .json(&json!({ "name": "two" }))
        .send()
        .await
        .ok();
    assert_eq!(changed["id"], id);
    app.delete(&upper).by(&alice).send().await.ok();
    app.get(&upper)
        .by(&alice)
        .send()
        .await
        .assert_problem(404, Code::NotFound);

    let other = app.sign_in(&alice).await;
    let login = other.signed_in.login.id.to_string().to_uppercase();
    app.delete(&format!("/v5/auth/logins/{login}"))
        .by(&alice)
        .send()
        .await
        .ok();
    app.get("/v5/sessions")
        .by(&other)
        .send()
        .await
        .assert_problem(401, Code::RevokedToken);
}

#[tokio::test]
async fn unknown_parameters_are_ignored_and_known_ones_are_reported_by_name() {
    let (app, alice) = start().await;
    for path in ["/v5/sessions", "/v5/audit"] {
        for ignored in ["foo=%E9", "%FF=%FF", "foo=1&foo=%C3", "%E9", "Limit=x"] {
            app.get(&format!("{path}?{ignored}")).by(&alice).send().await.ok();
            app.get(&format!("{path}?{ignored}&limit=1"))
                .by(&alice)
                .send()
                .await
                .ok();
            let response = app.get(&format!("{path}?limit=0&{ignored}")).by(&alice).send().await;
            response.assert_invalid(&["/limit"]);
        }
        for (query, pointers) in [
            ("limit=%E9", &["/limit"][..]),
            ("limit=1&limit=1", &["/limit"]),
            ("cursor=%E9&foo=%E9", &["/cursor"]),
            ("cursor=%E9&limit=%E9", &["/limit", "/cursor"]),
        ] {
            let response = app.get(&format!("{path}?{query}")).by(&alice).send().await;
            response.assert_invalid(pointers);
        }
    }
    let response = app.get("/v5/sessions?q=%E9").by(&alice).send().await;
    response.assert_invalid(&["/q"]);
}

#[tokio::test]
async fn a_content_encoding_other_than_identity_is_a_415() {
    let (app, alice) = start().await;
    let login = json!({ "email": "alice@example.com", "password": "password123" });
    for (path, body) in [
        ("/v5/sessions", draft()),
        ("/v5/auth/login", login),
        ("/v5/auth/logout", json!({ "refreshToken": "x" })),
    ] {
        let send = |codings: &[&str]| {
            let request = app.post(path).by(&alice).json(&body);
            let request = codings
                .iter()
                .fold(request, |request, coding| request.header(CONTENT_ENCODING, coding));
            request.send()
        };
        for codings in [
            &["gzip"][..],
            &["br"],
            &["identity, gzip"],
            &["identity", "deflate"],
            &["x-unknown"],
        ] {
            send(codings).await.assert_problem(415, Code::UnsupportedMediaType);
        }
    }
    for identity in ["identity", "Identity", "identity, identity", ""] {
        let request = app.post("/v5/sessions").by(&alice).header(CONTENT_ENCODING, identity);
        request.json(&draft()).send().await.created();
    }
    // Without a body there is nothing to decode.
    let request = app.get("/v5/sessions").by(&alice).header(CONTENT_ENCODING, "gzip");
    request.send().await.ok();
    let request = app.post("/v5/auth/logout").by(&alice).header(CONTENT_ENCODING, "gzip");
    request.send().await.ok();
}

#[tokio::test]
async fn the_location_has_the_prefix_of_the_request() {
    let (app, alice) = start().await;
    for prefix in ["/v5", "/api/v5", "/v5"] {
        let request = app.post(&format!("{prefix}/sessions")).by(&alice).json(&draft());
        let request = request.header(HeaderName::from_static("idempotency-key"), "key");
        let response = request.send().await;
        let location = response.header(LOCATION.as_str()).unwrap().to_owned();
        let id = response.created()["id"].as_str().unwrap().to_owned();
        assert_eq!(location, format!("{prefix}/sessions/{id}"));
        app.get(&location).by(&alice).send().await.ok();
    }
}

/// Every lifetime ends after the last time that exists, and is cut off there.
#[tokio::test]
async fn signed_in_users_work_until_the_last_time_that_exists() {
    let app = TestApp::start(gateway::router());
    let end = domain::Timestamp::from_millis(i64::MAX);
    let hour = Duration::from_secs(3600);
    app.clock.advance(end.minus(hour).since(app.clock.now()));
    let alice = app.register("alice@example.com").await;
    let key = HeaderName::from_static("idempotency-key");
    let create = || {
        app.post("/v5/sessions")
            .by(&alice)
            .json(&draft())
            .header(key.clone(), "key")
    };
    let session = create().send().await.created();
    assert_eq!(create().send().await.created(), session);
    let path = format!("/v5/sessions/{}", session["id"].as_str().unwrap());
    let change = app.patch(&path).by(&alice).json(&json!({ "name": "two" }));
    assert_eq!(change.send().await.ok()["name"], "two");
    for path in ["/v5/ready", "/v5/sessions", "/v5/audit", "/v5/auth/logins"] {
        app.get(path).by(&alice).send().await.ok();
    }
    app.delete(&path).by(&alice).send().await.ok();
    app.refresh(&alice).await;
    domain::sweep::sweep(&app.env, hour).await.unwrap();

    for _ in 0..2 {
        app.clock.advance(hour);
        app.get("/v5/health").send().await.ok();
        app.get("/v5/ready").send().await.ok();
        let late = app.get("/v5/sessions").by(&alice).send().await;
        late.assert_problem(401, Code::ExpiredToken);
        let body = json!({ "email": "alice@example.com", "password": "password123" });
        let login = app.post("/v5/auth/login").json(&body).send().await;
        assert!(login.status.as_u16() < 500, "{}", login.body);
        domain::sweep::sweep(&app.env, hour).await.unwrap();
    }
}
