//! The whole surface as Lambda runs it, behind each kind of front door.

use serde_json::{Value, json};
use testkit::{Code, FRONT_DOORS, RuntimeApi, Target as _, TestStore, response_to};

use crate::flow::flow;
use crate::process::gateway;

#[tokio::test]
async fn the_flow_works_behind_every_front_door() {
    for (kind, sample) in FRONT_DOORS {
        eprintln!("behind {kind}:");
        let store = TestStore::new();
        let function = RuntimeApi::start(gateway(&store)).await;
        flow(&function.behind(sample).with_base64_bodies()).await;
    }
}

/// The paths that an API answers, by the sample whose stage is renamed and the base path that its domain has.
async fn answered(function: &RuntimeApi, sample: &str, stage: &str, base: &str) {
    let sample = sample.replace(r#""stage": "prod""#, &format!(r#""stage": "{stage}""#));
    // Where an HTTP API has its stage in the path, and a REST API its domain's base path.
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
        let answer = door.get(path).send().await;
        assert_eq!(answer.status, 404, "{stage} {base} {path}");
    }
    // The whole query, and nothing but it, goes with the path.
    let answer = door.get("/v5/sessions?limit=0&q=/v5/x").bearer("junk").send().await;
    answer.assert_problem(401, Code::InvalidToken);
}

fn of(name: &str) -> &'static str {
    let found = FRONT_DOORS.into_iter().find(|(kind, _)| *kind == name);
    found.unwrap().1
}

/// Stages and base paths may be called like the first part of our paths.
const NAMES: [&str; 4] = ["prod", "v5", "api", "coditect"];

#[tokio::test]
async fn an_api_answers_the_same_paths_whatever_its_stage_and_its_domains_base_path_are_called() {
    let store = TestStore::new();
    let function = RuntimeApi::start(gateway(&store)).await;
    for stage in NAMES {
        answered(&function, of("rest-v1"), stage, "").await;
        // Called at its own address, an HTTP API has the stage in the path; by a domain of ours, it has not.
        answered(&function, of("http-api-v2-stage"), stage, &format!("{stage}/")).await;
        answered(&function, of("http-api-v2-stage"), stage, "").await;
        for base in NAMES {
            answered(&function, of("rest-v1-base-path"), stage, &format!("{base}/")).await;
            answered(&function, of("http-api-v2-stage"), stage, &format!("{base}/")).await;
        }
        answered(&function, of("rest-v1-base-path"), stage, "two/levels/").await;
    }
}

#[tokio::test]
async fn a_stage_is_told_from_our_paths_where_the_gateway_names_no_route() {
    let store = TestStore::new();
    let function = RuntimeApi::start(gateway(&store)).await;
    for name in ["http-api-v2-stage", "rest-v1"] {
        let sample = of(name)
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
                    let answer = door.get(path).send().await;
                    assert_eq!(answer.status, 404, "{name} {stage} {base} {path}");
                }
            }
        }
        // It is what an API is said to have that has no stage in its paths.
        let sample = sample.replace(r#""stage": "prod""#, r#""stage": "$default""#);
        let sample = sample.replace(r#""/prod/v5/"#, r#""/v5/"#);
        let answer = function.behind(&sample).get("/$default/v5/health").send().await;
        assert_eq!(answer.status, 404, "{name}");
    }
}

#[tokio::test]
async fn an_api_with_a_route_for_each_path_answers_it_below_a_base_path() {
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
        let answer = function.invoke(&event).await.unwrap();
        let path = format!("/v5/sessions/{id}");
        response_to(&event, &path, &answer).assert_problem(401, Code::MissingToken);
    }
}

/// What clients can send and `lambda_http` makes an address of.
#[tokio::test]
async fn no_host_no_scheme_and_no_query_makes_the_function_fail() {
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
            let answer = function.invoke(&event).await;
            let answer = answer.unwrap_or_else(|error| panic!("{kind} {odd}: {error}"));
            let answer = response_to(&event, "/v5/auth/register", &answer);
            assert!([201, 409].contains(&answer.status.as_u16()), "{kind} {odd}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_request_has_the_id_that_lambda_gave_it() {
    let store = TestStore::new();
    let function = RuntimeApi::start(gateway(&store)).await;
    for (_, sample) in FRONT_DOORS {
        let answer = function.behind(sample).get("/v5/health").send().await;
        assert_eq!(answer.header("x-request-id"), Some(&*function.last_request_id()));
    }
}

#[tokio::test]
async fn an_event_that_is_no_request_is_reported_and_the_next_is_served() {
    let store = TestStore::new();
    let function = RuntimeApi::start(gateway(&store)).await;
    for event in [json!({}), Value::Null, json!({ "source": "aws.events" })] {
        let error = function.invoke(&event).await.unwrap_err();
        assert!(error["errorType"].is_string(), "{error}");
        function.behind(FRONT_DOORS[0].1).get("/v5/ready").send().await.ok();
    }
}
