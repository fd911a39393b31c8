//! Cross-origin rules, as a browser meets them.

use api::config::Origins;
use axum::http::Method;
use axum::http::header::{ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use testkit::{Target as _, TestApp};

#[tokio::test]
async fn a_preflight_is_answered_with_204_for_a_day() {
    let app = TestApp::start(gateway::router());
    let answer = app
        .request(Method::OPTIONS, "/api/v5/sessions")
        .header(ORIGIN, "https://app.example.com")
        .header(ACCESS_CONTROL_REQUEST_METHOD, "PATCH")
        .header(ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type")
        .send()
        .await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-max-age"), Some("86400"));
    assert!(answer.header("access-control-allow-methods").unwrap().contains("PATCH"));
    assert!(
        answer
            .header("access-control-allow-headers")
            .unwrap()
            .contains("authorization")
    );
}

#[tokio::test]
async fn every_answer_can_be_read_across_origins_failures_included() {
    async fn broken() -> Result<(), api::ApiError> {
        panic!("on purpose")
    }
    let app = TestApp::start(auth::router().merge(health::router()).get("/audit", broken));
    let oversized = app
        .post("/v5/auth/login")
        .header(ORIGIN, "https://app.example.com")
        .body(vec![b' '; 70_000]);
    let answer = oversized.send().await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("access-control-allow-origin")),
        (413, Some("*"))
    );
    for path in [
        "/v5/health",
        "/v5/auth/logins",
        "/v5/nothing",
        "/v5/auth/login",
        "/v5/audit",
    ] {
        let answer = app.get(path).header(ORIGIN, "https://app.example.com").send().await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        let exposed = answer.header("access-control-expose-headers").unwrap().to_owned();
        for header in ["etag", "location", "x-request-id", "retry-after"] {
            assert!(exposed.contains(header), "{exposed}");
        }
    }
}

#[tokio::test]
async fn only_listed_origins_are_let_in() {
    let origins = Origins::Listed(vec!["https://app.example.com".into(), "http://localhost:3000".into()]);
    let app = TestApp::with_origins(gateway::router(), &origins);
    for origin in ["https://app.example.com", "http://localhost:3000"] {
        let answer = app.get("/v5/health").header(ORIGIN, origin).send().await;
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert!(answer.header("vary").unwrap().contains("origin"));
    }
    for origin in ["https://evil.example.com", "https://app.example.com.evil.com", "null"] {
        let answer = app.get("/v5/health").header(ORIGIN, origin).send().await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
    }
}
