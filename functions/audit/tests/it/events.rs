//! The actions that the audit log records.

use std::time::Duration;

use domain::logins::MAX_LOGINS;
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp, TestResponse};

use crate::{create, rest, start};

/// The expected events, collected during the test.
struct Expected {
    tenant: Value,
    events: Vec<Value>,
}

impl Expected {
    /// Adds an event of the request with this response.
    fn event(&mut self, kind: &str, at: &str, user: &Value, login: &Value, response: &TestResponse, details: Value) {
        let mut event = json!({
            "type": kind,
            "at": at,
            "tenantId": self.tenant,
            "userId": user,
            "loginId": login,
            "ip": TestApp::ADDRESS,
            "requestId": response.header("x-request-id"),
        });
        event.as_object_mut().unwrap().extend(object(details));
        self.events.push(event);
    }
}

fn object(value: Value) -> serde_json::Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

/// The login id of an access token. Only the token contains it, not the response.
async fn current_login(app: &TestApp, token: &Value) -> Value {
    let listed = app
        .get("/v5/auth/logins")
        .bearer(token.as_str().unwrap())
        .send()
        .await
        .ok();
    let logins = listed["logins"].as_array().unwrap();
    let current = logins.iter().find(|login| login["current"] == true).unwrap();
    current["id"].clone()
}

#[tokio::test]
async fn every_action_is_logged_once_in_order_and_without_secrets() {
    let app = start();
    let at = "2026-01-01T00:00:00.000Z";
    let account = json!({ "email": "alice@example.com", "password": "password123" });

    let response = app.post("/v5/auth/register").json(&account).send().await;
    let phone = response.body["data"].clone();
    let user = &phone["user"]["id"];
    let mut expected = Expected {
        tenant: phone["tenant"]["id"].clone(),
        events: Vec::new(),
    };
    let phone_login = &current_login(&app, &phone["token"]).await;
    expected.event("user.registered", at, user, phone_login, &response, json!({}));

    app.clock.advance(Duration::from_secs(5));
    let at = "2026-01-01T00:00:05.000Z";
    let response = app.post("/v5/auth/login").json(&account).send().await;
    let laptop = response.body["data"].clone();
    let laptop_login = &current_login(&app, &laptop["token"]).await;
    expected.event("login.opened", at, user, laptop_login, &response, json!({}));

    let by_laptop = laptop["token"].as_str().unwrap();
    let draft = json!({ "name": "marked-name", "workspacePath": "/marked/path" });
    let response = app.post("/v5/sessions").bearer(by_laptop).json(&draft).send().await;
    let session = response.body["data"]["id"].clone();
    let named = json!({ "sessionId": session });
    expected.event("session.created", at, user, laptop_login, &response, named.clone());
    let path = format!("/v5/sessions/{}", session.as_str().unwrap());
    let change = json!({ "name": "other" });
    let response = app.patch(&path).bearer(by_laptop).json(&change).send().await;
    expected.event("session.changed", at, user, laptop_login, &response, named.clone());
    let response = app.delete(&path).bearer(by_laptop).send().await;
    expected.event("session.deleted", at, user, laptop_login, &response, named);

    let old = json!({ "refreshToken": laptop["refreshToken"] });
    let response = app.post("/v5/auth/refresh").json(&old).send().await;
    let refreshed = response.body["data"]["refreshToken"].clone();
    expected.event("login.refreshed", at, user, laptop_login, &response, json!({}));
    app.clock.advance(Duration::from_secs(31));
    let at = "2026-01-01T00:00:36.000Z";
    let response = app.post("/v5/auth/refresh").json(&old).send().await;
    assert_eq!(response.status, 401);
    expected.event("login.reuse_detected", at, user, laptop_login, &response, json!({}));

    let by_phone = phone["token"].as_str().unwrap();
    let response = app.post("/v5/auth/login").json(&account).send().await;
    let tablet = response.body["data"].clone();
    let tablet_login = &current_login(&app, &tablet["token"]).await;
    expected.event("login.opened", at, user, tablet_login, &response, json!({}));
    let path = format!("/v5/auth/logins/{}", tablet_login.as_str().unwrap());
    let response = app.delete(&path).bearer(by_phone).send().await;
    let named = json!({ "endedLoginId": tablet_login });
    expected.event("login.ended", at, user, phone_login, &response, named);
    let response = app.post("/v5/auth/logout").bearer(by_phone).send().await;
    expected.event("login.closed", at, user, phone_login, &response, json!({}));

    let response = app.post("/v5/auth/login").json(&account).send().await;
    let desktop = response.body["data"].clone();
    let desktop_login = &current_login(&app, &desktop["token"]).await;
    expected.event("login.opened", at, user, desktop_login, &response, json!({}));
    let by_desktop = desktop["token"].as_str().unwrap();
    let response = app.post("/v5/auth/logout-all").bearer(by_desktop).send().await;
    expected.event(
        "login.ended_all",
        at,
        user,
        desktop_login,
        &response,
        json!({ "ended": 1 }),
    );

    let response = app.post("/v5/auth/login").json(&account).send().await;
    let reader = response.body["data"].clone();
    let reader_login = &current_login(&app, &reader["token"]).await;
    expected.event("login.opened", at, user, reader_login, &response, json!({}));

    let by_reader = reader["token"].as_str().unwrap();
    let mut data = app.get("/api/v5/audit").bearer(by_reader).send().await.ok();
    let text = data.to_string();
    for response in [&phone, &laptop, &tablet, &desktop, &reader] {
        for secret in ["token", "refreshToken"] {
            assert!(
                !text.contains(response[secret].as_str().unwrap()),
                "the log contains a {secret}"
            );
        }
    }
    for secret in [
        "password123",
        "$argon2",
        "marked",
        "alice@",
        refreshed.as_str().unwrap(),
    ] {
        assert!(!text.contains(secret), "the log contains {secret}");
    }

    let mut ids = std::collections::HashSet::new();
    for event in data["events"].as_array_mut().unwrap() {
        let id = event.as_object_mut().unwrap().remove("id").unwrap();
        assert!(ids.insert(id.as_str().unwrap().to_owned()), "{id} is repeated");
    }
    assert_eq!(data["events"], Value::from(expected.events));
}

#[tokio::test]
async fn an_event_has_the_client_address_of_its_request() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let elsewhere = "::ffff:192.0.2.1";
    // A failed request is not logged.
    app.delete("/v5/auth/logins/0190d0a0-7c3e-7a11-8f3e-0123456789ab")
        .from_address(elsewhere)
        .by(&alice)
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    let ending = app.post("/v5/auth/logout-all").from_address(elsewhere).by(&alice);
    ending.send().await.ok();

    let account = json!({ "email": "alice@example.com", "password": "password123" });
    let token = app.post("/v5/auth/login").json(&account).send().await.ok()["token"].clone();
    let data = app.get("/v5/audit").bearer(token.as_str().unwrap()).send().await.ok();
    let events: Vec<_> = data["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (&event["type"], &event["ip"]))
        .collect();
    assert_eq!(
        events,
        [
            (&json!("user.registered"), &json!(TestApp::ADDRESS)),
            (&json!("login.ended_all"), &json!("192.0.2.1")),
            (&json!("login.opened"), &json!(TestApp::ADDRESS)),
        ]
    );
}

#[tokio::test]
async fn unchanged_values_failures_and_reads_are_not_logged() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let session = create(&app, &alice, "one").await.created();
    let path = format!("/v5/sessions/{}", session["id"].as_str().unwrap());
    let before = rest(&app, &alice, None, 100).await;
    assert_eq!(before.types(), ["user.registered", "session.created"]);

    for same in [
        json!({}),
        json!({ "name": "one" }),
        json!({ "workspacePath": "/workspace/" }),
    ] {
        app.patch(&path).by(&alice).json(&same).send().await.ok();
    }
    let absent = "/v5/sessions/0190d0a0-7c3e-7a11-8f3e-0123456789ab";
    let bad = json!({ "name": "" });
    app.patch(&path)
        .by(&alice)
        .json(&bad)
        .send()
        .await
        .assert_invalid(&["/name"]);
    app.patch(absent)
        .by(&alice)
        .json(&json!({ "name": "two" }))
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    app.delete(absent)
        .by(&alice)
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    create(&app, &alice, "").await.assert_invalid(&["/name"]);
    app.delete("/v5/auth/logins/0190d0a0-7c3e-7a11-8f3e-0123456789ab")
        .by(&alice)
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    let account = json!({ "email": "alice@example.com", "password": "password123" });
    app.post("/v5/auth/register")
        .json(&account)
        .send()
        .await
        .assert_problem(409, Code::EmailTaken);
    let refresh = json!({ "refreshToken": "junk" });
    let response = app.post("/v5/auth/refresh").json(&refresh).send().await;
    response.assert_problem(401, Code::InvalidRefreshToken);
    app.get(&path).by(&alice).send().await.ok();
    app.get("/v5/auth/logins").by(&alice).send().await.ok();

    let since = rest(&app, &alice, before.next.as_deref(), 100).await;
    assert!(since.types().is_empty(), "{:?}", since.types());
}

#[tokio::test]
async fn repeated_logouts_are_logged_once() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    for _ in 0..2 {
        app.post("/v5/auth/logout").by(&alice).send().await.ok();
    }
    let account = json!({ "email": "alice@example.com", "password": "password123" });
    let signed_in = app.post("/v5/auth/login").json(&account).send().await.ok();
    let alice = Actor {
        token: signed_in["token"].as_str().unwrap().to_owned(),
        ..alice
    };
    let page = rest(&app, &alice, None, 100).await;
    assert_eq!(page.types(), ["user.registered", "login.closed", "login.opened"]);
}

#[tokio::test]
async fn every_replay_of_a_refresh_token_has_an_event_with_its_address() {
    const ELSEWHERE: &str = "192.0.2.1";
    let app = start();
    let account = json!({ "email": "alice@example.com", "password": "password123" });
    let registered = app.post("/v5/auth/register").json(&account).send().await.created();
    let token = registered["token"].as_str().unwrap();
    let login = current_login(&app, &registered["token"]).await;
    let body = json!({ "refreshToken": registered["refreshToken"] });
    let home = TestApp::ADDRESS.to_string();
    app.post("/v5/auth/refresh").json(&body).send().await.ok();
    // The last one is rejected.
    for (address, status) in [(home.as_str(), 200), (ELSEWHERE, 200), (home.as_str(), 401)] {
        let before = all_events(&app, token).await;
        let call = app.post("/v5/auth/refresh").from_address(address).json(&body);
        assert_eq!(call.send().await.status, status);
        let after = all_events(&app, token).await;
        let [event] = &after[before.len()..] else {
            panic!("{after:?}")
        };
        assert_eq!(event["type"], "login.refresh_replayed");
        assert_eq!((&event["loginId"], &event["ip"]), (&login, &json!(address)));
    }
}

async fn all_events(app: &TestApp, token: &str) -> Vec<Value> {
    let mut data = app.get("/v5/audit?limit=100").bearer(token).send().await.ok();
    serde_json::from_value(data["events"].take()).unwrap()
}

#[tokio::test]
async fn the_eviction_of_a_login_is_logged_unless_it_had_expired() {
    const DAY: Duration = Duration::from_hours(24);
    let app = start();
    let alice = app.register("alice@example.com").await;
    app.clock.advance(DAY);
    let second = app.sign_in(&alice).await;
    for _ in 2..MAX_LOGINS {
        app.sign_in(&alice).await;
    }
    app.clock.advance(29 * DAY);
    let account = json!({ "email": "alice@example.com", "password": "password123" });
    let log_in = async || app.post("/v5/auth/login").json(&account).send().await.ok()["token"].clone();

    let third = log_in().await;
    let events = all_events(&app, third.as_str().unwrap()).await;
    let types: Vec<_> = events.iter().map(|event| &event["type"]).collect();
    assert_eq!(
        types,
        ["user.registered", "login.opened"],
        "the first login had expired"
    );

    let fourth = log_in().await;
    let events = all_events(&app, fourth.as_str().unwrap()).await;
    let [evicted, opened] = &events[2..] else {
        panic!("{events:?}")
    };
    assert_eq!(
        (&evicted["type"], &opened["type"]),
        (&json!("login.evicted"), &json!("login.opened"))
    );
    assert_eq!(evicted["endedLoginId"], second.signed_in.login.id.to_string());
    assert_eq!(evicted["loginId"], current_login(&app, &fourth).await);
    for common in ["loginId", "requestId", "ip", "at", "userId"] {
        assert_eq!(evicted[common], opened[common]);
    }
}
