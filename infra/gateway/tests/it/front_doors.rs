//! The gateway program as a Lambda function, behind each kind of front door.

use serde_json::{Value, json};
use testkit::{Code, FRONT_DOORS, RuntimeApi, Target as _, TestStore, response_to};

use crate::flow::flow;
use crate::process::gateway;

#[tokio::test]
async fn the_flow_succeeds_behind_every_front_door() {
    for (kind, sample) in FRONT_DOORS {
        eprintln!("behind {kind}:");
        let store = TestStore::new();
        let function = RuntimeApi::start(gateway(&store)).await;
        flow(&function.behind(sample).with_base64_bodies()).await;
    }
}

/// Checks which paths an API serves whose stage is called `stage` and whose domain maps `base`.
async fn assert_routes(function: &RuntimeApi, sample: &str, stage: &str, base: &str) {
    let sample = sample.replace(r#""stage": "prod""#, &format!(r#""stage": "{stage}""#));
    // The path of an HTTP API's event contains the stage, that of a REST API the base path of its domain.
    let sample = sample.replace(r#""/prod/v5/"#, &format!(r#""/{base}v5/"#));
    let sample = sample.replace(r#""/coditect/v5/"#, &format!(r#""/{base}v5/"#));
    let door = function.behind(&sample);
    for path in ["/v5/health", "/api/v5/health"] {
        door.get(path).send().await.ok();
    }
    for path in [
        "/",
        "/health",
        "/prod/v5/health",
        "/nothing/v5/health",
        "/v5health",
        "/api/health",
    ] {
        let response = door.get(path).send().await;
        assert_eq!(response.status, 404, "{stage} {base} {path}");
    }
    // The query is neither cut off nor mistaken for a part of the path.
    let response = door.get("/v5/sessions?limit=0&q=/v5/x").bearer("junk").send().await;
    response.assert_problem(401, Code::InvalidToken);
}

fn sample_of(name: &str) -> &'static str {
    let found = FRONT_DOORS.into_iter().find(|(kind, _)| *kind == name);
    found.unwrap().1
}

/// Names of stages and base paths, some equal to the first segment of a path of the API.
const NAMES: [&str; 4] = ["prod", "v5", "api", "coditect"];

#[tokio::test]
async fn paths_do_not_depend_on_the_names_of_the_stage_and_the_base_path() {
    let store = TestStore::new();
    let function = RuntimeApi::start(gateway(&store)).await;
    for stage in NAMES {
        assert_routes(&function, sample_of("rest-v1"), stage, "").await;
        // At the address that AWS assigns, the path of an HTTP API contains the stage; at a custom domain it does not.
        assert_routes(&function, sample_of("http-api-v2-stage"), stage, &format!("{stage}/")).await;
        assert_routes(&function, sample_of("http-api-v2-stage"), stage, "").await;
        for base in NAMES {
            assert_routes(&function, sample_of("rest-v1-base-path"), stage, &format!("{base}/")).await;
            assert_routes(&function, sample_of("http-api-v2-stage"), stage, &format!("{base}/")).await;
        }
        assert_routes(&function, sample_of("rest-v1-base-path"), stage, "two/levels/").await;
    }
}

#[tokio::test]
async fn the_stage_is_recognised_without_a_named_route() {
    let store = TestStore::new();
    let function = RuntimeApi::start(gateway(&store)).await;
    for name in ["http-api-v2-stage", "rest-v1"] {
        let sample = sample_of(name)
            .replace(r#""routeKey": "ANY /{proxy+}""#, r#""routeKey": "$default""#)
            .replace(r#""resourcePath": "/{proxy+}""#, r#""resourcePath": null"#);
        for stage in NAMES {
            let sample = sample.replace(r#""stage": "prod""#, &format!(r#""stage": "{stage}""#));
            for base in [format!("{stage}/"), String::new()] {
                let sample = sample.replace(r#""/prod/v5/"#, &format!(r#""/{base}v5/"#));
                let door = function.behind(&sample);
                for path in ["/v5/health", "/api/v5/health"] {
                    door.get(path).send().await.ok();
                }
                for path in ["/", "/nothing/v5/health", "/v5health", "/v5/nothing"] {
                    let response = door.get(path).send().await;
                    assert_eq!(response.status, 404, "{name} {stage} {base} {path}");
                }
            }
        }
        // The default stage is not a part of the path.
        let sample = sample.replace(r#""stage": "prod""#, r#""stage": "$default""#);
        let sample = sample.replace(r#""/prod/v5/"#, r#""/v5/"#);
        let response = function.behind(&sample).get("/$default/v5/health").send().await;
        assert_eq!(response.status, 404, "{name}");
    }
}

#[tokio::test]
async fn an_api_with_a_route_for_each_path_serves_it_under_a_base_path() {
    let store = TestStore::new();
    let function = RuntimeApi::start(gateway(&store)).await;
    let id = "0190d0a0-7c3e-7a11-8f3e-0123456789ab";
    for (_, sample) in FRONT_DOORS {
        let mut event: Value = serde_json::from_str(sample).unwrap();
        if !event["pathParameters"].is_object() {
            continue;
        }
        event["pathParameters"] = json!({ "id": id });
        let path = format!("/base/v5/sessions/{id}");
        if event["version"] == "2.0" {
            event["requestContext"]["routeKey"] = "GET /v5/sessions/{id}".into();
            event["requestContext"]["http"]["method"] = "GET".into();
            event["rawPath"] = path.into();
        } else {
            event["requestContext"]["resourcePath"] = "/v5/sessions/{id}".into();
            event["httpMethod"] = "GET".into();
            event["path"] = path.into();
        }
        let response = function.invoke(&event).await.unwrap();
        let path = format!("/v5/sessions/{id}");
        response_to(&event, &path, &response).assert_problem(401, Code::MissingToken);
    }
}

/// `lambda_http` builds a URI from these parts, which clients control.
#[tokio::test]
async fn no_host_scheme_or_query_crashes_the_function() {
    let store = TestStore::new();
    let function = RuntimeApi::start(gateway(&store)).await;
    for (kind, sample) in FRONT_DOORS {
        for odd in ["", "[", "a b", "x:99999", "\u{7f}", "<>", "é"] {
            let mut event: Value = serde_json::from_str(sample).unwrap();
            let is_second_format = event["version"] == "2.0";
            for (headers, is_list) in [("headers", false), ("multiValueHeaders", true)] {
                for (name, value) in event[headers].as_object_mut().into_iter().flatten() {
                    if ["host", "x-forwarded-proto"].contains(&&*name.to_lowercase()) && odd != "\u{7f}" {
                        *value = if is_list { json!([odd]) } else { odd.into() };
                    }
                }
            }
            if is_second_format {
                event["rawQueryString"] = format!("q={odd}&{odd}").into();
            } else if event["multiValueQueryStringParameters"].is_object() {
                event["multiValueQueryStringParameters"] = json!({ "q": [odd], odd: [odd] });
            } else {
                event["queryStringParameters"] = json!({ "q": odd, odd: odd });
            }
            let response = function.invoke(&event).await;
            let response = response.unwrap_or_else(|error| panic!("{kind} {odd}: {error}"));
            let response = response_to(&event, "/v5/auth/register", &response);
            assert!(
                [201, 409].contains(&response.status.as_u16()),
                "{kind} {odd}: {response:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_request_id_is_the_one_of_the_invocation() {
    let store = TestStore::new();
    let function = RuntimeApi::start(gateway(&store)).await;
    for (_, sample) in FRONT_DOORS {
        let response = function.behind(sample).get("/v5/health").send().await;
        assert_eq!(response.header("x-request-id"), Some(&*function.last_request_id()));
    }
}

#[tokio::test]
async fn an_event_that_is_not_a_request_fails_and_the_next_request_succeeds() {
    let store = TestStore::new();
    let function = RuntimeApi::start(gateway(&store)).await;
    for event in [json!({}), Value::Null, json!({ "source": "aws.events" })] {
        let error = function.invoke(&event).await.unwrap_err();
        assert!(error["errorType"].is_string(), "{error}");
        function.behind(FRONT_DOORS[0].1).get("/v5/ready").send().await.ok();
    }
}
