//! Whom the gateway's process takes for the client, with and without proxies in front of it.

use axum::http::HeaderName;
use serde_json::{Value, json};
use testkit::{Process, Remote, Target as _, TestStore};

use crate::process::{gateway, refusal};

/// The address of a login that is made with these headers.
async fn seen(remote: &Remote, email: &str, headers: &[(&'static str, &str)]) -> Value {
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
async fn without_proxies_the_client_is_the_peer_whatever_it_says() {
    let store = TestStore::new();
    let process = Process::start(gateway(&store));
    let remote = process.remote();
    assert_eq!(seen(&remote, "a@example.com", &[]).await, "127.0.0.1");
    let spoofed = [
        ("x-forwarded-for", "198.51.100.66"),
        ("x-real-ip", "198.51.100.66"),
        ("forwarded", "for=198.51.100.66"),
    ];
    assert_eq!(seen(&remote, "b@example.com", &spoofed).await, "127.0.0.1");
}

#[tokio::test]
async fn a_proxy_that_nobody_told_of_is_warned_of_once() {
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
        let of_it = lines.iter().filter(|line| line.contains("TRUSTED_PROXIES"));
        assert_eq!(of_it.count(), warnings, "{proxies} {forwarded}: {lines:?}");
        assert!(!lines.iter().any(|line| line.contains("198.51.100.66")), "{lines:?}");
    }
}

#[tokio::test]
async fn behind_a_proxy_the_client_is_whom_the_proxy_saw() {
    let store = TestStore::new();
    let mut command = gateway(&store);
    command.env("TRUSTED_PROXIES", "1");
    let process = Process::start(command);
    let remote = process.remote();
    let appended = [
        ("x-forwarded-for", "198.51.100.66"),
        ("x-forwarded-for", "198.51.100.67, 203.0.113.7"),
    ];
    assert_eq!(seen(&remote, "a@example.com", &appended).await, "203.0.113.7");
    assert_eq!(
        seen(&remote, "b@example.com", &[("x-forwarded-for", "[2001:db8::7]:443")]).await,
        "2001:db8::7"
    );
    // Past the proxy.
    assert_eq!(seen(&remote, "c@example.com", &[]).await, "127.0.0.1");
    assert_eq!(
        seen(
            &remote,
            "d@example.com",
            &[("x-forwarded-for", "198.51.100.66, unknown")]
        )
        .await,
        "127.0.0.1"
    );
    assert_eq!(
        seen(&remote, "e@example.com", &[("forwarded", "for=198.51.100.66")]).await,
        "127.0.0.1"
    );
}

#[test]
fn what_is_no_number_of_proxies_is_refused() {
    let store = TestStore::new();
    let mut command = gateway(&store);
    command.env("TRUSTED_PROXIES", "10.0.0.0/8");
    let text = refusal(command);
    assert!(
        text.contains("TRUSTED_PROXIES") && text.contains("from 0 to 16"),
        "{text}"
    );
}
