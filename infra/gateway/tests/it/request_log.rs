//! The log line of a request: its fields, and that it exists however the request ends.

use std::time::Duration;

use axum::http::{HeaderName, Method};
use domain::Role;
use kv::faulty::Plan;
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp, TestRequest, TestStore};
use tokio::time::timeout;

use crate::operations::{Access, operations};
use crate::prepared::Prepared;
use crate::store_trips::{TRIP, with_latency};

pub const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

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

#[tokio::test]
async fn the_line_has_the_route_and_the_identity_of_the_verified_or_issued_token() {
    let app = TestApp::start(gateway::router());
    for (number, operation) in operations().iter().enumerate() {
        let prepared = Prepared::new(&app, operation, number).await;
        let path = &prepared.path;
        let call = prepared.request();
        let call = match operation.access {
            Access::Token(_) | Access::Logout => call.by(&prepared.actor),
            Access::Public | Access::RefreshToken => call,
        };
        let response = call.send().await;
        assert_eq!(response.status, operation.success, "{path}");
        let line = app.log_line(&response);
        assert_eq!(line["method"], operation.method.as_str());
        assert_eq!(line["route"], format!("/api/v5{}", operation.path));
        assert_eq!(line["status"], operation.success);

        let data = &response.body["data"];
        let expected = match (operation.access, data["token"].as_str()) {
            (Access::Token(_) | Access::Logout, _) => ids_of(&prepared.actor),
            (Access::Public | Access::RefreshToken, None) => ["none"; 3].map(str::to_owned),
            (Access::Public | Access::RefreshToken, Some(token)) => {
                // The account to which the token was issued.
                let logins = app.get("/v5/auth/logins").bearer(token).send().await.ok();
                let mut logins = logins["logins"].as_array().unwrap().iter();
                let current = logins.find(|login| login["current"] == true).unwrap();
                [&data["tenant"]["id"], &data["user"]["id"], &current["id"]].map(|id| id.as_str().unwrap().to_owned())
            }
        };
        assert_eq!(ids_on(&line), expected.each_ref().map(String::as_str), "{path}");
    }
}

#[tokio::test]
async fn the_line_of_a_rejected_request_has_an_identity_only_if_the_token_is_valid() {
    let app = TestApp::start(gateway::router());
    let alice = app.register("alice@example.com").await;
    let viewer = app
        .add_member(&app.register("viewer@example.com").await, &alice, Role::Viewer)
        .await;
    let draft = json!({ "name": "one", "workspacePath": "/one" });
    let line = async |call: TestRequest<'_, TestApp>, status: u16, code: Code| {
        let response = call.send().await;
        let line = app.log_line(&response);
        response.assert_problem(status, code);
        assert_eq!(
            (&line["status"], &line["code"]),
            (&json!(status), &json!(code.as_str()))
        );
        line
    };
    let post = || app.post("/v5/sessions").json(&draft);
    let forbidden = line(post().by(&viewer), 403, Code::Forbidden).await;
    assert_eq!(ids_on(&forbidden), ids_of(&viewer).each_ref().map(String::as_str));

    let no_identity = ["none"; 3];
    let expired = app.token(&alice, 1).0;
    app.clock.advance(Duration::from_secs(1));
    for (call, code) in [
        (post(), Code::MissingToken),
        (post().bearer("junk"), Code::InvalidToken),
        (post().bearer(&expired), Code::ExpiredToken),
    ] {
        assert_eq!(ids_on(&line(call, 401, code).await), no_identity);
    }
    // A failed login does not reveal in the log whether the account exists.
    let wrong = json!({ "email": "alice@example.com", "password": "a wrong one" });
    let rejected = line(app.post("/v5/auth/login").json(&wrong), 401, Code::InvalidCredentials).await;
    assert_eq!(ids_on(&rejected), no_identity);
    // Logging out accepts an expired token, and so identifies its user.
    let logout = app.post("/v5/auth/logout").bearer(&expired).send().await;
    assert_eq!(
        ids_on(&app.log_line(&logout)),
        ids_of(&alice).each_ref().map(String::as_str)
    );
}

#[tokio::test]
async fn unknown_paths_and_methods_are_logged_under_fixed_names() {
    let app = TestApp::start(gateway::router());
    for (method, path, route) in [
        ("GET", "/marked", "(none)"),
        ("MARKED", "/v5/health", "/v5/health"),
        ("MARKED", "/marked", "(none)"),
    ] {
        let response = app.request(method.parse::<Method>().unwrap(), path).send().await;
        let line = app.log_line(&response);
        let expected = if method == "GET" { "GET" } else { "(other)" };
        assert_eq!((&line["method"], &line["route"]), (&json!(expected), &json!(route)));
        assert!(!line.to_string().to_lowercase().contains("marked"), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_respond_is_logged_as_an_error_with_its_cause() {
    let store = TestStore::lmdb();
    let plan = Plan {
        hang: 1.0,
        ..Plan::default()
    };
    let app = with_latency(&store, plan);
    let response = app.get("/v5/ready").send().await;
    let line = app.log_line(&response);
    response.assert_problem(503, Code::StoreUnavailable);
    assert_eq!(
        (&line["level"], &line["StoreUnavailable"]),
        (&json!("ERROR"), &json!(1))
    );
    assert!(line["cause"].as_str().unwrap().contains("2s"), "{line}");
    assert_eq!(line["store_trips"], 2, "a begin, and the read that hangs");
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_client_disconnects_is_logged_without_a_status() {
    let store = TestStore::lmdb();
    let app = with_latency(&store, Plan::default());
    let actor = app.register("alice@example.com").await;
    let request = app.get("/v5/sessions").by(&actor).send();
    assert!(timeout(TRIP * 3 / 2, request).await.is_err());
    let lines = app.log_lines();
    let line = lines.last().unwrap();
    assert_eq!((&line["status"], &line["level"]), (&Value::Null, &json!("INFO")));
    assert_eq!(line["cause"], "the client disconnected before the response");
    assert_eq!(line["store_trips"], 2, "the trips until then");
    assert_eq!(line["duration_ms"], 750.0);
    assert_eq!(ids_on(line), ids_of(&actor).each_ref().map(String::as_str));
}

#[tokio::test]
async fn the_line_has_the_network_of_the_client_address_for_which_the_front_door_vouches() {
    let app = TestApp::start(gateway::router());
    let forged = HeaderName::from_static("x-forwarded-for");
    for (address, logged) in [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("::ffff:198.51.100.9", "198.51.100.0/24"),
    ] {
        let call = app.get("/v5/health").header(forged.clone(), "192.0.2.1");
        let response = call.from_address(address).send().await;
        assert_eq!(app.log_line(&response)["client_address"], logged);
    }
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
async fn the_line_has_the_trace_id_of_the_request_headers_or_a_new_one() {
    let app = TestApp::start(gateway::router());
    let trace = async |headers: &[(&'static str, &str)]| {
        let mut call = app.get("/v5/health");
        for (name, value) in headers {
            call = call.header(HeaderName::from_static(name), value);
        }
        let response = call.send().await;
        assert!(
            response.headers.keys().all(|name| !name.as_str().contains("trace")),
            "responses have no trace header: {:?}",
            response.headers
        );
        app.log_line(&response)["trace_id"].as_str().unwrap().to_owned()
    };
    assert_eq!(trace(&[("traceparent", TRACEPARENT)]).await, TRACE);
    let xray = ("x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1");
    assert_eq!(trace(&[xray]).await, "5759e988bd862e3fe1be46a994272793");
    assert_eq!(trace(&[xray, ("traceparent", TRACEPARENT)]).await, TRACE);
    let new = [trace(&[]).await, trace(&[("traceparent", "nonsense")]).await];
    assert_ne!(new[0], new[1]);
}
