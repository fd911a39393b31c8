//! Suspending users, beside a running gateway.

use serde_json::json;
use testkit::{Code, Target as _};

use super::{events, json, log_in, start, text};

#[tokio::test]
async fn a_suspension_takes_effect_at_the_next_request_and_ends_without_a_restart() {
    let gateway = start().await;
    let (remote, store) = (&gateway.remote, &gateway.store);
    let laptop = &log_in(remote).await;
    let sessions = async |token: &str| remote.get("/v5/sessions").bearer(token).send().await;
    sessions(laptop).await.ok();

    let suspended = json(store, &["users", "suspend", "alice@example.com", "--as", "Ada"]);
    let since = suspended["suspendedAt"].clone();
    assert_eq!(suspended, json!({ "suspendedAt": since, "endedLogins": 2 }));
    for token in [laptop, &gateway.token] {
        sessions(token).await.assert_problem(401, Code::RevokedToken);
    }
    let account = json!({ "email": "alice@example.com", "password": "password123" });
    let login = remote.post("/v5/auth/login").json(&account).send().await;
    login.assert_problem(403, Code::AccountSuspended);

    // A second time, nothing changes.
    let again = json(store, &["users", "suspend", "alice@example.com"]);
    assert_eq!(again, json!({ "suspendedAt": since, "endedLogins": 0 }));
    assert_eq!(
        json(store, &["users", "show", "alice@example.com"])["suspendedAt"],
        since
    );
    assert_eq!(json(store, &["users", "list"])["users"][0]["suspendedAt"], since);
    assert!(text(store, &["users", "list"]).contains("alice@example.com  suspended"));
    assert!(text(store, &["users", "show", "alice@example.com"]).contains("suspended  "));

    assert_eq!(
        json(store, &["users", "resume", "alice@example.com"]),
        json!({ "resumed": true })
    );
    assert_eq!(
        text(store, &["users", "resume", "alice@example.com"]),
        "the user was not suspended\n"
    );
    sessions(laptop).await.assert_problem(401, Code::RevokedToken);
    let token = &log_in(remote).await;
    sessions(token).await.ok();

    let user = json(store, &["users", "show", "alice@example.com"])["id"].clone();
    let event = |kind: &str, operator: &str| {
        let mut event = json!({ "type": kind, "userId": user, "loginId": null, "ip": null });
        event["operator"] = json!(operator);
        event
    };
    let mut suspended = event("user.suspended", "Ada");
    suspended["ended"] = json!(2);
    assert_eq!(events(remote, token, "user.suspended").await, [suspended]);
    assert_eq!(
        events(remote, token, "user.resumed").await,
        [event("user.resumed", "ops")]
    );
}
