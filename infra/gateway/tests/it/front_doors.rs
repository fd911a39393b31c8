//! The whole surface as Lambda runs it, behind each kind of front door.

use serde_json::{Value, json};
use testkit::{RuntimeApi, Target as _, TestStore};

use crate::flow::flow;
use crate::process::gateway;

const SAMPLES: [&str; 5] = [
    include_str!("../../../events/http-api-v2.json"),
    include_str!("../../../events/rest-v1.json"),
    include_str!("../../../events/function-url.json"),
    include_str!("../../../events/alb.json"),
    include_str!("../../../events/alb-multi-value.json"),
];

#[tokio::test]
async fn the_flow_works_behind_every_front_door() {
    for sample in SAMPLES {
        let store = TestStore::new();
        let function = RuntimeApi::start(gateway(&store)).await;
        flow(&function.behind(sample)).await;
    }
}

/// The stage of a REST API may be called like the first part of our paths.
#[tokio::test]
async fn a_rest_api_answers_the_same_paths_whatever_its_stage_is_called() {
    let store = TestStore::new();
    let function = RuntimeApi::start(gateway(&store)).await;
    for stage in ["prod", "v5", "api", "$default"] {
        let sample = SAMPLES[1].replace(r#""stage": "prod""#, &format!(r#""stage": "{stage}""#));
        for path in ["/v5/health", "/api/v5/health"] {
            function.behind(&sample).get(path).send().await.ok();
        }
        for path in ["/", "/prod/v5/health", "/health"] {
            let answer = function.behind(&sample).get(path).send().await;
            assert_eq!(answer.status, 404, "{stage} {path}");
        }
    }
}

#[tokio::test]
async fn a_request_has_the_id_that_lambda_gave_it() {
    let store = TestStore::new();
    let function = RuntimeApi::start(gateway(&store)).await;
    let door = function.behind(SAMPLES[0]);
    for number in 0..3 {
        let answer = door.get("/v5/health").send().await;
        let id = format!("00000000-0000-4000-8000-{number:012x}");
        assert_eq!(answer.header("x-request-id"), Some(id.as_str()));
    }
}

#[tokio::test]
async fn an_event_that_is_no_request_is_reported_and_the_next_is_served() {
    let store = TestStore::new();
    let function = RuntimeApi::start(gateway(&store)).await;
    for event in [json!({}), Value::Null, json!({ "source": "aws.events" })] {
        let error = function.invoke(&event).await.unwrap_err();
        assert!(error["errorType"].is_string(), "{error}");
        function.behind(SAMPLES[0]).get("/v5/ready").send().await.ok();
    }
}
