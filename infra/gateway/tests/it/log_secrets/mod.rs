//! No secret is ever in the logs: every operation of the API, with everything that a client may get wrong, against the real program at the
//! most talkative level. Whatever a test invents as a secret has one word in it to look for; what the API hands out is looked for as it is.
//!
//! It is driven through the gateway's program, and through each function's own under Lambda's Runtime API.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use axum::body::Body;
use axum::http::{HeaderName, Method, Request, header};
use serde_json::{Value, json};
use testkit::{
    Process, RuntimeApi, Target, TestRequest, TestResponse, TestStore, check_job_log_line, check_request_log_line,
};

use crate::functions::Functions;
use crate::operations::{Access, Named, Operation, Person, operations};
use crate::process::gateway;
use crate::sweep::put_keys;

/// In every secret that a test invents: passwords, emails, names and whatever nobody asked for.
const MARK: &str = "marked";
/// How [`MARK`] begins in base64, which credentials of the scheme `Basic` are written in.
const ENCODED: &str = "bWFya2Vk";
const PASSWORD: &str = "marked-passphrase";

/// In which clients put what is nobody's business.
const HEADERS: [&str; 15] = [
    "cookie",
    "user-agent",
    "referer",
    "origin",
    "x-api-key",
    "x-forwarded-for",
    "x-request-id",
    "x-amzn-trace-id",
    "traceparent",
    "tracestate",
    "proxy-authorization",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "x-marked",
];

/// What must not be in the logs, besides what has the mark.
#[derive(Default)]
struct Secrets(BTreeSet<String>);

impl Secrets {
    /// Keeps what `data`, an answer's, hands out, with each part of it.
    fn learn(&mut self, data: &Value) {
        if let Some(token) = data["token"].as_str() {
            self.0.insert(token.to_owned());
            self.0.extend(token.split('.').map(str::to_owned));
        }
        if let Some(token) = data["refreshToken"].as_str() {
            self.0.extend(token.strip_prefix("coditect_rt_").map(str::to_owned));
        }
    }

    /// The lines that have one of them.
    fn leaks(&self, lines: &[String]) -> Vec<String> {
        let known = [
            MARK,
            ENCODED,
            "coditect_rt_",
            "$argon2",
            "only these tests sign with",
            "passwordHash",
        ];
        let secrets: Vec<_> = self.0.iter().map(String::as_str).chain(known).collect();
        let is_leak = |line: &&String| {
            let lower = line.to_ascii_lowercase();
            secrets.iter().any(|secret| line.contains(secret)) || lower.contains(MARK)
        };
        lines.iter().filter(is_leak).cloned().collect()
    }
}

/// Drives operations as clients do, well-behaved and not.
struct Driver<'a, T> {
    target: &'a T,
    secrets: Secrets,
    people: usize,
    /// The ids of the requests that were sent.
    sent: BTreeSet<String>,
}

impl<T: Target> Driver<'_, T> {
    async fn send(&mut self, call: TestRequest<'_, T>) -> TestResponse {
        let answer = call.send().await;
        self.sent.extend(answer.header("x-request-id").map(str::to_owned));
        self.secrets.learn(&answer.body["data"]);
        answer
    }

    fn email(&mut self) -> String {
        self.people += 1;
        format!("marked-{}@example.com", self.people)
    }

    /// Somebody new, and the answer that made them.
    async fn person(&mut self) -> (Person, Value) {
        let email = self.email();
        let account = json!({
            "email": email, "password": PASSWORD, "firstName": "marked", "lastName": "marked", "company": "marked",
        });
        let call = self.target.post("/v5/auth/register").json(&account);
        let data = self.send(call).await.created();
        let person = Person {
            new_email: self.email(),
            email,
            password: PASSWORD.to_owned(),
            refresh_token: text(&data["refreshToken"]),
            text: MARK.to_owned(),
        };
        (person, data)
    }

    async fn resource(&mut self, operation: &Operation, person: &Person, token: &str) -> String {
        match operation.names {
            None => String::new(),
            Some(Named::Session) => {
                let draft = json!({ "name": "marked", "workspacePath": "/marked" });
                let call = self.target.post("/v5/sessions").bearer(token).json(&draft);
                text(&self.send(call).await.created()["id"])
            }
            Some(Named::Login) => {
                let credentials = json!({ "email": person.email, "password": person.password });
                let call = self.target.post("/v5/auth/login").json(&credentials);
                self.send(call).await.ok();
                let call = self.target.get("/v5/auth/logins").bearer(token);
                let data = self.send(call).await.ok();
                let other = data["logins"].as_array().unwrap().iter();
                text(&other.clone().find(|login| login["current"] == false).unwrap()["id"])
            }
        }
    }

    /// The operation with everything wrong that can be, then done, then once more.
    async fn drive(&mut self, operation: &Operation) {
        let (person, data) = self.person().await;
        let token = text(&data["token"]);
        let id = self.resource(operation, &person, &token).await;
        let path = operation.at("/v5", &id);
        let body = operation.body.map(|body| body(&person));
        let method = &operation.method;
        let target = self.target;
        let call = |path: &str| target.request(method.clone(), path);

        let (cut, _) = token.rsplit_once('.').unwrap();
        let credentials = [
            String::new(),
            format!("Token {token}"),
            format!("Basic {ENCODED}OnBhc3N3b3Jk"),
            token.clone(),
            "Bearer".to_owned(),
            "Bearer marked-junk".to_owned(),
            format!("Bearer {cut}.marked"),
            format!("Bearer {}", person.refresh_token),
            format!("Bearer {}", "marked".repeat(1000)),
        ];
        for credential in &credentials {
            let call = with(call(&path), body.as_ref()).header(header::AUTHORIZATION, credential);
            // What needs no token may be done by this; it is done again below.
            self.send(call).await;
        }
        let twice = with(call(&path), body.as_ref()).bearer(&token).bearer("marked");
        self.send(twice).await;

        let elsewhere = [
            format!("{path}?access_token={token}&password=marked&q=marked&limit=marked&cursor=marked"),
            format!("{path}?%ff=marked&{token}"),
            operation.at("/v5", &token),
            operation.at("/v5", "marked%2Fmarked%00"),
            format!("{path}/{token}"),
            format!("/marked{path}"),
        ];
        for path in &elsewhere {
            let call = with(call(path), body.as_ref()).bearer("marked");
            self.send(call).await;
        }

        let bodies: [&[u8]; 10] = [
            br#"{"email":"marked@example.com","password":"marked"#,
            br#"{"password":marked}"#,
            br#"["marked"]"#,
            br#""marked""#,
            b"{\"password\":\"marked\xff\"}",
            br#"{"email":["marked"],"password":{"marked":"marked"},"refreshToken":{"marked":1},"name":["marked"]}"#,
            br#"{"email":"marked","password":"marked","password":"marked","refreshToken":"marked","refreshToken":"marked"}"#,
            br#"{"email":"marked","password":"marked","refreshToken":"marked","name":"marked\u0000","workspacePath":"marked"}"#,
            br#"{"email":"marked@example.com","password":"marked","currentPassword":"marked","newPassword":"marked"}"#,
            br#"{"email":"marked@example.com","password":"\ud800marked","currentPassword":1,"newPassword":"marked"}"#,
        ];
        for bytes in bodies {
            let call = call(&path).header(header::CONTENT_TYPE, "application/json");
            let call = if with_token(operation) {
                call.bearer(&token)
            } else {
                call
            };
            self.send(call.body(bytes.to_vec())).await;
        }
        let other_type = call(&path).header(header::CONTENT_TYPE, "text/marked; charset=marked");
        self.send(other_type.bearer(&token).body("marked")).await;

        for name in HEADERS {
            let name = HeaderName::from_static(name);
            let call = with(call(&path), body.as_ref()).header(name, &format!("marked={token}"));
            self.send(call).await;
        }

        // Somebody to whom nothing of that has happened.
        let (person, data) = self.person().await;
        let token = text(&data["token"]);
        let id = self.resource(operation, &person, &token).await;
        let path = operation.at("/v5", &id);
        let body = operation.body.map(|body| body(&person));
        let done = with(call(&path), body.as_ref()).bearer(&token);
        let answer = self.send(done).await;
        assert_eq!(
            answer.status, operation.success,
            "{method} {}: {}",
            operation.path, answer.body
        );
        let again = with(call(&path), body.as_ref()).bearer(&token);
        self.send(again).await;
        let logout = target.post("/v5/auth/logout").bearer(&token);
        self.send(logout).await;
        let revoked = with(call(&path), body.as_ref()).bearer(&token);
        self.send(revoked).await;
    }
}

fn with<'a, T: Target>(call: TestRequest<'a, T>, body: Option<&Value>) -> TestRequest<'a, T> {
    match body {
        Some(body) => call.json(body),
        None => call,
    }
}

fn with_token(operation: &Operation) -> bool {
    matches!(operation.access, Access::Token(_))
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

/// Wrong passwords until there is no more patience, and a preflight.
async fn provoke(driver: &mut Driver<'_, impl Target>) {
    let (person, _) = driver.person().await;
    let wrong = json!({ "email": person.email, "password": "marked, and wrong" });
    loop {
        let call = driver.target.post("/v5/auth/login").json(&wrong);
        if driver.send(call).await.status == 429 {
            break;
        }
    }
    let preflight = driver
        .target
        .request(Method::OPTIONS, "/v5/sessions")
        .header(header::ORIGIN, "https://marked.example.com")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "x-marked");
    driver.send(preflight).await;
}

/// What is not even HTTP.
fn provoke_server(address: &str) {
    // By hand, because the connection may end before all is written.
    let mut requests: Vec<String> = [
        "marked\r\n\r\n",
        "GET /marked?\u{0}marked HTTP/1.1\r\n\r\n",
        "GET /v5/health HTTP/1.1\r\nauthorization: Bearer marked\u{1}\r\n\r\n",
        "GET /v5/health HTTP/1.1\r\nmarked marked: marked\r\n\r\n",
        "GET /v5/sessions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer marked\u{e9}\r\n\r\n",
        "POST /v5/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: marked\r\n\r\n",
        "POST /v5/auth/login HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nmarked\r\n",
        "POST /v5/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{\"password\":\"marked",
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
            operation.at("/v5", "marked"),
            large.len(),
        )
    }));
    let mut answered = 0;
    for request in &requests {
        let mut stream = TcpStream::connect(address.trim_start_matches("http://")).unwrap();
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let mut line = request.split(' ');
        let (method, target) = (line.next().unwrap(), line.next().unwrap_or_default());
        let path = target.split('?').next().unwrap_or_default();
        // Sent or refused, an answer is one of the document's; what is not even a method is refused before it is answered.
        if let Ok(method) = method.parse() {
            answered += usize::from(TestResponse::parse_http1(&method, path, &answer).is_some());
        }
    }
    assert!(answered > 0, "none of it has come to the application");
}

/// What a program wrote while everything was driven through it.
struct Log {
    lines: Vec<String>,
    /// The ids of the requests that it was sent.
    sent: BTreeSet<String>,
    secrets: Secrets,
}

/// Everything comes from one address; each account keeps its own limit.
const UNLIMITED: [(&str, &str); 2] = [
    ("THROTTLE_ADDRESS", "10000/1/1"),
    ("THROTTLE_REGISTRATION", "10000/1/1"),
];

/// Drives everything through `target`, and answers which requests that were and what must not be told of them.
async fn drive_everything(target: &impl Target) -> (BTreeSet<String>, Secrets) {
    let mut driver = Driver {
        target,
        secrets: Secrets::default(),
        people: 0,
        sent: BTreeSet::new(),
    };
    for operation in operations() {
        driver.drive(&operation).await;
    }
    provoke(&mut driver).await;
    (driver.sent, driver.secrets)
}

async fn log_of_everything(format: &str) -> Log {
    let store = TestStore::new();
    let mut command = gateway(&store);
    command
        .env("RUST_LOG", "trace")
        .env("LOG_FORMAT", format)
        .envs(UNLIMITED);
    let process = Process::start(command);
    let (sent, secrets) = drive_everything(&process.remote()).await;
    provoke_server(process.address());
    process.terminate();
    let (status, lines) = process.wait();
    assert!(status.success(), "{status}");
    Log { lines, sent, secrets }
}

/// The lines, each of which is JSON.
fn parsed(lines: &[impl AsRef<str>]) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("a line is not JSON: {line}"));
    lines.iter().map(|line| parse(line.as_ref())).collect()
}

/// Each operation was done and was refused.
fn assert_all_is_there(requests: &[Value]) {
    for operation in operations() {
        let of_it = requests
            .iter()
            .filter(|line| line["method"] == operation.method.as_str() && line["route"] == operation.at("/v5", "{id}"));
        let statuses: BTreeSet<_> = of_it.filter_map(|line| line["status"].as_u64()).collect();
        assert!(
            statuses.contains(&u64::from(operation.success)) && statuses.len() > 1,
            "{} {}: {statuses:?}",
            operation.method,
            operation.path
        );
    }
}

#[tokio::test]
async fn no_secret_is_in_the_logs_for_machines_whatever_is_asked_of_any_operation() {
    let log = log_of_everything("json").await;
    assert_eq!(log.secrets.leaks(&log.lines), [""; 0]);

    // And it is the log of everything: each request has its line.
    let mut requests = parsed(&log.lines);
    requests.retain(|line| line["message"] == "request");
    for line in &requests {
        assert_eq!(check_request_log_line(line, None), Ok(()), "{line}");
    }
    let logged: BTreeSet<_> = requests.iter().map(|line| text(&line["request_id"])).collect();
    assert!(log.sent.is_subset(&logged));
    assert_all_is_there(&requests);
}

#[tokio::test]
async fn no_secret_is_in_the_logs_of_any_function_under_lambda() {
    let store = TestStore::new();
    let mut env = UNLIMITED.to_vec();
    env.push(("RUST_LOG", "trace"));
    let functions = Functions::start(&store, &env).await;
    let (_, secrets) = drive_everything(&functions).await;
    // By itself, because a body that nobody reads is refused where the document knows of none.
    let large = "marked".repeat(12_000);
    for operation in operations() {
        let request = Request::builder()
            .method(operation.method.clone())
            .uri(operation.at("/v5", "marked"))
            .header(header::AUTHORIZATION, "Bearer marked")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(large.clone()));
        let answer = functions.exchange(request.unwrap()).await;
        assert_eq!(answer.status(), 413, "{} {}", operation.method, operation.path);
    }
    // What is no request at all, which the runtime refuses before any code of ours sees it.
    for event in [
        json!("marked"),
        json!({ "marked": "marked" }),
        json!({ "version": "marked", "requestContext": { "http": "marked" }, "headers": ["marked"], "body": { "marked": 1 } }),
        json!({ "version": "2.0", "rawPath": "/marked", "requestContext": { "http": { "method": "mark ed" } } }),
        json!({ "httpMethod": "GET", "path": "/marked", "requestContext": { "elb": "marked" }, "headers": { "mark ed": "marked\n" } }),
    ] {
        functions.invoke_each(&event).await;
    }
    let mut all = Vec::new();
    for (name, invocations, log) in functions.end().await {
        let lines: Vec<_> = log.lines().map(str::to_owned).collect();
        assert_eq!(secrets.leaks(&lines), [""; 0], "{name}");
        let mut requests = parsed(&lines);
        requests.retain(|line| line["message"] == "request");
        for line in &requests {
            assert_eq!(
                check_request_log_line(line, Some(RuntimeApi::FUNCTION_NAME)),
                Ok(()),
                "{line}"
            );
        }
        let cold = requests.iter().filter(|line| line["cold_start"] == true);
        assert_eq!(cold.count(), 1, "{name}");
        let ids: BTreeSet<_> = requests.iter().map(|line| text(&line["request_id"])).collect();
        assert_eq!(ids.len(), requests.len(), "{name}: each request has one line");
        assert!(
            requests.len() + 5 >= invocations && requests.len() > 10,
            "{name}: {} of {invocations}",
            requests.len()
        );
        all.extend(requests);
    }
    assert_all_is_there(&all);
}

#[tokio::test]
async fn no_secret_is_in_the_logs_of_any_job_under_lambda() {
    let store = TestStore::new();
    let db = store.open();
    // At which a sweep fails. What it is called is no secret: keys are made of ids.
    let junk = &kv::Key::of(&("expiry", 0, "junk"));
    for job in gateway::jobs() {
        let command = Functions::command(job.name(), &store, &[("RUST_LOG", "trace")]).await;
        let function = RuntimeApi::start(command).await;
        for fails in [false, true, false] {
            if fails {
                put_keys(&db, std::slice::from_ref(junk)).await;
            }
            let event = json!({ "source": "marked", "detail": { "token": "marked", "body": ["marked"] } });
            assert_eq!(function.invoke(&event).await.is_err(), fails);
            db.run(|txn| async move { txn.clear(junk) }).await.unwrap();
        }
        let log = function.stop().await;
        let lines: Vec<_> = log.lines().map(str::to_owned).collect();
        assert_eq!(Secrets::default().leaks(&lines), [""; 0]);
        let mut runs = parsed(&lines);
        runs.retain(|line| line["message"] == "job");
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

#[tokio::test]
async fn no_secret_is_in_the_logs_for_people_whatever_is_asked_of_any_operation() {
    let log = log_of_everything("text").await;
    assert_eq!(log.secrets.leaks(&log.lines), [""; 0]);
    for id in &log.sent {
        assert!(
            log.lines.iter().any(|line| line.contains(id.as_str())),
            "{id} has no line"
        );
    }
}

#[test]
fn the_search_finds_each_part_of_what_was_handed_out_and_whatever_has_the_mark() {
    let mut secrets = Secrets::default();
    secrets.learn(&json!({ "token": "head.claims.signature", "refreshToken": "coditect_rt_rest" }));
    for leak in [
        "a head",
        "claims",
        "\"signature\"",
        "the rest",
        "coditect_rt_",
        "MARKED-1@example.com",
        "Basic bWFya2VkOnBhc3N3b3Jk",
        "$argon2id$v=19",
    ] {
        assert_eq!(secrets.leaks(&[leak.to_owned()]), [leak]);
    }
    assert!(secrets.leaks(&["POST /v5/auth/login 401".to_owned()]).is_empty());
}
