//! Listing and showing users.

use serde_json::json;
use testkit::Target as _;

use super::{json, log_in, start, text};
use crate::process::register;

#[tokio::test]
async fn a_list_pages_through_every_account_in_the_order_of_the_emails() {
    let gateway = start().await;
    for email in ["dora@example.com", "bob@example.com", "carol@example.com"] {
        register(&gateway.remote, email).await;
    }
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let more = after.iter().flat_map(|email: &String| ["--after", email]);
        let arguments: Vec<_> = ["users", "list", "--limit", "3"].into_iter().chain(more).collect();
        let page = json(&gateway.store, &arguments);
        for user in page["users"].as_array().unwrap() {
            assert_eq!(user.as_object().unwrap().len(), 7, "{user}");
            listed.push(user["email"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next"].as_str() else { break };
        assert_eq!(listed.len(), 3);
        after = Some(next.to_owned());
    }
    let all = ["alice", "bob", "carol", "dora"].map(|name| format!("{name}@example.com"));
    assert_eq!(listed, all);

    let text = text(&gateway.store, &["users", "list", "--limit", "2"]);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines.len() == 3 && lines[1].ends_with("  bob@example.com"), "{text}");
    assert_eq!(lines[2], "More accounts follow: --after bob@example.com");
}

#[tokio::test]
async fn an_account_is_shown_with_its_tenant_and_logins_but_without_secrets() {
    let gateway = start().await;
    let token = log_in(&gateway.remote).await;
    let me = gateway.remote.get("/v5/auth/logins").bearer(&token).send().await.ok();
    let newest = me["logins"][0]["lastUsedAt"].clone();

    let shown = json(&gateway.store, &["users", "show", "Alice@Example.com"]);
    let id = shown["id"].as_str().unwrap();
    let tenant = &shown["tenants"][0];
    assert_eq!(
        shown,
        json!({
            "id": id,
            "email": "alice@example.com",
            "emailVerified": false,
            "firstName": null,
            "lastName": null,
            "createdAt": shown["createdAt"],
            "suspendedAt": null,
            "tenants": [{ "id": tenant["id"], "name": "alice@example.com", "role": "owner" }],
            "logins": { "count": 2, "lastUsedAt": newest },
            "deletion": null,
        })
    );
    assert_eq!(json(&gateway.store, &["users", "show", id]), shown);
    let text = text(&gateway.store, &["users", "show", id]);
    assert!(
        text.contains("email      alice@example.com  not verified\n") && text.contains("logins     2, last used"),
        "{text}"
    );
    assert!(!text.contains("argon2"), "{text}");
}
