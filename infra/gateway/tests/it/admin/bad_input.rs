//! Input that a command rejects, with one sentence and without an effect.

use testkit::{Process, Target as _, TestStore};

use super::{command, failure, json, start, text};
use crate::process::{gateway, register, with_little_disk};

#[tokio::test]
async fn bad_input_is_one_sentence_and_has_no_effect() {
    let gateway = start().await;
    let unknown = "0190d0a0-7c3e-7a11-8f3e-0123456789ab";
    let no_tenant = format!("there is no tenant or user {unknown}");
    let bad_limit = "the limit must be `default` or a whole number from 0 to 9007199254740992";
    let no_user = format!("there is no user {unknown}");
    for (arguments, sentence) in [
        (
            &["users", "show", "bob@example.com"][..],
            "there is no user bob@example.com",
        ),
        (&["users", "show", unknown], &no_user),
        (
            &["users", "show", "bob"],
            "`bob` is neither the id nor the email of a user",
        ),
        (
            &["users", "list", "--limit", "0"],
            "the limit must be a whole number from 1 to 100",
        ),
        (&["users", "list", "--after", ""], "the email must not be empty"),
        (&["users", "suspend", unknown], &no_user),
        (&["users", "resume", unknown], &no_user),
        (&["users", "delete", unknown, "--confirm", unknown], &no_user),
        (&["users", "delete", unknown, "--confirm", unknown, "--now"], &no_user),
        (&["users", "keep", unknown], &no_user),
        (&["tenants", "usage", unknown], &no_tenant),
        (
            &["tenants", "usage", "alice"],
            "`alice` is neither the id of a tenant or user nor the email of a user",
        ),
        (&["tenants", "limit", unknown, "sessions", "1"], &no_tenant),
        (
            &["tenants", "limit", "alice@example.com", "logins", "1"],
            "`logins` is no quota: the quotas are sessions, storedBytes, idempotencyKeys, auditEvents, files, \
             snapshots",
        ),
        (&["tenants", "limit", "alice@example.com", "sessions", "-1"], bad_limit),
        (&["tenants", "limit", "alice@example.com", "sessions", "+1"], bad_limit),
        (
            &["tenants", "limit", "alice@example.com", "sessions", "9007199254740993"],
            bad_limit,
        ),
        (&["logins", "end", unknown], &no_user),
        (
            &["logins", "end", "alice@example.com", "--login", "1"],
            "`1` is not the id of a login",
        ),
        (
            &["logins", "end", "alice@example.com", "--as", " "],
            "the operator's name must not be empty",
        ),
    ] {
        assert_eq!(failure(command(&gateway.store, arguments)), sentence, "{arguments:?}");
    }
    let mut nameless = command(&gateway.store, &["logins", "end", "alice@example.com"]);
    nameless.env_remove("USER");
    let sentence = failure(nameless);
    assert_eq!(sentence, "the variable USER is not set: name yourself with `--as`");
    gateway
        .remote
        .get("/v5/sessions")
        .bearer(&gateway.token)
        .send()
        .await
        .ok();
}

#[tokio::test]
async fn on_a_full_disk_a_change_is_one_sentence_and_has_no_effect() {
    let store = TestStore::lmdb();
    let server = Process::start(gateway(&store));
    register(&server.remote(), "alice@example.com").await;
    drop(server);
    let usage = || json(&store, &["tenants", "usage", "alice@example.com"]);
    let before = usage();
    let limit = ["tenants", "limit", "alice@example.com", "sessions", "1"];
    let sentence = failure(with_little_disk(&command(&store, &limit)));
    assert!(sentence.contains("the store is full"), "{sentence}");
    assert_eq!(usage(), before);
    text(&store, &limit);
    assert_ne!(usage(), before);
}
