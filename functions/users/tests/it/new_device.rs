//! Emails about logins from new devices.

use domain::mail::{Mail, Message};
use domain::record;
use serde_json::{Value, json};
use testkit::{Target as _, TestApp};

use crate::{router, start};

const ELSEWHERE: &str = "198.51.100.1";

/// Logs in from this address, with these further members. Returns the data of the response.
async fn log_in(app: &TestApp, address: &str, more: Value) -> Value {
    let mut body = json!({ "email": "alice@example.com", "password": "password123" });
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    let request = app.post("/v5/auth/login").json(&body).from_address(address);
    request.send().await.ok()
}

/// The notifications that wait: not the email to verify the address.
async fn emails(app: &TestApp) -> Vec<Mail> {
    let outbox = kv::Range::below(&kv::Key::of(&("outbox",)));
    let mut entries = app.all_entries().await;
    entries.retain(|entry| outbox.contains(&entry.key));
    let mails = entries.iter().map(|entry| record::decode(&entry.value).unwrap());
    mails.filter(|mail: &Mail| mail.message.link().is_none()).collect()
}

#[tokio::test]
async fn a_login_from_an_unknown_address_without_a_device_token_sends_one_email() {
    let app = start();
    app.register("alice@example.com").await;
    assert_eq!(emails(&app).await, [], "a registration sends none");
    log_in(&app, &TestApp::ADDRESS.to_string(), json!({})).await;
    assert_eq!(emails(&app).await, [], "the address is known");
    let data = log_in(&app, ELSEWHERE, json!({})).await;
    let sent = emails(&app).await;
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].to.as_str(), "alice@example.com");
    let Message::NewDevice(source) = &sent[0].message else {
        panic!("{sent:?}");
    };
    assert_eq!(source.address.unwrap().to_string(), ELSEWHERE);
    log_in(&app, ELSEWHERE, json!({})).await;
    // A device that has signed in before is known at any address.
    log_in(&app, "203.0.113.99", json!({ "deviceToken": data["deviceToken"] })).await;
    assert_eq!(emails(&app).await.len(), 1);
    log_in(&app, "203.0.113.98", json!({ "deviceToken": "coditect_dt_junk" })).await;
    assert_eq!(emails(&app).await.len(), 2);
}

#[tokio::test]
async fn wrong_passwords_send_no_email() {
    let app = start();
    app.register("alice@example.com").await;
    for email in ["alice@example.com", "unknown@example.com"] {
        let body = json!({ "email": email, "password": "a wrong one" });
        let request = app.post("/v5/auth/login").json(&body).from_address(ELSEWHERE);
        assert_eq!(request.send().await.status, 401);
    }
    assert_eq!(emails(&app).await, []);
}

#[tokio::test]
async fn the_email_can_be_switched_off_and_on() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let set = async |value: Value| {
        let patch = json!({ "preferences": { "notifications": { "newDevice": value } } });
        app.patch("/v5/users/me").by(&alice).json(&patch).send().await.ok();
    };
    set(json!(false)).await;
    log_in(&app, "198.51.100.1", json!({})).await;
    assert_eq!(emails(&app).await, []);
    set(json!(true)).await;
    log_in(&app, "198.51.100.2", json!({})).await;
    assert_eq!(emails(&app).await.len(), 1);
    set(Value::Null).await;
    log_in(&app, "198.51.100.3", json!({})).await;
    assert_eq!(emails(&app).await.len(), 2);
}

#[tokio::test]
async fn without_an_outbox_no_email_is_written() {
    let app = TestApp::without_outbox(router());
    app.register("alice@example.com").await;
    log_in(&app, ELSEWHERE, json!({})).await;
    assert_eq!(emails(&app).await, []);
}
