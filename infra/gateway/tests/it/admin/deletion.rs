//! Deleting accounts, beside a running gateway.

use serde_json::json;
use testkit::{Code, Target as _};

use super::{command, events, failure, json, start, text};

#[tokio::test]
async fn a_deletion_is_scheduled_shown_and_cancelled_and_the_audit_log_names_the_operator() {
    let gateway = start().await;
    let (remote, store) = (&gateway.remote, &gateway.store);
    let alice = "alice@example.com";
    let delete = ["users", "delete", alice, "--confirm", alice, "--as", "Ada"];
    let scheduled = json(store, &delete);
    let deletes_at = scheduled["deletesAt"].clone();
    assert_eq!(scheduled["operator"], "Ada");
    assert_eq!(json(store, &delete), scheduled, "it keeps its time");
    assert_eq!(json(store, &["users", "show", alice])["deletion"], scheduled);
    let shown = text(store, &["users", "show", alice]);
    let line = format!("deletion   after {}, requested at ", deletes_at.as_str().unwrap());
    assert!(shown.contains(&line), "{shown}");
    let path = "/v5/users/me/deletion";
    let own = remote.get(path).bearer(&gateway.token).send().await.ok();
    assert_eq!(own["deletion"]["deletesAt"], deletes_at);

    let keep = ["users", "keep", alice, "--as", "Bob"];
    assert_eq!(json(store, &keep), json!({ "cancelled": true }));
    assert_eq!(text(store, &keep), "no deletion was scheduled\n");
    let own = remote.get(path).bearer(&gateway.token).send().await.ok();
    assert_eq!(own["deletion"], json!(null));

    let user = json(store, &["users", "show", alice])["id"].clone();
    let event = |kind: &str, operator: &str| {
        let mut event = json!({ "type": kind, "userId": user, "loginId": null, "ip": null });
        event["operator"] = json!(operator);
        event
    };
    let mut ordered = event("user.deletion_ordered", "Ada");
    ordered["deletesAt"] = deletes_at;
    let logged = events(remote, &gateway.token, "user.deletion_ordered").await;
    assert_eq!(logged, [ordered]);
    let logged = events(remote, &gateway.token, "user.deletion_revoked").await;
    assert_eq!(logged, [event("user.deletion_revoked", "Bob")]);
}

#[tokio::test]
async fn an_immediate_deletion_ends_the_account_and_needs_a_confirmation() {
    let gateway = start().await;
    let (remote, store) = (&gateway.remote, &gateway.store);
    let alice = "alice@example.com";
    let id = json(store, &["users", "show", alice])["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for confirm in ["bob@example.com", "Alice@example.com", &id] {
        let sentence = failure(command(
            store,
            &["users", "delete", alice, "--now", "--confirm", confirm],
        ));
        let expected = "`--confirm` names another user than `alice@example.com`: nothing was deleted";
        assert_eq!(sentence, expected);
    }
    let mut unconfirmed = command(store, &["users", "delete", alice, "--now"]);
    assert!(!unconfirmed.output().unwrap().status.success());
    remote.get("/v5/sessions").bearer(&gateway.token).send().await.ok();

    let delete = ["users", "delete", &id, "--now", "--confirm", &id, "--as", "Ada"];
    assert_eq!(json(store, &delete), json!({ "deleted": id }));
    let response = remote.get("/v5/sessions").bearer(&gateway.token).send().await;
    response.assert_problem(401, Code::RevokedToken);
    let account = json!({ "email": alice, "password": "password123" });
    let response = remote.post("/v5/auth/login").json(&account).send().await;
    response.assert_problem(401, Code::InvalidCredentials);
    assert_eq!(failure(command(store, &delete)), format!("there is no user {id}"));
    let sentence = failure(command(store, &["users", "show", &id]));
    let expected = format!("there is no user {id}: the account was deleted at ");
    assert!(
        sentence.starts_with(&expected) && sentence.ends_with(" by Ada"),
        "{sentence}"
    );
    // The email is free.
    remote.post("/v5/auth/register").json(&account).send().await.created();
}
