//! The real program under the Runtime API, behind each of Lambda's front doors: bodies and client addresses.

use api::cookies::{DEVICE, REFRESH};
use axum::http::header::{CONTENT_TYPE, FORWARDED, ORIGIN};
use axum::http::{HeaderName, Request};
use serde_json::{Value, json};
use testkit::{
    Browser, Code, FRONT_DOORS, FrontDoor, Process, RuntimeApi, Target as _, TestApp, TestStore,
    check_every_front_door, response_to,
};

/// The client address of every sample. The client also sent an `X-Forwarded-For` header.
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
async fn behaviour_is_equal_behind_every_front_door() {
    let store = TestStore::new();
    let function = start(&store).await;
    let account = json!({ "email": "test@example.com", "password": "password123" });
    let door = function.behind(FRONT_DOORS[0].1);
    let data = door.post("/v5/auth/register").json(&account).send().await.created();
    check_every_front_door(&function, "/v5/auth/logins", Some(token(&data))).await;
}

#[tokio::test]
async fn text_bodies_and_base64_bodies_are_equal() {
    let store = TestStore::new();
    let function = start(&store).await;
    for (kind, sample) in FRONT_DOORS {
        for (form, door) in [
            ("text", function.behind(sample)),
            ("base64", function.behind(sample).with_base64_bodies()),
        ] {
            let email = format!("{kind}-{form}@example.com");
            let account = json!({
                "email": email,
                "password": "Übergrößenträger 🔑",
                "firstName": "Zoë",
                "lastName": "Łukasiewicz",
            });
            let data = door.post("/v5/auth/register").json(&account).send().await.created();
            assert_eq!(
                (&data["user"]["firstName"], &data["user"]["lastName"]),
                (&account["firstName"], &account["lastName"]),
                "{kind}"
            );
            let credentials = json!({ "email": email, "password": account["password"] });
            door.post("/v5/auth/login").json(&credentials).send().await.ok();
        }
    }
}

#[tokio::test]
async fn an_undecodable_body_is_malformed_behind_every_front_door() {
    let store = TestStore::new();
    let function = start(&store).await;
    for (_, sample) in FRONT_DOORS {
        let account = json!({ "email": "test@example.com", "password": "password123" });
        let door = function.behind(sample).with_undecodable_bodies();
        for path in ["/v5/auth/register", "/v5/auth/login", "/v5/auth/refresh"] {
            let response = door.post(path).json(&account).send().await;
            response.assert_problem(400, Code::MalformedBody);
        }
        let door = function.behind(sample);
        for bytes in [b"{\"email\":\"\xff\"}".as_slice(), b"\x00", b"{", b""] {
            let request = door.post("/v5/auth/register").header(CONTENT_TYPE, "application/json");
            request
                .body(bytes)
                .send()
                .await
                .assert_problem(400, Code::MalformedBody);
        }
    }
}

#[tokio::test]
async fn a_login_has_the_address_that_the_front_door_vouches_for() {
    for (kind, sample) in FRONT_DOORS {
        let store = TestStore::new();
        let function = start(&store).await;
        let event = serde_json::from_str(sample).unwrap();
        let output = function.invoke(&event).await.unwrap();
        let data = response_to(&event, "/v5/auth/register", &output).created();
        let door = function.behind(sample);
        assert_eq!(address(&door, token(&data)).await, CLIENT, "{kind}");
    }
}

#[tokio::test]
async fn client_headers_do_not_change_the_address() {
    let store = TestStore::new();
    let function = start(&store).await;
    for (kind, sample) in FRONT_DOORS {
        let account = json!({ "email": format!("{kind}@example.com"), "password": "password123" });
        let door = function.behind(sample);
        let mut request = door.post("/v5/auth/register").json(&account);
        for name in ["x-forwarded-for", "x-real-ip", "cf-connecting-ip", "true-client-ip"] {
            request = request.header(HeaderName::from_static(name), "198.51.100.68");
        }
        let data = request.header(FORWARDED, "for=198.51.100.68").send().await.created();
        assert_eq!(address(&door, token(&data)).await, CLIENT, "{kind}");
    }
}

#[tokio::test]
async fn x_forwarded_for_is_ignored_behind_a_gateway() {
    let store = TestStore::new();
    let function = start(&store).await;
    let gateways = FRONT_DOORS.into_iter().filter(|(kind, _)| !kind.starts_with("alb"));
    for (kind, sample) in gateways {
        let sample = sample.replace("198.51.100.66, 203.0.113.7", "198.51.100.66");
        let account = json!({ "email": format!("{kind}@example.com"), "password": "password123" });
        let door = function.behind(&sample);
        let data = door.post("/v5/auth/register").json(&account).send().await.created();
        assert_eq!(address(&door, token(&data)).await, CLIENT, "{kind}");
    }
}

#[tokio::test]
async fn a_login_has_no_address_if_the_front_door_vouches_for_none() {
    let store = TestStore::new();
    let function = start(&store).await;
    for (kind, sample) in FRONT_DOORS {
        let sample = if kind.starts_with("alb") {
            sample.replace(", 203.0.113.7", ", unknown")
        } else {
            // As API Gateway's console sends it.
            sample.replace(r#""sourceIp": "203.0.113.7""#, r#""sourceIp": "test-invoke-source-ip""#)
        };
        let account = json!({ "email": format!("{kind}@example.com"), "password": "password123" });
        let door = function.behind(&sample);
        let data = door.post("/v5/auth/register").json(&account).send().await.created();
        assert_eq!(address(&door, token(&data)).await, Value::Null, "{kind}");
    }
}

#[tokio::test]
async fn cookies_work_behind_every_front_door() {
    let store = TestStore::new();
    let function = start(&store).await;
    for (kind, sample) in FRONT_DOORS {
        let door = function.behind(sample);
        let mut browser = Browser::with_page_of(TestApp::ORIGIN);
        let account = json!({
            "email": format!("{kind}@example.com"), "password": "password123", "transport": "cookie",
        });
        let request = door.post("/v5/auth/register").json(&account);
        browser.send(request).await.created();
        // A load balancer without multi-value headers sends only one cookie.
        assert_eq!(browser.cookie(DEVICE).is_some(), kind != "alb", "{kind}");
        for _ in 0..2 {
            let before = browser.cookie(REFRESH).unwrap().to_owned();
            let request = door.post("/v5/auth/refresh").json(&json!({ "transport": "cookie" }));
            let data = browser.send(request).await.ok();
            assert!(
                data["refreshToken"].is_null() && data["deviceToken"].is_null(),
                "{kind}"
            );
            assert_ne!(browser.cookie(REFRESH), Some(&*before), "{kind}");
        }
        let ended = browser.clone();
        browser.send(door.post("/v5/auth/logout")).await.ok();
        assert_eq!(browser.cookie(REFRESH), None, "{kind}");
        let request = door.post("/v5/auth/refresh").json(&json!({ "transport": "cookie" }));
        let response = ended.complete(request).send().await;
        response.assert_problem(401, Code::InvalidRefreshToken);
    }
}

/// Format 2.0 has a member for cookies, which clients fill.
#[tokio::test]
async fn no_cookie_of_an_event_crashes_the_function() {
    let store = TestStore::new();
    let function = start(&store).await;
    for (kind, sample) in FRONT_DOORS {
        for odd in ["", ";", "=", "a\u{7f}b", "\n", "é=\u{1f511}", &"x".repeat(9_000)] {
            let door = function.behind(sample);
            let log_out = Request::post("/v5/auth/logout").header(ORIGIN, TestApp::ORIGIN);
            let mut event = door.event_of(log_out.body(()).unwrap());
            let cookie = format!("{REFRESH}={odd}");
            if event["version"] == "2.0" {
                event["cookies"] = json!([odd, cookie, odd]);
            } else if event["multiValueHeaders"].is_object() {
                event["multiValueHeaders"]["cookie"] = json!([odd, cookie]);
            } else {
                event["headers"]["cookie"] = cookie.into();
            }
            if let Ok(output) = function.invoke(&event).await {
                assert!(output["statusCode"].as_u64() < Some(500), "{kind}, {odd:?}: {output}");
            }
            let response = door.get("/v5/auth/logins").send().await;
            response.assert_problem(401, Code::MissingToken);
        }
    }
}
