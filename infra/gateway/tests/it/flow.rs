//! The flow of a user: register, log in, work with sessions, log out. Run against every way to start the API.

use serde_json::{Value, json};
use testkit::{Browser, Code, Process, Target, TestApp, TestStore};

use crate::process::{PRIVATE_KEY, gateway};

/// Runs the flow against `target` and checks every response against the contract.
pub async fn flow(target: &impl Target) {
    let email = "test@example.com";
    let account = json!({ "email": email, "password": "password123", "firstName": "Test", "lastName": "User" });
    let credentials = json!({ "email": email, "password": "password123" });

    let registered = target
        .post("/api/v5/auth/register")
        .json(&account)
        .send()
        .await
        .created();
    assert_eq!(registered["user"]["email"], email);
    target
        .post("/v5/auth/register")
        .json(&account)
        .send()
        .await
        .assert_problem(409, Code::EmailTaken);

    let logged_in = target.post("/api/v5/auth/login").json(&credentials).send().await.ok();
    assert_eq!(logged_in["user"]["id"], registered["user"]["id"]);
    let token = |data: &Value| data["token"].as_str().unwrap().to_owned();
    let (phone, laptop) = (token(&registered), token(&logged_in));

    let draft = json!({ "name": "My Project", "workspacePath": "/workspace/test" });
    let response = target
        .post("/api/v5/sessions")
        .bearer(&laptop)
        .json(&draft)
        .send()
        .await;
    let location = response.header("location").unwrap().to_owned();
    let session = response.created();
    assert_eq!(session["ownerId"], registered["user"]["id"]);
    assert_eq!(session["tenantId"], registered["tenant"]["id"]);

    assert_eq!(target.get(&location).bearer(&phone).send().await.ok(), session);
    let listed = target
        .get("/api/v5/sessions?q=PROJECT&limit=10")
        .bearer(&phone)
        .send()
        .await
        .ok();
    assert_eq!(listed, json!({ "sessions": [session], "nextCursor": null }));

    let changed = target
        .patch(&location)
        .bearer(&phone)
        .json(&json!({ "name": "Renamed" }))
        .send()
        .await
        .ok();
    assert_eq!(changed["name"], "Renamed");
    target.delete(&location).bearer(&laptop).send().await.ok();
    target
        .get(&location)
        .bearer(&phone)
        .send()
        .await
        .assert_problem(404, Code::NotFound);

    let audit = target.get("/api/v5/audit").bearer(&phone).send().await.ok();
    let events = audit["events"].as_array().unwrap();
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        types,
        [
            "user.registered",
            "login.opened",
            "session.created",
            "session.changed",
            "session.deleted",
        ]
    );

    use_a_personal_access_token(target, &phone).await;

    target.post("/api/v5/auth/logout").bearer(&laptop).send().await.ok();
    target
        .get("/api/v5/sessions")
        .bearer(&laptop)
        .send()
        .await
        .assert_problem(401, Code::RevokedToken);
    target.get("/api/v5/sessions").bearer(&phone).send().await.ok();
    let patch = json!({ "company": "Example Co", "preferences": { "theme": "dark" } });
    let account = target
        .patch("/v5/users/me")
        .bearer(&phone)
        .json(&patch)
        .send()
        .await
        .ok();
    assert_eq!(target.get("/api/v5/users/me").bearer(&phone).send().await.ok(), account);
    let usage = target.get("/api/v5/users/me/usage").bearer(&phone).send().await.ok();
    assert_eq!(usage["quotas"][0]["name"], "sessions");
    use_cookies(target).await;
    read_public_documents(target).await;
    send_invalid_requests(target).await;
}

/// A page whose refresh token is in a cookie.
async fn use_cookies(target: &impl Target) {
    let mut browser = Browser::with_page_of(TestApp::ORIGIN);
    let page = json!({ "email": "test@example.com", "password": "password123", "transport": "cookie" });
    let data = browser.send(target.post("/v5/auth/login").json(&page)).await.ok();
    assert!(data["refreshToken"].is_null(), "{data}");
    let request = target.post("/api/v5/auth/refresh").json(&json!({}));
    let token = browser.send(request).await.ok()["token"].as_str().unwrap().to_owned();
    target.get("/v5/auth/logins").bearer(&token).send().await.ok();
    browser.send(target.post("/v5/auth/logout")).await.ok();
    let ended = target.get("/v5/auth/logins").bearer(&token).send().await;
    ended.assert_problem(401, Code::RevokedToken);
    let elsewhere = Browser::with_page_of("https://evil.example.com");
    let request = elsewhere.complete(target.post("/v5/auth/login").json(&page));
    request.send().await.assert_problem(403, Code::OriginNotAllowed);
}

async fn use_a_personal_access_token(target: &impl Target, login: &str) {
    let draft = json!({ "name": "CI", "scopes": ["sessions:read"] });
    let created = target.post("/api/v5/users/me/tokens").bearer(login).json(&draft);
    let created = created.send().await.created();
    let token = created["token"].as_str().unwrap();
    target.get("/api/v5/sessions").bearer(token).send().await.ok();
    target
        .get("/api/v5/audit")
        .bearer(token)
        .send()
        .await
        .assert_problem(403, Code::InsufficientScope);
    let listed = target.get("/v5/users/me/tokens").bearer(login).send().await.ok();
    assert_eq!(listed["tokens"][0]["id"], created["id"]);
    assert!(listed["tokens"][0]["lastUsedAt"].is_string(), "{listed}");
    let path = format!("/api/v5/users/me/tokens/{}", created["id"].as_str().unwrap());
    target.delete(&path).bearer(login).send().await.ok();
    target
        .get("/api/v5/sessions")
        .bearer(token)
        .send()
        .await
        .assert_problem(401, Code::InvalidToken);
}

async fn read_public_documents(target: &impl Target) {
    let keys = target.get("/api/v5/.well-known/jwks.json").send().await.document();
    assert!(keys["keys"].is_array(), "{keys}");
    let document = target.get("/api/v5/openapi.json").send().await.document();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(target.get("/v5/docs").send().await.status, 200);
    target.get("/v5/health").send().await.ok();
    target.get("/api/v5/ready").send().await.ok();
}

async fn send_invalid_requests(target: &impl Target) {
    target
        .get("/v5/nothing")
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    target
        .post("/v5/auth/login")
        .body("{}")
        .send()
        .await
        .assert_problem(415, Code::UnsupportedMediaType);
    target
        .get("/v5/sessions")
        .send()
        .await
        .assert_problem(401, Code::MissingToken);
}

#[tokio::test]
async fn the_flow_succeeds_in_process() {
    flow(&TestApp::start(gateway::router())).await;
}

#[tokio::test]
async fn the_flow_succeeds_against_the_gateway_process() {
    let store = TestStore::new();
    flow(&Process::start(gateway(&store)).remote()).await;
}

#[tokio::test]
async fn the_flow_succeeds_against_a_gateway_that_signs_with_a_private_key() {
    let store = TestStore::new();
    let mut command = gateway(&store);
    // `JWT_SECRET` is set, too, and ignored.
    command
        .env("JWT_ALGORITHM", "EdDSA")
        .env("JWT_PRIVATE_KEY", PRIVATE_KEY);
    flow(&Process::start(command).remote()).await;
}
