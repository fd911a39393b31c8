//! Cross-origin rules, as a browser applies them.

use api::config::Origins;
use api::cookies::{DEVICE, REFRESH};
use axum::http::header::{ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, COOKIE, ORIGIN};
use axum::http::{HeaderName, Method};
use testkit::{Code, FRONT_DOORS, Process, RuntimeApi, Target as _, TestApp, TestResponse, TestStore};
use utoipa::openapi::path::HttpMethod;

use crate::operations::{Access, operations};
use crate::process::{gateway, startup_error};

#[tokio::test]
async fn a_preflight_request_returns_204_and_may_be_cached_for_a_day() {
    let app = TestApp::start(gateway::router());
    let response = app
        .request(Method::OPTIONS, "/api/v5/sessions")
        .header(ORIGIN, "https://app.example.com")
        .header(ACCESS_CONTROL_REQUEST_METHOD, "PATCH")
        .header(ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type,traceparent")
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
    let allowed = response.header("access-control-allow-headers").unwrap();
    let allowed: Vec<_> = allowed.split(',').collect();
    for header in [
        "authorization",
        "content-type",
        "if-match",
        "if-none-match",
        "idempotency-key",
    ] {
        assert!(allowed.contains(&header), "{allowed:?}");
    }
    for header in ["traceparent", "tracestate", "baggage"] {
        assert!(allowed.contains(&header), "{allowed:?}");
    }
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

const CREDENTIALS: &str = "access-control-allow-credentials";

#[tokio::test]
async fn only_origins_that_are_named_exactly_may_use_credentials_and_no_script_sees_cookies() {
    let entries = ["https://app.example.com", "https://*.example.com", "vscode-webview:"];
    let listed = Origins::Listed(entries.map(Into::into).to_vec());
    for (origins, origin, expected) in [
        (&listed, "https://app.example.com", Some("true")),
        (&listed, "https://a.example.com", None),
        (&listed, "vscode-webview://a", None),
        (&listed, "https://evil.example.org", None),
        (&listed, TestApp::ORIGIN, None),
        (&listed, "null", None),
        (&Origins::Any, "https://app.example.com", None),
        (&Origins::Any, TestApp::ORIGIN, None),
        (&Origins::Any, "null", None),
    ] {
        let app = TestApp::with_origins(gateway::router(), origins);
        let preflight = app.request(Method::OPTIONS, "/v5/auth/refresh").header(ORIGIN, origin);
        let preflight = preflight.header(ACCESS_CONTROL_REQUEST_METHOD, "POST").send().await;
        assert_eq!(preflight.header(CREDENTIALS), expected, "{origin}");
        for path in ["/v5/health", "/v5/auth/logins", "/v5/nothing"] {
            let response = app.get(path).header(ORIGIN, origin).send().await;
            assert_eq!(response.header(CREDENTIALS), expected, "{origin}");
            let exposed = response.header("access-control-expose-headers").unwrap();
            assert!(!exposed.contains("cookie"), "{exposed}");
        }
        // A browser hides a response with credentials whose origin is `*`.
        let allowed = preflight.header("access-control-allow-origin");
        assert!(expected.is_none() || allowed == Some(origin), "{allowed:?}");
    }
}

#[tokio::test]
async fn no_other_operation_accepts_cookies() {
    for operation in operations() {
        let app = TestApp::start(gateway::router());
        let alice = app.register("alice@example.com").await;
        let accepts = ["/auth/register", "/auth/login", "/auth/refresh", "/auth/logout"];
        if accepts.contains(&operation.path) {
            continue;
        }
        let path = operation.path_with("/v5", "0190d0a0-7c3e-7a11-8f3e-0123456789ab");
        let cookie = format!("{REFRESH}={0}; {DEVICE}={0}", alice.refresh_token());
        for origin in [TestApp::ORIGIN, "https://evil.example.com"] {
            let bare = app.request(operation.method.clone(), &path).send().await;
            let request = app.request(operation.method.clone(), &path).header(ORIGIN, origin);
            let response = request.header(COOKIE, &cookie).send().await;
            assert_eq!(response.status, bare.status, "{} {path}", operation.method);
            assert_eq!(response.body["code"], bare.body["code"], "{} {path}", operation.method);
            if matches!(operation.access, Access::Token(_)) {
                response.assert_problem(401, Code::MissingToken);
            }
        }
        app.refresh(&alice).await;
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

#[tokio::test]
async fn listed_origins_have_any_scheme_and_may_have_a_wildcard_for_one_label() {
    let entries = ["tauri://localhost", "vscode-webview:", "https://*.example.com"];
    let origins = Origins::Listed(entries.map(Into::into).to_vec());
    let app = TestApp::with_origins(gateway::router(), &origins);
    for (origin, is_allowed) in [
        ("tauri://localhost", true),
        ("vscode-webview://0k3q8v2f7c1d", true),
        ("https://app.example.com", true),
        ("tauri://evil", false),
        ("https://example.com", false),
        ("https://a.b.example.com", false),
        ("https://app.example.com.evil.com", false),
        ("null", false),
    ] {
        let expected = is_allowed.then_some(origin);
        let preflight = app.request(Method::OPTIONS, "/v5/sessions").header(ORIGIN, origin);
        let preflight = preflight.header(ACCESS_CONTROL_REQUEST_METHOD, "PATCH").send().await;
        assert_eq!(preflight.header("access-control-allow-origin"), expected, "{origin}");
        for path in ["/v5/health", "/v5/sessions", "/v5/nothing"] {
            let response = app.get(path).header(ORIGIN, origin).send().await;
            assert_eq!(
                response.header("access-control-allow-origin"),
                expected,
                "{origin} {path}"
            );
            assert!(response.header("vary").unwrap().contains("origin"));
        }
    }
}

#[test]
fn an_origin_that_no_browser_sends_is_a_startup_error_with_the_reason() {
    let store = TestStore::new();
    for (value, reason) in [
        (
            "https://app.example.com,https://b.example.com/",
            "more than a scheme, a host and a port",
        ),
        ("https://*.com", "one label"),
        ("https://app.example.com:443", "default port"),
    ] {
        let mut command = gateway(&store);
        command.env("CORS_ALLOWED_ORIGINS", value);
        let error = startup_error(command);
        assert!(
            error.contains("CORS_ALLOWED_ORIGINS") && error.contains(reason),
            "{error}"
        );
    }
}

fn assert_secured(response: &TestResponse, is_https: bool, what: &str) {
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{what}");
    assert_eq!(response.header("referrer-policy"), Some("no-referrer"), "{what}");
    let expected = is_https.then_some("max-age=31536000");
    assert_eq!(response.header("strict-transport-security"), expected, "{what}");
}

const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

#[tokio::test]
async fn every_response_forbids_sniffing_and_referrers_and_demands_tls_behind_a_trusted_proxy() {
    let store = TestStore::new();
    for proxies in ["0", "1"] {
        let mut command = gateway(&store);
        command.env("TRUSTED_PROXIES", proxies);
        let process = Process::start(command);
        let remote = process.remote();
        for (method, path) in [
            (Method::GET, "/v5/health"),
            (Method::GET, "/api/v5/docs"),
            (Method::HEAD, "/v5/docs"),
            (Method::GET, "/v5/openapi.json"),
            (Method::GET, "/v5/nothing"),
            (Method::GET, "/v5/sessions"),
            (Method::PUT, "/v5/health"),
            (Method::POST, "/v5/auth/login"),
            (Method::OPTIONS, "/v5/sessions"),
        ] {
            for (proto, is_https) in [(None, false), (Some("http"), false), (Some("https"), proxies == "1")] {
                let request = remote.request(method.clone(), path);
                let request = proto.map_or_else(
                    || remote.request(method.clone(), path),
                    |proto| request.header(PROTO, proto),
                );
                let what = format!("{method} {path} {proto:?} behind {proxies}");
                assert_secured(&request.send().await, is_https, &what);
            }
        }
    }
}

#[tokio::test]
async fn functions_demand_tls_where_their_front_door_has_it() {
    let store = TestStore::new();
    let function = RuntimeApi::start(gateway(&store)).await;
    for (kind, sample) in FRONT_DOORS {
        for path in ["/v5/health", "/v5/nothing"] {
            assert_secured(&function.behind(sample).get(path).send().await, true, kind);
        }
        // API Gateway and function URLs have TLS, whatever a client sends. A load balancer replaces the header.
        let is_balancer = kind.starts_with("alb");
        let plain = sample.replace(r#""x-forwarded-proto": "https""#, r#""x-forwarded-proto": "http""#);
        let response = function.behind(&plain).get("/v5/health").send().await;
        assert_secured(&response, !(is_balancer && plain != sample), kind);
    }
}
