//! The client address that the gateway process sees, with and without proxies in front of it.

use axum::http::HeaderName;
use serde_json::{Value, json};
use testkit::{Process, Remote, Target as _, TestStore};

use crate::process::{gateway, startup_error};

/// Registers with these headers, and returns the address that the login records.
async fn recorded_address(remote: &Remote, email: &str, headers: &[(&'static str, &str)]) -> Value {
    let account = json!({ "email": email, "password": "password123" });
    let mut call = remote.post("/v5/auth/register").json(&account);
    for (name, value) in headers {
        call = call.header(HeaderName::from_static(name), value);
    }
    let data = call.send().await.created();
    let logins = remote.get("/v5/auth/logins").bearer(data["token"].as_str().unwrap());
    logins.send().await.ok()["logins"][0]["ip"].take()
}

#[tokio::test]
async fn without_proxies_the_client_address_is_the_peer_and_headers_are_ignored() {
    let store = TestStore::new();
    let process = Process::start(gateway(&store));
    let remote = process.remote();
    assert_eq!(recorded_address(&remote, "a@example.com", &[]).await, "127.0.0.1");
    let spoofed = [
        ("x-forwarded-for", "198.51.100.66"),
        ("x-real-ip", "198.51.100.66"),
        ("forwarded", "for=198.51.100.66"),
    ];
    assert_eq!(recorded_address(&remote, "b@example.com", &spoofed).await, "127.0.0.1");
}

#[tokio::test]
async fn an_unconfigured_proxy_is_warned_about_once() {
    let store = TestStore::new();
    for (proxies, forwarded, warnings) in [("0", true, 1), ("0", false, 0), ("1", true, 0)] {
        let mut command = gateway(&store);
        command.env("TRUSTED_PROXIES", proxies);
        let process = Process::start(command);
        for _ in 0..3 {
            let remote = process.remote();
            let mut call = remote.get("/v5/health");
            if forwarded {
                call = call.header(HeaderName::from_static("x-forwarded-for"), "198.51.100.66");
            }
            call.send().await.ok();
        }
        process.terminate();
        let (_, lines) = process.wait();
        let matching = lines.iter().filter(|line| line.contains("TRUSTED_PROXIES"));
        assert_eq!(matching.count(), warnings, "{proxies} {forwarded}: {lines:?}");
        assert!(!lines.iter().any(|line| line.contains("198.51.100.66")), "{lines:?}");
    }
}

#[tokio::test]
async fn behind_a_proxy_the_client_address_is_the_one_that_the_proxy_appended() {
    let store = TestStore::new();
    let mut command = gateway(&store);
    command.env("TRUSTED_PROXIES", "1");
    let process = Process::start(command);
    let remote = process.remote();
    let appended = [
        ("x-forwarded-for", "198.51.100.66"),
        ("x-forwarded-for", "198.51.100.67, 203.0.113.7"),
    ];
    assert_eq!(
        recorded_address(&remote, "a@example.com", &appended).await,
        "203.0.113.7"
    );
    assert_eq!(
        recorded_address(&remote, "b@example.com", &[("x-forwarded-for", "[2001:db8::7]:443")]).await,
        "2001:db8::7"
    );
    // A request that bypassed the proxy.
    assert_eq!(recorded_address(&remote, "c@example.com", &[]).await, "127.0.0.1");
    assert_eq!(
        recorded_address(
            &remote,
            "d@example.com",
            &[("x-forwarded-for", "198.51.100.66, unknown")]
        )
        .await,
        "127.0.0.1"
    );
    assert_eq!(
        recorded_address(&remote, "e@example.com", &[("forwarded", "for=198.51.100.66")]).await,
        "127.0.0.1"
    );
}

#[test]
fn a_proxy_setting_that_is_not_a_number_is_rejected() {
    let store = TestStore::new();
    let mut command = gateway(&store);
    command.env("TRUSTED_PROXIES", "10.0.0.0/8");
    let text = startup_error(command);
    assert!(
        text.contains("TRUSTED_PROXIES") && text.contains("from 0 to 16"),
        "{text}"
    );
}
