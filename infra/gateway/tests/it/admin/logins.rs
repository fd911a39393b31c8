//! Ending logins.

use serde_json::json;
use testkit::{Code, Target as _};

use super::{command, events, failure, json, log_in, start, text};

#[tokio::test]
async fn the_next_request_of_an_ended_login_is_rejected_and_the_audit_log_names_the_operator() {
    let gateway = start().await;
    let (remote, store) = (&gateway.remote, &gateway.store);
    let laptop = &log_in(remote).await;
    let sessions = async |token: &str| remote.get("/v5/sessions").bearer(token).send().await;
    let listed = remote.get("/v5/auth/logins").bearer(laptop).send().await.ok();
    let current = listed["logins"]
        .as_array()
        .unwrap()
        .iter()
        .find(|login| login["current"] == true);
    let id = current.unwrap()["id"].as_str().unwrap();

    let one = ["logins", "end", "alice@example.com", "--login", id];
    assert_eq!(text(store, &one), "1 login ended\n");
    sessions(laptop).await.assert_problem(401, Code::RevokedToken);
    sessions(&gateway.token).await.ok();
    let again = failure(command(store, &one));
    assert_eq!(again, format!("the user has no login {id}, or it has ended"));

    log_in(remote).await;
    let all = ["logins", "end", "alice@example.com", "--as", "Ada"];
    assert_eq!(json(store, &all), json!({ "endedLogins": 2 }));
    sessions(&gateway.token).await.assert_problem(401, Code::RevokedToken);

    let reader = &log_in(remote).await;
    let common = |kind: &str, operator: &str| {
        let user = json(store, &["users", "show", "alice@example.com"])["id"].clone();
        json!({ "type": kind, "userId": user, "loginId": null, "ip": null, "operator": operator })
    };
    let mut revoked = common("login.revoked", "ops");
    revoked["endedLoginId"] = json!(id);
    assert_eq!(events(remote, reader, "login.revoked").await, [revoked]);
    let mut all_revoked = common("login.revoked_all", "Ada");
    all_revoked["ended"] = json!(2);
    assert_eq!(events(remote, reader, "login.revoked_all").await, [all_revoked]);
}
