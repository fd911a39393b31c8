//! The HTTP API: its cross-origin rules and its access log.

use std::collections::BTreeSet;

use api::config::Origins;
use axum::http::Method;
use axum::http::header::{ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use serde_json::{Map, Value, json};
use testkit::{Target as _, TestApp, TestStore};

use super::{resources, set, template};
use crate::process::{gateway, startup_error};

#[tokio::test]
async fn the_http_api_and_the_functions_have_the_same_cross_origin_rules() {
    fn listed(header: Option<&str>) -> BTreeSet<&str> {
        header.unwrap().split(',').map(str::trim).collect()
    }
    let template = template();
    let [condition, cors, otherwise] =
        [0, 1, 2].map(|index| &resources(&template)["Api"]["Properties"]["CorsConfiguration"]["Fn::If"][index]);
    assert_eq!(condition, "ApiRespondsToPreflight");
    assert_eq!(otherwise, &json!({"Ref": "AWS::NoValue"}));
    let origin = "https://app.example.com";
    let app = TestApp::with_origins(gateway::router(), &Origins::Listed(vec![origin.into()]));

    let preflight = app.request(Method::OPTIONS, "/v5/sessions").header(ORIGIN, origin);
    let preflight = preflight.header(ACCESS_CONTROL_REQUEST_METHOD, "PATCH");
    let preflight = preflight
        .header(ACCESS_CONTROL_REQUEST_HEADERS, "authorization")
        .send()
        .await;
    assert_eq!(
        set(&cors["AllowMethods"]),
        listed(preflight.header("access-control-allow-methods"))
    );
    assert_eq!(
        set(&cors["AllowHeaders"]),
        listed(preflight.header("access-control-allow-headers"))
    );
    let age = preflight.header("access-control-max-age").unwrap();
    assert_eq!(cors["MaxAge"].to_string(), age);
    // The list of the template has no wildcard: each of its origins may use cookies.
    assert_eq!(preflight.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(cors["AllowCredentials"], true);

    let response = app.get("/v5/health").header(ORIGIN, origin).send().await;
    assert_eq!(
        set(&cors["ExposeHeaders"]),
        listed(response.header("access-control-expose-headers"))
    );

    let parameter = json!({"Ref": "CorsAllowedOrigins"});
    assert_eq!(cors["AllowOrigins"], parameter);
    let variable = &template["Globals"]["Function"]["Environment"]["Variables"]["CORS_ALLOWED_ORIGINS"];
    assert_eq!(variable, &json!({"Fn::Join": [",", parameter]}));
}

/// `CloudFormation` must reject an origin with which the functions would not start.
#[test]
fn the_template_accepts_only_origins_that_programs_accept() {
    let template = template();
    let pattern = &template["Parameters"]["CorsAllowedOrigins"]["AllowedPattern"];
    let pattern = jsonschema::validator_for(&json!({ "pattern": pattern })).unwrap();
    let store = TestStore::new();
    for (origin, template_accepts, program_accepts) in [
        ("https://app.example.com", true, true),
        ("https://app.example.com:8443", true, true),
        ("https://app-2.example.com:80", true, true),
        ("http://localhost:3000", true, true),
        ("http://127.0.0.1:443", true, true),
        ("https://a.example.com:4430", true, true),
        // For development only: every origin, and an IPv6 address.
        ("*", false, true),
        ("http://[::1]:3000", false, true),
        ("https://app.example.com:443", false, false),
        ("http://app.example.com:80", false, false),
        ("https://app.example.com/", false, false),
        ("https://app.example.com/path", false, false),
        ("https://app.example.com?query", false, false),
        ("https://user@app.example.com", false, false),
        ("https://App.example.com", false, false),
        // With `CorsPreflight=functions`.
        ("https://*.example.com", true, true),
        ("https://*.example.com:8443", true, true),
        ("tauri://localhost", true, true),
        ("vscode-webview:", true, true),
        ("ws://app.example.com", true, true),
        ("https://*.com", false, false),
        ("https://a..example.com", false, false),
        ("https://.example.com", false, false),
        ("https://app.example.com:70000", false, false),
        ("https://app.example.com:08", false, false),
        ("app.example.com", false, false),
        ("https://", false, false),
        ("null", false, false),
    ] {
        assert_eq!(pattern.is_valid(&json!(origin)), template_accepts, "{origin}");
        let mut command = gateway(&store);
        // An error that is detected after the origins, so that the program never starts.
        command
            .env("CORS_ALLOWED_ORIGINS", origin)
            .env("PASSWORD_POLICY", "none");
        let error = startup_error(command);
        assert_eq!(
            !error.contains("CORS_ALLOWED_ORIGINS"),
            program_accepts,
            "{origin}: {error}"
        );
    }
}

#[test]
fn access_log_lines_are_json_without_values_that_clients_choose() {
    let template = template();
    let format = &resources(&template)["Api"]["Properties"]["AccessLogSettings"]["Format"];
    let line: Map<String, Value> = serde_json::from_str(format.as_str().unwrap()).unwrap();
    for (name, value) in line {
        let variable = value.as_str().and_then(|value| value.strip_prefix("$context."));
        let variable = variable.unwrap_or_else(|| panic!("{name} is {value}, which is not quoted"));
        for chosen in ["path", "userAgent", "domain", "header", "authorizer", "String"] {
            assert!(!variable.contains(chosen), "{name} is {variable}");
        }
    }
}
