//! Emails about logins from new devices.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::HeaderName;
use domain::access_tokens::Scope;
use domain::mail::{Mail, Message};
use domain::record;
use serde_json::{Value, json};
use testkit::{Target as _, TestApp, waiting_emails};

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

/// The trust period: the longest lifetime of a login, and 90 days.
const TRUST: Duration = Duration::from_secs((90 + 90) * 86_400);
const MOMENT: Duration = Duration::from_millis(1);

#[tokio::test]
async fn a_network_is_known_until_the_trust_period_ends_and_each_login_begins_it_anew() {
    let app = start();
    app.register("alice@example.com").await;
    for _ in 0..2 {
        app.clock.advance(TRUST.saturating_sub(MOMENT));
        log_in(&app, &TestApp::ADDRESS.to_string(), json!({})).await;
        assert_eq!(emails(&app).await, [], "a moment before the end");
    }
    app.clock.advance(TRUST);
    log_in(&app, &TestApp::ADDRESS.to_string(), json!({})).await;
    assert_eq!(emails(&app).await.len(), 1, "at the end");
}

#[tokio::test]
async fn a_device_token_is_valid_until_its_trust_period_ends() {
    for (pause, sent) in [(TRUST.saturating_sub(MOMENT), 0), (TRUST, 1)] {
        let app = start();
        app.register("alice@example.com").await;
        let data = log_in(&app, &TestApp::ADDRESS.to_string(), json!({})).await;
        app.clock.advance(pause);
        log_in(&app, ELSEWHERE, json!({ "deviceToken": data["deviceToken"] })).await;
        assert_eq!(emails(&app).await.len(), sent, "{pause:?}");
    }
}

#[tokio::test]
async fn a_network_is_an_ipv4_address_or_64_bits_of_an_ipv6_address() {
    let app = start();
    app.register("alice@example.com").await;
    let mut sent = 0;
    for (address, is_new) in [
        ("198.51.100.1", true),
        ("198.51.100.1", false),
        ("198.51.100.2", true),
        ("2001:db8:0:1::1", true),
        ("2001:db8:0:1:ffff:ffff:ffff:ffff", false),
        ("2001:db8:0:2::1", true),
    ] {
        log_in(&app, address, json!({})).await;
        sent += usize::from(is_new);
        assert_eq!(emails(&app).await.len(), sent, "{address}");
    }
}

#[tokio::test]
async fn the_device_of_another_account_is_new_and_the_user_agent_does_not_matter() {
    let app = start();
    app.register("alice@example.com").await;
    let bob = json!({ "email": "bob@example.com", "password": "password123" });
    app.register("bob@example.com").await;
    let of_bob = app.post("/v5/auth/login").json(&bob).send().await.ok();
    log_in(&app, ELSEWHERE, json!({ "deviceToken": of_bob["deviceToken"] })).await;
    assert_eq!(emails(&app).await.len(), 1);
    let body = json!({ "email": "alice@example.com", "password": "password123" });
    let request = app.post("/v5/auth/login").json(&body).from_address(ELSEWHERE);
    let user_agent = HeaderName::from_static("user-agent");
    request.header(user_agent, "another browser").send().await.ok();
    assert_eq!(emails(&app).await.len(), 1);
}

#[tokio::test]
async fn after_a_password_change_only_its_own_network_is_known() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let data = log_in(&app, ELSEWHERE, json!({})).await;
    let body = json!({ "currentPassword": "password123", "newPassword": "another password" });
    app.post("/v5/auth/password").by(&alice).json(&body).send().await.ok();
    let new_devices = async || {
        let emails = emails(&app).await;
        let is_new_device = |mail: &&Mail| matches!(mail.message, Message::NewDevice(_));
        emails.iter().filter(is_new_device).count()
    };
    assert_eq!(new_devices().await, 1);
    let password = json!({ "password": "another password" });
    log_in(&app, &TestApp::ADDRESS.to_string(), password.clone()).await;
    assert_eq!(new_devices().await, 1, "the address of the change");
    let mut with_token = password.clone();
    with_token["deviceToken"] = data["deviceToken"].clone();
    log_in(&app, ELSEWHERE, with_token).await;
    assert_eq!(new_devices().await, 2, "an address and a token from before");
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

/// The types of the emails that wait.
async fn kinds(app: &TestApp) -> BTreeSet<String> {
    let emails = waiting_emails(&app.env.db).await;
    let kinds = emails.iter().map(|email| email["message"]["type"].as_str().unwrap());
    kinds.map(str::to_owned).collect()
}

/// Lets Alice cause every other notification. Returns the types of all emails.
async fn cause_notifications(app: &TestApp, preferences: &Value) -> BTreeSet<String> {
    let alice = app.register("alice@example.com").await;
    let patch = json!({ "preferences": preferences });
    app.patch("/v5/users/me").by(&alice).json(&patch).send().await.ok();
    log_in(app, ELSEWHERE, json!({})).await;
    app.access_token(&alice, [Scope::ReadSessions], Duration::from_secs(60))
        .await;
    let body = json!({ "password": "password123" });
    let schedule = app.post("/v5/users/me/deletion").by(&alice).json(&body);
    schedule.send().await.accepted();
    // The first address was never verified, and the second one is.
    for to in ["alice@example.net", "alice@example.org"] {
        let body = json!({ "email": to, "password": "password123" });
        let change = app.post("/v5/users/me/email").by(&alice).json(&body);
        change.send().await.accepted();
        let token = json!({ "token": app.mail_token(to, "email.change").await });
        app.post("/v5/auth/email/confirm").json(&token).send().await.ok();
    }
    // A stolen refresh token: it is used again after its successor.
    let stolen = json!({ "refreshToken": alice.refresh_token() });
    let refresh = || app.post("/v5/auth/refresh").json(&stolen).send();
    let body = json!({ "currentPassword": "password123", "newPassword": "another password" });
    let other = app.sign_in(&alice).await;
    refresh().await.ok();
    app.clock.advance(Duration::from_secs(31));
    assert_eq!(refresh().await.status, 401);
    app.post("/v5/auth/password").by(&other).json(&body).send().await.ok();
    kinds(app).await
}

#[tokio::test]
async fn no_other_notification_can_be_switched_off() {
    let all = cause_notifications(&start(), &json!({})).await;
    for kind in [
        "login.new_device",
        "password.changed",
        "login.reuse_detected",
        "access_token.created",
        "account.deletion_scheduled",
        "email.replaced",
        "email.changed",
    ] {
        assert!(all.contains(kind), "{kind} is not in {all:?}");
    }
    // Whatever a user might write to switch an email off.
    let mut off = json!({ "newDevice": false, "all": false, "enabled": false, "security": false, "email": false });
    for kind in &all {
        let camel_case = kind.split(['.', '_']).enumerate().map(|(index, word)| {
            let (first, rest) = word.split_at(usize::from(index > 0));
            first.to_uppercase() + rest
        });
        off[camel_case.collect::<String>()] = false.into();
        off[kind] = false.into();
    }
    let preferences = json!({ "notifications": off, "emails": false, "email": false });
    let mut rest = all;
    rest.remove("login.new_device");
    assert_eq!(cause_notifications(&start(), &preferences).await, rest);
}

#[tokio::test]
async fn without_an_outbox_no_email_is_written() {
    let app = TestApp::without_outbox(router());
    app.register("alice@example.com").await;
    log_in(&app, ELSEWHERE, json!({})).await;
    assert_eq!(emails(&app).await, []);
}
