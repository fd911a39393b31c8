//! The HTTP API: its limits, its cross-origin rules, its log.

use std::collections::BTreeSet;

use api::config::Origins;
use axum::http::Method;
use axum::http::header::{ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use serde_json::{Map, Value, json};
use testkit::{Target as _, TestApp, TestStore};

use super::{function, gateway_routes, resources, set, template};
use crate::process::{gateway, refusal};

#[test]
fn routes_with_a_limit_of_their_own_are_routes() {
    let template = template();
    let routes: BTreeSet<_> = gateway_routes(&template)
        .into_iter()
        .map(|(path, _)| format!("ANY {path}"))
        .collect();
    let limited = resources(&template)["Api"]["Properties"]["RouteSettings"]
        .as_object()
        .unwrap();
    for route in limited.keys() {
        assert!(routes.contains(route), "RouteSettings has {route}, and no event has");
        let other = match route.split_once(" /api/v5/") {
            Some((method, path)) => format!("{method} /v5/{path}"),
            None => route.replace(" /v5/", " /api/v5/"),
        };
        assert_eq!(
            limited.get(&other),
            limited.get(route),
            "{route} is the same under both prefixes"
        );
    }
}

#[tokio::test]
async fn the_gateway_and_the_functions_have_the_same_cross_origin_rules() {
    fn listed(header: Option<&str>) -> BTreeSet<&str> {
        header.unwrap().split(',').map(str::trim).collect()
    }
    let template = template();
    let cors = &resources(&template)["Api"]["Properties"]["CorsConfiguration"]["Fn::If"][1];
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
    assert_eq!(preflight.header("access-control-allow-credentials"), None);
    assert!(cors["AllowCredentials"].is_null());

    let answer = app.get("/v5/health").header(ORIGIN, origin).send().await;
    assert_eq!(
        set(&cors["ExposeHeaders"]),
        listed(answer.header("access-control-expose-headers"))
    );

    let parameter = json!({"Ref": "CorsAllowedOrigins"});
    assert_eq!(cors["AllowOrigins"], parameter);
    let told = &template["Globals"]["Function"]["Environment"]["Variables"]["CORS_ALLOWED_ORIGINS"];
    assert_eq!(told, &json!({"Fn::Join": [",", parameter]}));
}

#[test]
fn hashing_that_comes_at_once_is_what_auth_may_do_at_once() {
    let template = template();
    let burst = template["Parameters"]["HashingBurst"]["Default"].as_u64().unwrap();
    let share = &function(&template, "auth")["ReservedConcurrentExecutions"]["Fn::If"][1];
    assert_eq!(2 * burst, share.as_u64().unwrap());
}

/// A list with one that programs do not start with would be found out by nobody but the functions.
#[test]
fn origins_that_the_template_takes_are_origins_that_programs_take() {
    let template = template();
    let pattern = &template["Parameters"]["CorsAllowedOrigins"]["AllowedPattern"];
    let pattern = jsonschema::validator_for(&json!({ "pattern": pattern })).unwrap();
    let store = TestStore::new();
    for (origin, template_takes, program_takes) in [
        ("https://app.example.com", true, true),
        ("https://app.example.com:8443", true, true),
        ("https://app-2.example.com:80", true, true),
        ("http://localhost:3000", true, true),
        ("http://127.0.0.1:443", true, true),
        ("https://a.example.com:4430", true, true),
        // From everywhere is for development, and an address like this nobody has in production.
        ("*", false, true),
        ("http://[::1]:3000", false, true),
        ("https://app.example.com:443", false, false),
        ("http://app.example.com:80", false, false),
        ("https://app.example.com/", false, false),
        ("https://app.example.com/path", false, false),
        ("https://app.example.com?query", false, false),
        ("https://somebody@app.example.com", false, false),
        ("https://App.example.com", false, false),
        ("https://*.example.com", false, false),
        ("app.example.com", false, false),
        ("ws://app.example.com", false, false),
        ("https://", false, false),
        ("null", false, false),
    ] {
        assert_eq!(pattern.is_valid(&json!(origin)), template_takes, "{origin}");
        let mut command = gateway(&store);
        // What is looked at after it, so that it does not start with a good one either.
        command
            .env("CORS_ALLOWED_ORIGINS", origin)
            .env("PASSWORD_POLICY", "none");
        let refused = refusal(command);
        assert_eq!(
            !refused.contains("CORS_ALLOWED_ORIGINS"),
            program_takes,
            "{origin}: {refused}"
        );
    }
}

#[test]
fn a_line_of_the_access_log_is_json_with_nothing_in_it_that_clients_write() {
    let template = template();
    let format = &resources(&template)["Api"]["Properties"]["AccessLogSettings"]["Format"];
    let line: Map<String, Value> = serde_json::from_str(format.as_str().unwrap()).unwrap();
    for (name, value) in line {
        let what = value.as_str().and_then(|value| value.strip_prefix("$context."));
        let what = what.unwrap_or_else(|| panic!("{name} is {value}, and no text"));
        for written in ["path", "userAgent", "domain", "header", "authorizer", "String"] {
            assert!(!what.contains(written), "{name} is {what}");
        }
    }
}
