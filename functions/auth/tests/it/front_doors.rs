//! The real program under the Runtime API, behind everything that can stand in front of it on Lambda: whom it says it was called by.

use axum::http::HeaderName;
use axum::http::header::FORWARDED;
use serde_json::{Value, json};
use testkit::{FrontDoor, Process, RuntimeApi, Target as _, TestStore};

/// Every sample was seen to come from [`CLIENT`], which sent an `X-Forwarded-For` of its own.
const SAMPLES: [(&str, &str); 5] = [
    ("http-api-v2", include_str!("../../../../infra/events/http-api-v2.json")),
    ("rest-v1", include_str!("../../../../infra/events/rest-v1.json")),
    (
        "function-url",
        include_str!("../../../../infra/events/function-url.json"),
    ),
    ("alb", include_str!("../../../../infra/events/alb.json")),
    (
        "alb-multi-value",
        include_str!("../../../../infra/events/alb-multi-value.json"),
    ),
];
const CLIENT: &str = "203.0.113.7";

async fn start(store: &TestStore) -> RuntimeApi {
    let mut command = Process::command(env!("CARGO_BIN_EXE_auth"));
    command.envs(store.env());
    RuntimeApi::start(command).await
}

async fn address(door: &FrontDoor<'_>, token: &str) -> Value {
    let mut data = door.get("/v5/auth/logins").bearer(token).send().await.ok();
    data["logins"][0]["ip"].take()
}

fn token(data: &Value) -> &str {
    data["token"].as_str().unwrap()
}

#[tokio::test]
async fn a_login_is_from_the_address_that_the_front_door_saw() {
    for (kind, sample) in SAMPLES {
        let store = TestStore::new();
        let function = start(&store).await;
        let event = serde_json::from_str(sample).unwrap();
        let answer = function.invoke(&event).await.unwrap();
        assert_eq!(answer["statusCode"], 201, "{kind}: {answer}");
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        let door = function.behind(sample);
        assert_eq!(address(&door, token(&body["data"])).await, CLIENT, "{kind}");
    }
}

#[tokio::test]
async fn no_header_of_the_client_changes_it() {
    let store = TestStore::new();
    let function = start(&store).await;
    for (kind, sample) in SAMPLES {
        let account = json!({ "email": format!("{kind}@example.com"), "password": "password123" });
        let door = function.behind(sample);
        let mut call = door.post("/v5/auth/register").json(&account);
        for name in ["x-forwarded-for", "x-real-ip", "cf-connecting-ip", "true-client-ip"] {
            call = call.header(HeaderName::from_static(name), "198.51.100.68");
        }
        let data = call.header(FORWARDED, "for=198.51.100.68").send().await.created();
        assert_eq!(address(&door, token(&data)).await, CLIENT, "{kind}");
    }
}

#[tokio::test]
async fn behind_a_gateway_the_header_does_not_count_at_all() {
    let store = TestStore::new();
    let function = start(&store).await;
    for (kind, sample) in &SAMPLES[..3] {
        let sample = sample.replace("198.51.100.66, 203.0.113.7", "198.51.100.66");
        let account = json!({ "email": format!("{kind}@example.com"), "password": "password123" });
        let door = function.behind(&sample);
        let data = door.post("/v5/auth/register").json(&account).send().await.created();
        assert_eq!(address(&door, token(&data)).await, CLIENT, "{kind}");
    }
}

#[tokio::test]
async fn an_address_that_nobody_saw_is_none() {
    let store = TestStore::new();
    let function = start(&store).await;
    for (kind, sample, seen) in [
        ("http-api-v2", SAMPLES[0].1, r#""sourceIp": "203.0.113.7""#),
        ("rest-v1", SAMPLES[1].1, r#""sourceIp": "203.0.113.7""#),
        ("alb", SAMPLES[3].1, ", 203.0.113.7"),
    ] {
        let unseen = if seen.starts_with(',') {
            ", unknown"
        } else {
            r#""sourceIp": "test-invoke-source-ip""#
        };
        let sample = sample.replace(seen, unseen);
        let account = json!({ "email": format!("{kind}@example.com"), "password": "password123" });
        let door = function.behind(&sample);
        let data = door.post("/v5/auth/register").json(&account).send().await.created();
        assert_eq!(address(&door, token(&data)).await, Value::Null, "{kind}");
    }
}
