//! Rules for every route, and for paths and methods without a route.

use std::collections::HashSet;

use api::ApiError;
use axum::http::{HeaderName, Method};
use testkit::{Code, Process, Target as _, TestApp, TestStore};
use utoipa::openapi::path::HttpMethod;

use crate::process::gateway;

fn start() -> TestApp {
    TestApp::start(gateway::router())
}

#[tokio::test]
async fn an_unknown_path_returns_a_404_problem_under_every_prefix() {
    let app = start();
    for path in [
        "/v5",
        "/v5/",
        "/v5/nothing",
        "/api/v5/nothing",
        "/v4/health",
        "/health",
        "/v5/auth",
        "/v5/sessions/",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            app.request(method, path)
                .send()
                .await
                .assert_problem(404, Code::NotFound);
        }
    }
}

#[tokio::test]
async fn an_unsupported_method_returns_a_405_problem_that_lists_the_supported_ones() {
    let app = start();
    for (method, path, allowed) in [
        (Method::PUT, "/v5/sessions", "GET,HEAD,POST"),
        (Method::POST, "/api/v5/health", "GET,HEAD"),
        (Method::GET, "/v5/auth/login", "POST"),
    ] {
        let response = app.request(method.clone(), path).send().await;
        let mut methods: Vec<_> = response
            .header("allow")
            .unwrap()
            .split(',')
            .map(str::to_owned)
            .collect();
        methods.sort();
        assert_eq!(methods.join(","), allowed, "{method} {path}");
        response.assert_problem(405, Code::MethodNotAllowed);
    }
}

fn with_any_id(path: &str) -> String {
    let id = "0190d0a0-7c3e-7a11-8f3e-0123456789ab";
    let path = ["{id}", "{item}", "{snapshot}", "{upload}"]
        .iter()
        .fold(path.to_owned(), |path, name| path.replace(name, id));
    path.replace("{part}", "1").replace("{digest}", &"0".repeat(64))
}

#[tokio::test]
async fn every_route_exists_under_both_prefixes() {
    let app = start();
    for route in gateway::router().routes() {
        for prefix in api::router::PREFIXES {
            let path = format!("{prefix}{}", with_any_id(&route.path));
            let response = app.request(route.method.parse().unwrap(), &path).send().await;
            // A public resource may be missing.
            let is_route = response.body["detail"] != "No route of this API has this path.";
            assert!(
                is_route && response.status != 405,
                "{} {path}: {}",
                route.method,
                response.body
            );
        }
    }
}

#[tokio::test]
async fn head_returns_the_status_of_get() {
    let app = start();
    assert_eq!(app.request(Method::HEAD, "/v5/health").send().await.status, 200);
    assert_eq!(app.request(Method::HEAD, "/v5/sessions").send().await.status, 401);
    assert_eq!(app.request(Method::HEAD, "/v5/nothing").send().await.status, 404);
}

#[tokio::test]
async fn every_request_has_a_unique_id_that_clients_cannot_choose() {
    let app = start();
    let mut seen = HashSet::new();
    for _ in 0..100 {
        let call = app
            .get("/v5/health")
            .header(HeaderName::from_static("x-request-id"), "chosen");
        let response = call.send().await;
        assert!(seen.insert(response.header("x-request-id").unwrap().to_owned()));
    }
    assert!(!seen.contains("chosen"));
}

#[tokio::test]
async fn an_oversized_body_is_rejected_on_every_route() {
    let app = start();
    for route in gateway::router().routes() {
        let path = format!("/v5{}", with_any_id(&route.path));
        let call = app
            .request(route.method.parse().unwrap(), &path)
            .body(vec![b' '; route.body_max_bytes + 1]);
        call.send().await.assert_problem(413, Code::BodyTooLarge);
    }
}

#[tokio::test]
async fn a_panicking_request_returns_500_and_the_next_request_succeeds() {
    async fn broken() -> Result<(), ApiError> {
        panic!("a secret detail")
    }
    let app = TestApp::start(health::router().on(&HttpMethod::Get, "/audit", broken));
    for _ in 0..3 {
        let problem = app.get("/v5/audit").send().await.assert_problem(500, Code::Internal);
        assert!(!problem.to_string().contains("secret detail"), "{problem}");
        app.get("/v5/health").send().await.ok();
    }
}

/// RFC 9110, section 8.6: `Content-Length` of `HEAD` is the length of the body of `GET`.
#[tokio::test]
async fn head_returns_the_headers_of_get() {
    let store = TestStore::new();
    let process = Process::start(gateway(&store));
    let remote = process.remote();
    for path in [
        "/v5/health",
        "/v5/docs",
        "/v5/nothing",
        "/v5/sessions",
        "/v5/auth/login",
    ] {
        let get = remote.get(path).send().await;
        let head = remote.request(Method::HEAD, path).send().await;
        assert_eq!(head.status, get.status, "{path}");
        assert!(get.header("content-length") > Some("0"), "{path}");
        for name in ["content-length", "content-type", "allow", "www-authenticate"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
    }
}

#[tokio::test]
async fn an_unknown_method_is_rejected_at_any_length() {
    let app = TestApp::start(gateway::router());
    for method in ["BREW".to_owned(), "X".repeat(10_000)] {
        let response = app.request(method.parse().unwrap(), "/v5/health").send().await;
        response.assert_problem(405, Code::MethodNotAllowed);
    }
}

#[tokio::test]
async fn the_cause_of_an_internal_error_is_not_sent() {
    async fn broken() -> Result<(), ApiError> {
        Err(ApiError::internal("a secret detail"))
    }
    let app = TestApp::start(health::router().on(&HttpMethod::Get, "/audit", broken));
    let problem = app.get("/v5/audit").send().await.assert_problem(500, Code::Internal);
    assert!(!problem.to_string().contains("secret detail"), "{problem}");
}
