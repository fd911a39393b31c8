//! The client address and user agent in the list of logins.

use axum::http::HeaderName;
use axum::http::header::USER_AGENT;
use serde_json::{Value, json};
use testkit::{Target as _, TestApp};

use crate::start;

/// Headers that claim another client address.
const SPOOFED_HEADERS: [(&str, &str); 6] = [
    ("x-forwarded-for", "198.51.100.66"),
    ("x-real-ip", "198.51.100.66"),
    ("forwarded", "for=198.51.100.66"),
    ("cf-connecting-ip", "198.51.100.66"),
    ("true-client-ip", "198.51.100.66"),
    ("x-client-ip", "198.51.100.66"),
];

async fn current(app: &TestApp, token: &str) -> Value {
    let data = app.get("/v5/auth/logins").bearer(token).send().await.ok();
    let logins = data["logins"].as_array().unwrap();
    logins.iter().find(|login| login["current"] == true).unwrap().clone()
}

#[tokio::test]
async fn a_login_shows_its_address_and_user_agent() {
    let app = start();
    app.register("alice@example.com").await;
    let credentials = json!({ "email": "alice@example.com", "password": "password123" });
    let login = app
        .post("/v5/auth/login")
        .json(&credentials)
        .from_address("2001:db8::7");
    let data = login.header(USER_AGENT, "test/1.0").send().await.ok();
    let login = current(&app, data["token"].as_str().unwrap()).await;
    assert_eq!(
        (&login["ip"], &login["userAgent"]),
        (&json!("2001:db8::7"), &json!("test/1.0"))
    );
}

#[tokio::test]
async fn a_refresh_updates_the_address_and_user_agent() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let login = current(&app, &alice.token).await;
    assert_eq!(login["ip"], TestApp::ADDRESS.to_string());
    assert_eq!(login["userAgent"], Value::Null);

    let body = json!({ "refreshToken": alice.refresh_token() });
    let refresh = app
        .post("/v5/auth/refresh")
        .json(&body)
        .from_address("::ffff:198.51.100.7");
    refresh.header(USER_AGENT, "test/1.1").send().await.ok();
    let login = current(&app, &alice.token).await;
    assert_eq!(
        (&login["ip"], &login["userAgent"]),
        (&json!("198.51.100.7"), &json!("test/1.1"))
    );
}

#[tokio::test]
async fn headers_do_not_change_the_address() {
    let app = start();
    for (number, (name, value)) in SPOOFED_HEADERS.into_iter().enumerate() {
        let account = json!({ "email": format!("{number}@example.com"), "password": "password123" });
        let register = app.post("/v5/auth/register").json(&account).from_address("203.0.113.7");
        let data = register
            .header(HeaderName::from_static(name), value)
            .send()
            .await
            .created();
        let login = current(&app, data["token"].as_str().unwrap()).await;
        assert_eq!(login["ip"], "203.0.113.7", "{name}");
    }
}
