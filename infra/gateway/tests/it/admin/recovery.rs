//! Links with which users choose a new password, beside a running gateway.

use serde_json::{Value, json};
use testkit::{Code, Target as _};

use super::{command, events, failure, json, start, text};

const BASE: (&str, &str) = ("PUBLIC_URL", "https://ide.example.com/");

/// Makes a link for Alice.
fn link(store: &testkit::TestStore) -> Value {
    let mut command = command(
        store,
        &["users", "recovery-link", "alice@example.com", "--as", "Ada", "--json"],
    );
    let output = command.env(BASE.0, BASE.1).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The token in a link.
fn token(link: &Value) -> String {
    let link = link["link"].as_str().unwrap();
    let token = link.strip_prefix("https://ide.example.com/app/recover#token=").unwrap();
    token.to_owned()
}

#[tokio::test]
async fn a_link_opens_the_account_once_and_is_audited() {
    let gateway = start().await;
    let (remote, store) = (&gateway.remote, &gateway.store);
    let (first, second) = (token(&link(store)), token(&link(store)));
    // A request for an email does not replace it.
    let body = json!({ "email": "alice@example.com" });
    remote.post("/v5/auth/recovery").json(&body).send().await.accepted();
    let complete = async |token: &str| {
        let body = json!({ "token": token, "password": "correct horse battery velvet" });
        remote.post("/v5/auth/recovery/complete").json(&body).send().await
    };
    complete(&first).await.assert_problem(404, Code::NotFound);
    let data = complete(&second).await.ok();
    // An operator handed the link over, so it proves nothing about the address.
    assert_eq!(data["user"]["emailVerified"], false);
    complete(&second).await.assert_problem(404, Code::NotFound);
    let bearer = data["token"].as_str().unwrap();
    let made = events(remote, bearer, "user.recovery_link_created").await;
    assert_eq!(made.len(), 2);
    assert_eq!(made[0]["operator"], "Ada");
    let stored = gateway.store.open();
    let entries = crate::check_command::entries(&stored).await;
    let is_shown = |entry: &kv::Entry| String::from_utf8_lossy(&entry.value).contains(&second[12..]);
    assert!(!entries.iter().any(is_shown), "the store contains the token");
}

#[tokio::test]
async fn a_suspended_user_and_a_missing_base_of_links_are_one_sentence() {
    let gateway = start().await;
    let arguments = ["users", "recovery-link", "alice@example.com"];
    let mut without_base = command(&gateway.store, &arguments);
    without_base.env_remove("PUBLIC_URL").env_remove("MAIL");
    let sentence = failure(without_base);
    assert_eq!(sentence, "the variable PUBLIC_URL is not set: links begin with it");
    text(&gateway.store, &["users", "suspend", "alice@example.com"]);
    let mut suspended = command(&gateway.store, &arguments);
    suspended.env(BASE.0, BASE.1);
    assert_eq!(
        failure(suspended),
        "the user alice@example.com is suspended: resume them first"
    );
    let shown = json(&gateway.store, &["users", "show", "alice@example.com"]);
    assert_eq!(shown["emailVerified"], false);
}
