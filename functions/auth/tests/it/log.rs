//! The log line of an attempt to sign in: a digest names the mailbox, and nothing else does.

use serde_json::{Value, json};
use testkit::{Target as _, TestApp};

use crate::start;

/// The digest on the line of an attempt with this body. It must have this status.
async fn digest(app: &TestApp, path: &str, body: &Value, status: u16) -> Option<String> {
    let response = app.post(path).json(body).send().await;
    assert_eq!(response.status, status, "{path} {body}");
    let line = app.log_line(&response);
    assert!(!line.to_string().contains("example.com"), "{line}");
    line["email_digest"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn attempts_at_one_mailbox_have_one_digest_whatever_their_spelling_and_their_outcome() {
    /// Computed by another program: HMAC-SHA-256 under the key that is the HMAC-SHA-256 of the label under the secret.
    const ALICE: &str = "fb60a03fe4124caf";
    let app = start();
    let (register, login) = ("/v5/auth/register", "/v5/auth/login");
    let body = |email: &str, password: &str| json!({ "email": email, "password": password });
    let (right, wrong) = ("password123", "a wrong one");
    for (path, email, password, status) in [
        (login, "alice@example.com", wrong, 401),
        (register, "alice@example.com", right, 201),
        (register, "alice@example.com", right, 409),
        (login, " Alice@EXAMPLE.com", wrong, 401),
        (login, "\"alice\"@example.com", right, 200),
    ] {
        let digest = digest(&app, path, &body(email, password), status).await;
        assert_eq!(digest.as_deref(), Some(ALICE), "{path} {email}");
    }
    let other = digest(&app, login, &body("bob@example.com", wrong), 401).await;
    assert!(other.is_some() && other.as_deref() != Some(ALICE), "{other:?}");
}

#[tokio::test]
async fn a_request_without_a_valid_email_or_with_a_token_has_no_digest() {
    let app = start();
    let body = json!({ "email": "alice", "password": "password123" });
    assert_eq!(digest(&app, "/v5/auth/login", &body, 422).await, None);
    let alice = app.register("alice@example.com").await;
    let response = app.get("/v5/auth/logins").by(&alice).send().await;
    assert_eq!(app.log_line(&response)["email_digest"], Value::Null);
}
