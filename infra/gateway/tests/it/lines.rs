//! The line of every request: what it tells, that it is the request's own, and that it is there whatever becomes of the request.

use std::time::Duration;

use axum::http::{HeaderName, Method};
use domain::Role;
use kv::faulty::{Latency, Plan};
use serde_json::{Value, json};
use testkit::{
    Actor, Code, Process, RuntimeApi, Target as _, TestApp, TestRequest, TestResponse, TestStore, check_job_log_line,
    check_request_log_line,
};
use tokio::time::{Instant, timeout};

use crate::functions::Functions;
use crate::operations::{Access, Named, Operation, Person, operations};
use crate::process::gateway;

const TRIP: Duration = Duration::from_secs(1);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The whole application on a store that takes as long for every trip; its clock has to be paused.
fn slow(store: &TestStore, plan: Plan) -> TestApp {
    let plan = Plan {
        latency: Latency::of(TRIP),
        ..plan
    };
    TestApp::on(gateway::router(), store.open().with_faults(plan))
}

fn ids_of(actor: &Actor) -> [String; 3] {
    let signed_in = &actor.signed_in;
    [
        signed_in.tenant.id.to_string(),
        signed_in.user.id.to_string(),
        signed_in.login.id.to_string(),
    ]
}

fn ids_on(line: &Value) -> [&str; 3] {
    ["tenant_id", "user_id", "login_id"].map(|name| line[name].as_str().unwrap_or("none"))
}

/// Somebody with something to name, and the path of the operation for them.
async fn somebody(app: &TestApp, operation: &Operation, number: usize) -> (Actor, Person, String) {
    let email = format!("somebody-{number}@example.com");
    let actor = app.register(&email).await;
    let id = match operation.names {
        None => String::new(),
        Some(Named::Login) => app.sign_in(&actor).await.signed_in.login.id.to_string(),
        Some(Named::Session) => {
            let draft = json!({ "name": "one", "workspacePath": "/one" });
            let made = app.post("/v5/sessions").by(&actor).json(&draft).send().await.created();
            made["id"].as_str().unwrap().to_owned()
        }
    };
    let person = Person {
        new_email: format!("new-{number}@example.com"),
        email,
        password: "password123".to_owned(),
        refresh_token: actor.signed_in.refresh_token.reveal(),
        text: "text".to_owned(),
    };
    (actor, person, operation.at("/api/v5", &id))
}

fn prepared<'a>(app: &'a TestApp, operation: &Operation, person: &Person, path: &str) -> TestRequest<'a, TestApp> {
    let call = app.request(operation.method.clone(), path);
    match operation.body {
        Some(body) => call.json(&body(person)),
        None => call,
    }
}

#[tokio::test]
async fn a_line_names_the_route_and_whose_request_it_is_once_a_token_was_verified_or_given_out() {
    let app = TestApp::start(gateway::router());
    for (number, operation) in operations().iter().enumerate() {
        let (actor, person, path) = somebody(&app, operation, number).await;
        let call = prepared(&app, operation, &person, &path);
        let answer = match operation.access {
            Access::Token(_) | Access::Leaving => call.by(&actor),
            Access::Public | Access::RefreshToken => call,
        };
        let answer = answer.send().await;
        assert_eq!(answer.status, operation.success, "{path}");
        let line = app.log_line(&answer);
        assert_eq!(line["method"], operation.method.as_str());
        assert_eq!(line["route"], operation.at("/api/v5", "{id}"));
        assert_eq!(line["status"], operation.success);

        let data = &answer.body["data"];
        let expected = match (operation.access, data["token"].as_str()) {
            (Access::Token(_) | Access::Leaving, _) => ids_of(&actor),
            (Access::Public | Access::RefreshToken, None) => ["none"; 3].map(str::to_owned),
            (Access::Public | Access::RefreshToken, Some(token)) => {
                // Of whoever has got the token.
                let logins = app.get("/v5/auth/logins").bearer(token).send().await.ok();
                let current = logins["logins"].as_array().unwrap().iter();
                let current = current.clone().find(|login| login["current"] == true).unwrap();
                [&data["tenant"]["id"], &data["user"]["id"], &current["id"]].map(|id| id.as_str().unwrap().to_owned())
            }
        };
        assert_eq!(ids_on(&line), expected.each_ref().map(String::as_str), "{path}");
    }
}

#[tokio::test]
async fn who_is_refused_is_named_if_the_token_is_one_of_ours_and_not_otherwise() {
    let app = TestApp::start(gateway::router());
    let alice = app.register("alice@example.com").await;
    let viewer = app
        .add_member(&app.register("viewer@example.com").await, &alice, Role::Viewer)
        .await;
    let draft = json!({ "name": "one", "workspacePath": "/one" });
    let line = async |call: TestRequest<'_, TestApp>, status: u16, code: Code| {
        let answer = call.send().await;
        let line = app.log_line(&answer);
        answer.assert_problem(status, code);
        assert_eq!(
            (&line["status"], &line["code"]),
            (&json!(status), &json!(code.as_str()))
        );
        line
    };
    let post = || app.post("/v5/sessions").json(&draft);
    let forbidden = line(post().by(&viewer), 403, Code::Forbidden).await;
    assert_eq!(ids_on(&forbidden), ids_of(&viewer).each_ref().map(String::as_str));

    let nobody = ["none"; 3];
    let expired = app.token(&alice, 1).0;
    app.clock.advance(Duration::from_secs(1));
    for (call, code) in [
        (post(), Code::MissingToken),
        (post().bearer("junk"), Code::InvalidToken),
        (post().bearer(&expired), Code::ExpiredToken),
    ] {
        assert_eq!(ids_on(&line(call, 401, code).await), nobody);
    }
    // Not even that there is such an account is told by the log.
    let wrong = json!({ "email": "alice@example.com", "password": "a wrong one" });
    let refused = line(app.post("/v5/auth/login").json(&wrong), 401, Code::InvalidCredentials).await;
    assert_eq!(ids_on(&refused), nobody);
    // Whoever leaves ends what an expired token belonged to, and so is somebody.
    let left = app.post("/v5/auth/logout").bearer(&expired).send().await;
    assert_eq!(
        ids_on(&app.log_line(&left)),
        ids_of(&alice).each_ref().map(String::as_str)
    );
}

#[tokio::test]
async fn what_has_no_route_and_no_method_of_http_makes_no_names_of_its_own() {
    let app = TestApp::start(gateway::router());
    for (method, path, route) in [
        ("GET", "/marked", "(none)"),
        ("MARKED", "/v5/health", "/v5/health"),
        ("MARKED", "/marked", "(none)"),
    ] {
        let answer = app.request(method.parse::<Method>().unwrap(), path).send().await;
        let line = app.log_line(&answer);
        let expected = if method == "GET" { "GET" } else { "(other)" };
        assert_eq!((&line["method"], &line["route"]), (&json!(expected), &json!(route)));
        assert!(!line.to_string().to_lowercase().contains("marked"), "{line}");
    }
}

/// The trips of the table in the README, which the bench counts by the time that they take.
#[tokio::test(start_paused = true)]
async fn the_trips_on_a_line_are_the_time_that_the_request_has_waited_for_the_store() {
    let store = TestStore::lmdb();
    let app = slow(&store, Plan::default());
    for (number, operation) in operations().iter().enumerate() {
        let (actor, person, path) = somebody(&app, operation, number).await;
        let call = prepared(&app, operation, &person, &path).by(&actor);
        let start = Instant::now();
        let answer = call.send().await;
        let took = start.elapsed();
        assert_eq!(answer.status, operation.success, "{path}");
        let line = app.log_line(&answer);
        assert_eq!(
            u128::from(line["store_trips"].as_u64().unwrap()),
            took.as_millis() / TRIP.as_millis(),
            "{path}"
        );
        assert_eq!(line["duration_ms"], json!(took.as_secs_f64() * 1000.0), "{path}");
        assert_eq!(line["store_retries"], 0, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_take_turns_have_each_their_own_trips() {
    let store = TestStore::lmdb();
    let app = slow(&store, Plan::default());
    let actor = app.register("alice@example.com").await;
    let draft = json!({ "name": "one", "workspacePath": "/one" });
    let made = app.post("/v5/sessions").by(&actor).json(&draft).send().await.created();
    let path = format!("/v5/sessions/{}", made["id"].as_str().unwrap());
    let start = Instant::now();
    let answers: [TestResponse; 4] = tokio::join!(
        app.get("/v5/sessions").by(&actor).send(),
        app.get(&path).by(&actor).send(),
        app.get("/v5/health").send(),
        app.post("/v5/sessions").by(&actor).json(&draft).send(),
    )
    .into();
    assert_eq!(start.elapsed(), 3 * TRIP, "they were under way together");
    let trips = answers
        .each_ref()
        .map(|answer| app.log_line(answer)["store_trips"].clone());
    assert_eq!(trips, [3, 2, 0, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_on_many_threads_have_each_their_own_trips() {
    // Whose reads are done as soon as they are asked for, so that even those that are asked for together are a trip each.
    let store = TestStore::lmdb();
    let app = std::sync::Arc::new(TestApp::on(gateway::router(), store.open()));
    let alice = app.register("alice@example.com").await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..300_u32 {
        let (app, token) = (app.clone(), alice.token.clone());
        tasks.spawn(async move {
            let (path, trips) = [("/v5/health", 0), ("/v5/ready", 2), ("/v5/auth/logins", 4)][number as usize % 3];
            let answer = app.get(path).bearer(&token).send().await;
            assert_eq!(app.log_line(&answer)["store_trips"], trips, "{path}");
        });
    }
    tasks.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn the_retries_on_a_line_are_the_requests_own() {
    let store = TestStore::lmdb();
    let plan = Plan {
        seed: 7,
        conflict: 0.5,
        ..Plan::default()
    };
    // Its trips take no time, so that no number of retries is cut off by the deadline.
    let app = TestApp::on(gateway::router(), store.open().with_faults(plan));
    let actor = app.register("alice@example.com").await;
    let draft = json!({ "name": "one", "workspacePath": "/one" });
    let mut seen = 0;
    for _ in 0..20 {
        let before = app.env.db.usage();
        let answer = app.post("/v5/sessions").by(&actor).json(&draft).send().await;
        let after = app.env.db.usage();
        let retries = after.attempts - before.attempts - 1;
        assert_eq!(app.log_line(&answer)["store_retries"], retries);
        seen += retries;
    }
    assert!(seen > 5, "the plan makes no conflicts");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_told_of_with_the_cause() {
    let store = TestStore::lmdb();
    let plan = Plan {
        hang: 1.0,
        ..Plan::default()
    };
    let app = slow(&store, plan);
    let answer = app.get("/v5/ready").send().await;
    let line = app.log_line(&answer);
    answer.assert_problem(503, Code::StoreUnavailable);
    assert_eq!(
        (&line["level"], &line["StoreUnavailable"]),
        (&json!("ERROR"), &json!(1))
    );
    assert!(line["cause"].as_str().unwrap().contains("2s"), "{line}");
    assert_eq!(line["store_trips"], 2, "a begin, and the read that hangs");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_nobody_waits_for_any_more_has_its_line_too() {
    let store = TestStore::lmdb();
    let app = slow(&store, Plan::default());
    let actor = app.register("alice@example.com").await;
    let asking = app.get("/v5/sessions").by(&actor).send();
    assert!(timeout(TRIP * 3 / 2, asking).await.is_err());
    let lines = app.log_lines();
    let line = lines.last().unwrap();
    assert_eq!((&line["status"], &line["level"]), (&Value::Null, &json!("INFO")));
    assert_eq!(line["cause"], "nobody waited for the answer");
    assert_eq!(line["store_trips"], 2, "as far as it came");
    assert_eq!(line["duration_ms"], 1500.0);
    assert_eq!(ids_on(line), ids_of(&actor).each_ref().map(String::as_str));
}

#[tokio::test]
async fn only_the_first_request_of_a_process_is_a_cold_start() {
    let app = TestApp::start(gateway::router());
    for _ in 0..3 {
        app.get("/v5/health").send().await;
    }
    let cold: Vec<_> = app.log_lines().iter().map(|line| line["cold_start"] == true).collect();
    assert_eq!(cold, [true, false, false]);
}

#[tokio::test]
async fn a_line_has_the_trace_that_the_request_says_it_belongs_to() {
    let app = TestApp::start(gateway::router());
    let trace = async |headers: &[(&'static str, &str)]| {
        let mut call = app.get("/v5/health");
        for (name, value) in headers {
            call = call.header(HeaderName::from_static(name), value);
        }
        let answer = call.send().await;
        assert!(
            answer.headers.keys().all(|name| !name.as_str().contains("trace")),
            "the contract knows no such header: {:?}",
            answer.headers
        );
        app.log_line(&answer)["trace_id"].as_str().unwrap().to_owned()
    };
    assert_eq!(trace(&[("traceparent", PARENT)]).await, TRACE);
    let xray = ("x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1");
    assert_eq!(trace(&[xray]).await, "5759e988bd862e3fe1be46a994272793");
    assert_eq!(trace(&[xray, ("traceparent", PARENT)]).await, TRACE);
    let own = [trace(&[]).await, trace(&[("traceparent", "nonsense")]).await];
    assert_ne!(own[0], own[1]);
}

/// The lines of requests that a server writes under these variables.
async fn lines_of_a_server(env: &[(&str, &str)], paths: &[&str]) -> Vec<String> {
    let store = TestStore::new();
    let mut command = gateway(&store);
    command.envs(env.iter().copied());
    let process = Process::start(command);
    for path in paths {
        process.remote().get(path).send().await;
    }
    process.terminate();
    let (_, mut lines) = process.wait();
    lines.retain(|line| line.contains("/v5/health") || line.contains("(none)"));
    lines
}

#[tokio::test]
async fn a_servers_lines_are_of_its_log_and_have_no_metrics() {
    let paths = ["/v5/health", "/nothing"];
    let lines = lines_of_a_server(&[], &paths).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in &lines {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(check_request_log_line(&line, None), Ok(()), "{line}");
    }
    for silent in ["warn", "info,api::request=off", "off"] {
        assert_eq!(
            lines_of_a_server(&[("RUST_LOG", silent)], &paths).await,
            [""; 0],
            "{silent}"
        );
    }
}

#[tokio::test]
async fn a_line_for_people_tells_the_same() {
    let store = TestStore::new();
    let mut command = gateway(&store);
    command.env("LOG_FORMAT", "text");
    let process = Process::start(command);
    let account = json!({ "email": "a@example.com", "password": "password123" });
    let remote = process.remote();
    let answer = remote
        .post("/v5/auth/register")
        .header(HeaderName::from_static("traceparent"), PARENT)
        .json(&account)
        .send()
        .await;
    process.terminate();
    let (_, lines) = process.wait();
    let line = lines.iter().find(|line| line.contains("/v5/auth/register")).unwrap();
    // Terminals get colours, and nothing is one here; the names may be in italics all the same.
    let line = without_escapes(line);
    let data = &answer.body["data"];
    for (name, value) in [
        ("request_id", format!("{:?}", answer.header("x-request-id").unwrap())),
        ("trace_id", TRACE.to_owned()),
        ("method", "\"POST\"".to_owned()),
        ("status", "201".to_owned()),
        ("tenant_id", data["tenant"]["id"].as_str().unwrap().to_owned()),
        ("user_id", data["user"]["id"].as_str().unwrap().to_owned()),
        ("store_retries", "0".to_owned()),
        ("cold_start", "true".to_owned()),
    ] {
        assert!(line.contains(&format!(" {name}={value}")), "{name}={value}: {line}");
    }
}

fn without_escapes(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, part| {
        line + part.split_once('m').map_or(part, |(_, rest)| rest)
    })
}

/// Whatever the log is asked for, and in whatever form.
#[tokio::test]
async fn under_lambda_metrics_are_written_whatever_the_log_is_asked_for() {
    for (level, format) in [("warn", "json"), ("off", "json"), ("info", "text"), ("error", "text")] {
        let store = TestStore::new();
        let env = [("RUST_LOG", level), ("LOG_FORMAT", format)];
        let functions = Functions::start(&store, &env).await;
        functions.get("/v5/health").send().await.ok();
        let login = functions
            .post("/v5/auth/login")
            .header(HeaderName::from_static("traceparent"), PARENT);
        login.json(&json!({})).send().await;
        functions.get("/v5/sessions").send().await;
        functions.get("/v5/audit").send().await;
        for (name, invocations, log) in functions.end().await {
            let lines: Vec<_> = log.lines().collect();
            assert_eq!((invocations, lines.len()), (1, 1), "{name} {level} {format}: {log}");
            let line: Value = serde_json::from_str(lines[0]).unwrap();
            assert_eq!(
                check_request_log_line(&line, Some(RuntimeApi::FUNCTION_NAME)),
                Ok(()),
                "{line}"
            );
            assert_eq!(line["request_id"], "00000000-0000-4000-8000-000000000000");
            let trace = if name == "auth" {
                TRACE.to_owned()
            } else {
                RuntimeApi::trace_id(0)
            };
            assert_eq!(line["trace_id"], trace, "{name}");
        }

        for job in gateway::jobs() {
            let function = RuntimeApi::start(Functions::command(job.name(), &store, &env).await).await;
            function.invoke(&json!({})).await.unwrap();
            let log = function.stop().await;
            let line: Value = serde_json::from_str(log.trim()).unwrap();
            assert_eq!(
                check_job_log_line(&line, Some(RuntimeApi::FUNCTION_NAME)),
                Ok(()),
                "{line}"
            );
        }
    }
}
