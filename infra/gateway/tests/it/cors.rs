//! Cross-origin rules, as a browser applies them.

use api::config::Origins;
use axum::http::Method;
use axum::http::header::{ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use testkit::{Target as _, TestApp};
use utoipa::openapi::path::HttpMethod;

#[tokio::test]
async fn a_preflight_request_returns_204_and_may_be_cached_for_a_day() {
    let app = TestApp::start(gateway::router());
    let response = app
        .request(Method::OPTIONS, "/api/v5/sessions")
        .header(ORIGIN, "https://app.example.com")
        .header(ACCESS_CONTROL_REQUEST_METHOD, "PATCH")
        .header(ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type")
        .send()
        .await;
    assert_eq!(response.status, 204);
    assert_eq!(response.header("access-control-allow-origin"), Some("*"));
    assert_eq!(response.header("access-control-max-age"), Some("86400"));
    assert!(
        response
            .header("access-control-allow-methods")
            .unwrap()
            .contains("PATCH")
    );
    assert!(
        response
            .header("access-control-allow-headers")
            .unwrap()
            .contains("authorization")
    );
}

#[tokio::test]
async fn every_response_has_cross_origin_headers_including_failures() {
    async fn panicking() -> Result<(), api::ApiError> {
        panic!("on purpose")
    }
    let app = TestApp::start(
        auth::router()
            .merge(health::router())
            .on(&HttpMethod::Get, "/audit", panicking),
    );
    let oversized = app
        .post("/v5/auth/login")
        .header(ORIGIN, "https://app.example.com")
        .body(vec![b' '; 70_000]);
    let response = oversized.send().await;
    assert_eq!(
        (response.status.as_u16(), response.header("access-control-allow-origin")),
        (413, Some("*"))
    );
    for path in [
        "/v5/health",
        "/v5/auth/logins",
        "/v5/nothing",
        "/v5/auth/login",
        "/v5/audit",
    ] {
        let response = app.get(path).header(ORIGIN, "https://app.example.com").send().await;
        assert_eq!(response.header("access-control-allow-origin"), Some("*"), "{path}");
        let exposed = response.header("access-control-expose-headers").unwrap().to_owned();
        for header in ["etag", "location", "x-request-id", "retry-after"] {
            assert!(exposed.contains(header), "{exposed}");
        }
    }
}

#[tokio::test]
async fn only_listed_origins_are_allowed() {
    let origins = Origins::Listed(vec!["https://app.example.com".into(), "http://localhost:3000".into()]);
    let app = TestApp::with_origins(gateway::router(), &origins);
    for origin in ["https://app.example.com", "http://localhost:3000"] {
        let response = app.get("/v5/health").header(ORIGIN, origin).send().await;
        assert_eq!(response.header("access-control-allow-origin"), Some(origin));
        assert!(response.header("vary").unwrap().contains("origin"));
    }
    for origin in ["https://evil.example.com", "https://app.example.com.evil.com", "null"] {
        let response = app.get("/v5/health").header(ORIGIN, origin).send().await;
        assert_eq!(response.header("access-control-allow-origin"), None, "{origin}");
    }
}
