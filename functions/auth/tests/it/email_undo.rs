//! What an undone change of the email leaves behind, and changes of an address that was never verified.

use serde_json::json;
use testkit::{Code, Target as _, TestApp, TestResponse, waiting_emails};

use crate::email_change::{NEW, OLD, changed, requested, send};
use crate::start;

async fn register(app: &TestApp, email: &str) -> TestResponse {
    let body = json!({ "email": email, "password": "password123" });
    let request = app.post("/v5/auth/register").json(&body);
    request.from_address("198.51.100.7").send().await
}

/// The types of the emails to this address.
async fn kinds(app: &TestApp, to: &str) -> Vec<String> {
    let emails = waiting_emails(&app.env.db).await;
    let emails = emails.iter().filter(|email| email["to"] == to);
    emails
        .map(|email| email["message"]["type"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_address_that_was_never_verified_is_free_after_a_change_and_cannot_undo_it() {
    let app = start();
    // Eve has registered the address of another person.
    let eve = app.register(OLD).await;
    let token = requested(&app, &eve, NEW).await;
    send(&app, "confirm", &token).await.ok();
    assert_eq!(kinds(&app, OLD).await, ["email.verification", "email.replaced"]);
    register(&app, OLD).await.created();
    // The new address is verified, so the next change can be undone.
    let undo = changed(&app, &eve, NEW, "third@example.com").await;
    register(&app, NEW).await.assert_problem(409, Code::EmailTaken);
    send(&app, "undo", &undo).await.ok();
}
