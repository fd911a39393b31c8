//! What is recorded, and what is not.

use std::time::Duration;

use axum::http::header;
use domain::logins::MAX_LOGINS;
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp, TestResponse};

use crate::{create, rest, start};

/// What has to be in the log, as it is written down along the way.
struct Expected {
    tenant: Value,
    events: Vec<Value>,
}

impl Expected {
    /// That this was done in the request that was answered so.
    fn event(&mut self, kind: &str, at: &str, user: &Value, login: &Value, answer: &TestResponse, details: Value) {
        let mut event = json!({
            "type": kind,
            "at": at,
            "tenantId": self.tenant,
            "userId": user,
            "loginId": login,
            "ip": TestApp::ADDRESS,
            "requestId": answer.header("x-request-id"),
        });
        event.as_object_mut().unwrap().extend(object(details));
        self.events.push(event);
    }
}

fn object(value: Value) -> serde_json::Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

/// The login that a token is of, which its answer does not name: the token's payload does.
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

    let answer = app.post("/v5/auth/register").json(&account).send().await;
    let phone = answer.body["data"].clone();
    let user = &phone["user"]["id"];
    let mut expected = Expected {
        tenant: phone["tenant"]["id"].clone(),
        events: Vec::new(),
    };
    let phone_login = &current_login(&app, &phone["token"]).await;
    expected.event("user.registered", at, user, phone_login, &answer, json!({}));

    app.clock.advance(Duration::from_secs(5));
    let at = "2026-01-01T00:00:05.000Z";
    let answer = app.post("/v5/auth/login").json(&account).send().await;
    let laptop = answer.body["data"].clone();
    let laptop_login = &current_login(&app, &laptop["token"]).await;
    expected.event("login.opened", at, user, laptop_login, &answer, json!({}));

    let by_laptop = laptop["token"].as_str().unwrap();
    let draft = json!({ "name": "marked-name", "workspacePath": "/marked/path" });
    let answer = app.post("/v5/sessions").bearer(by_laptop).json(&draft).send().await;
    let session = answer.body["data"]["id"].clone();
    let named = json!({ "sessionId": session });
    expected.event("session.created", at, user, laptop_login, &answer, named.clone());
    let path = format!("/v5/sessions/{}", session.as_str().unwrap());
    let change = json!({ "name": "other" });
    let answer = app.patch(&path).bearer(by_laptop).json(&change).send().await;
    expected.event("session.changed", at, user, laptop_login, &answer, named.clone());
    let answer = app.delete(&path).bearer(by_laptop).send().await;
    expected.event("session.deleted", at, user, laptop_login, &answer, named);

    let old = json!({ "refreshToken": laptop["refreshToken"] });
    let answer = app.post("/v5/auth/refresh").json(&old).send().await;
    let refreshed = answer.body["data"]["refreshToken"].clone();
    expected.event("login.refreshed", at, user, laptop_login, &answer, json!({}));
    app.clock.advance(Duration::from_secs(31));
    let at = "2026-01-01T00:00:36.000Z";
    let answer = app.post("/v5/auth/refresh").json(&old).send().await;
    assert_eq!(answer.status, 401);
    expected.event("login.reuse_detected", at, user, laptop_login, &answer, json!({}));

    let by_phone = phone["token"].as_str().unwrap();
    let answer = app.post("/v5/auth/login").json(&account).send().await;
    let tablet = answer.body["data"].clone();
    let tablet_login = &current_login(&app, &tablet["token"]).await;
    expected.event("login.opened", at, user, tablet_login, &answer, json!({}));
    let path = format!("/v5/auth/logins/{}", tablet_login.as_str().unwrap());
    let answer = app.delete(&path).bearer(by_phone).send().await;
    let named = json!({ "endedLoginId": tablet_login });
    expected.event("login.ended", at, user, phone_login, &answer, named);
    let answer = app.post("/v5/auth/logout").bearer(by_phone).send().await;
    expected.event("login.closed", at, user, phone_login, &answer, json!({}));

    let answer = app.post("/v5/auth/login").json(&account).send().await;
    let again = answer.body["data"].clone();
    let again_login = &current_login(&app, &again["token"]).await;
    expected.event("login.opened", at, user, again_login, &answer, json!({}));
    let by_again = again["token"].as_str().unwrap();
    let answer = app.post("/v5/auth/logout-all").bearer(by_again).send().await;
    expected.event("login.ended_all", at, user, again_login, &answer, json!({ "ended": 1 }));

    let answer = app.post("/v5/auth/login").json(&account).send().await;
    let reader = answer.body["data"].clone();
    let reader_login = &current_login(&app, &reader["token"]).await;
    expected.event("login.opened", at, user, reader_login, &answer, json!({}));

    let by_reader = reader["token"].as_str().unwrap();
    let mut data = app.get("/api/v5/audit").bearer(by_reader).send().await.ok();
    let text = data.to_string();
    for told in [&phone, &laptop, &tablet, &again, &reader] {
        for secret in ["token", "refreshToken"] {
            assert!(!text.contains(told[secret].as_str().unwrap()), "a {secret} is told");
        }
    }
    for secret in [
        "password123",
        "$argon2",
        "marked",
        "alice@",
        refreshed.as_str().unwrap(),
    ] {
        assert!(!text.contains(secret), "{secret} is told");
    }

    let mut ids = std::collections::HashSet::new();
    for event in data["events"].as_array_mut().unwrap() {
        let id = event.as_object_mut().unwrap().remove("id").unwrap();
        assert!(ids.insert(id.as_str().unwrap().to_owned()), "{id} is there twice");
    }
    assert_eq!(data["events"], Value::from(expected.events));
}

#[tokio::test]
async fn an_event_has_the_client_address_of_its_request() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let elsewhere = "::ffff:192.0.2.1";
    // Nothing to end, and nothing to tell.
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
    let told: Vec<_> = data["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (&event["type"], &event["ip"]))
        .collect();
    assert_eq!(
        told,
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
    // Asked again within the grace, a refresh token is answered what it was answered before.
    let refresh = json!({ "refreshToken": alice.refresh_token() });
    app.post("/v5/auth/refresh").json(&refresh).send().await.ok();
    app.post("/v5/auth/refresh").json(&refresh).send().await.ok();
    // Whoever only reads leaves no trace.
    app.get(&path).by(&alice).send().await.ok();
    app.get("/v5/auth/logins").by(&alice).send().await.ok();

    let since = rest(&app, &alice, before.next.as_deref(), 100).await;
    assert_eq!(since.types(), ["login.refreshed"]);
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
    let told = rest(&app, &alice, None, 100).await;
    assert_eq!(told.types(), ["user.registered", "login.closed", "login.opened"]);
}

#[tokio::test]
async fn a_replay_from_another_client_within_the_grace_period_succeeds_and_is_logged() {
    const ELSEWHERE: &str = "192.0.2.1";
    let app = start();
    let account = json!({ "email": "alice@example.com", "password": "password123" });
    let registered = app.post("/v5/auth/register").json(&account).send().await.created();
    let token = registered["token"].as_str().unwrap();
    let login = current_login(&app, &registered["token"]).await;
    let body = json!({ "refreshToken": registered["refreshToken"] });
    let refresh = async |address: &str, agent: Option<&str>| {
        let mut call = app.post("/v5/auth/refresh").from_address(address).json(&body);
        if let Some(agent) = agent {
            call = call.header(header::USER_AGENT, agent);
        }
        call.send().await.ok()["refreshToken"].take()
    };
    let home = &TestApp::ADDRESS.to_string();
    let mapped = format!("::ffff:{home}");
    let successor = refresh(home, Some("browser/1")).await;
    for (address, agent, is_told) in [
        (home.as_str(), Some("browser/1"), false),
        (&mapped, Some("browser/1"), false),
        // Who does not say which program it is may be the same.
        (home, None, false),
        (ELSEWHERE, Some("browser/1"), true),
        (ELSEWHERE, None, true),
        (home, Some("curl/8"), true),
    ] {
        let (stored, before) = (app.all_entries().await, told(&app, token).await);
        assert_eq!(refresh(address, agent).await, successor, "{address} {agent:?}");
        let after = told(&app, token).await;
        let new = &after[before.len()..];
        assert_eq!(new.len(), usize::from(is_told), "{address} {agent:?}: {new:?}");
        if let [event] = new {
            assert_eq!(event["type"], "login.refresh_replayed");
            assert_eq!((&event["loginId"], &event["ip"]), (&login, &json!(address)));
        } else {
            assert!(
                app.all_entries().await == stored,
                "{address} {agent:?}: what tells nothing writes nothing"
            );
        }
    }
}

async fn told(app: &TestApp, token: &str) -> Vec<Value> {
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
    let events = told(&app, third.as_str().unwrap()).await;
    let types: Vec<_> = events.iter().map(|event| &event["type"]).collect();
    assert_eq!(types, ["user.registered", "login.opened"], "the first one was over");

    let fourth = log_in().await;
    let events = told(&app, fourth.as_str().unwrap()).await;
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
