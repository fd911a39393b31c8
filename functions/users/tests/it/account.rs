//! `GET` and `PATCH /users/me`: names, company, tenants, and bad input.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use domain::operator::{self, Operator, UserName};
use domain::suppressions::Reason;
use domain::suppressions::ops::suppress;
use domain::text::Name;
use domain::{Role, users};
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp, TestResponse};

use crate::start;

async fn get(app: &TestApp, actor: &Actor) -> TestResponse {
    app.get("/v5/users/me").by(actor).send().await
}

pub async fn change(app: &TestApp, actor: &Actor, patch: &Value) -> TestResponse {
    app.patch("/v5/users/me").by(actor).json(patch).send().await
}

fn etag(response: &TestResponse) -> String {
    response.header("etag").unwrap().to_owned()
}

/// The events of the user's own tenant, newest first.
async fn events(app: &TestApp, actor: &Actor) -> Vec<Value> {
    let data = app.get("/v5/audit?order=desc").by(actor).send().await.ok();
    data["events"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_account_is_shown_with_its_tenant() {
    let app = start();
    let body = json!({
        "email": "alice@example.com", "password": "password123",
        "firstName": "Alice", "lastName": "Example", "company": "Example Co",
    });
    let registered = app.post("/v5/auth/register").json(&body).send().await.created();
    let token = registered["token"].as_str().unwrap();
    let response = app.get("/api/v5/users/me").bearer(token).send().await;
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(
        response.ok(),
        json!({
            "id": registered["user"]["id"],
            "email": "alice@example.com",
            "emailVerified": false,
            "pendingEmail": null,
            "deletesAt": null,
            "emailSuppressed": false,
            "firstName": "Alice",
            "lastName": "Example",
            "company": "Example Co",
            "avatarUrl": null,
            "preferences": {},
            "tenants": [registered["tenant"]],
            "createdAt": registered["user"]["createdAt"],
        })
    );
}

#[tokio::test]
async fn an_account_whose_emails_bounce_says_so() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let before = etag(&get(&app, &alice).await);
    let addresses = ["alice@example.com", "bob@example.com"].map(|text| users::Email::parse(text).unwrap());
    suppress(&app.env, &addresses[1..], Reason::Bounce).await.unwrap();
    assert_eq!(get(&app, &alice).await.ok()["emailSuppressed"], false);
    suppress(&app.env, &addresses[..1], Reason::Bounce).await.unwrap();
    let response = get(&app, &alice).await;
    assert_ne!(etag(&response), before);
    assert_eq!(response.ok()["emailSuppressed"], true);
    let changed = change(&app, &alice, &json!({ "firstName": "Alice", "emailSuppressed": false })).await;
    assert_eq!(changed.ok()["emailSuppressed"], true);
}

#[tokio::test]
async fn an_account_says_whether_its_email_is_verified_and_which_one_is_to_replace_it() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let bob = app.register("bob@example.com").await;
    let shown = async || {
        let response = get(&app, &alice).await;
        let (version, account) = (etag(&response), response.ok());
        let [email, verified, pending] = ["email", "emailVerified", "pendingEmail"].map(|name| account[name].clone());
        (json!([email, verified, pending]), version)
    };
    let (before, first) = shown().await;
    assert_eq!(before, json!(["alice@example.com", false, null]));
    let token = app.mail_token("alice@example.com", "email.verification").await;
    let body = json!({ "token": token });
    app.post("/v5/auth/email/verify").json(&body).send().await.ok();
    let (verified, second) = shown().await;
    assert_eq!(verified, json!(["alice@example.com", true, null]));

    let body = json!({ "email": "new@example.com", "password": "password123" });
    app.post("/v5/users/me/email")
        .by(&alice)
        .json(&body)
        .send()
        .await
        .accepted();
    let (pending, third) = shown().await;
    assert_eq!(pending, json!(["alice@example.com", true, "new@example.com"]));
    assert_eq!(get(&app, &bob).await.ok()["pendingEmail"], json!(null));
    let changed = change(&app, &alice, &json!({ "firstName": "Alice", "pendingEmail": null })).await;
    assert_eq!(changed.ok()["pendingEmail"], "new@example.com");
    let token = app.mail_token("new@example.com", "email.change").await;
    let body = json!({ "token": token });
    app.post("/v5/auth/email/confirm").json(&body).send().await.ok();
    let (confirmed, fourth) = shown().await;
    assert_eq!(confirmed, json!(["new@example.com", true, null]));
    let versions = std::collections::HashSet::from([first, second, third, fourth]);
    assert_eq!(versions.len(), 4, "{versions:?}");

    let body = json!({ "email": "other@example.com", "password": "password123" });
    app.post("/v5/users/me/email")
        .by(&alice)
        .json(&body)
        .send()
        .await
        .accepted();
    app.clock.advance(Duration::from_secs(24 * 3600 - 1));
    let alice = app.refresh(&alice).await;
    let pending = async || get(&app, &alice).await.ok()["pendingEmail"].clone();
    assert_eq!(pending().await, "other@example.com");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(pending().await, json!(null));
}

#[tokio::test]
async fn a_patch_changes_the_named_members_and_null_removes_them() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let patch = json!({
        "firstName": " Alice ", "lastName": "Example", "company": "Example Co", "preferences": { "theme": "dark" },
        "email": "other@example.com", "id": 7, "tenants": [], "unknown": { "a": [1] },
    });
    let response = change(&app, &alice, &patch).await;
    let version = etag(&response);
    let account = response.ok();
    assert_eq!(account["email"], "alice@example.com");
    assert_eq!(
        [&account["firstName"], &account["lastName"], &account["company"]],
        ["Alice", "Example", "Example Co"]
    );
    let response = get(&app, &alice).await;
    assert_eq!(etag(&response), version);
    assert_eq!(response.ok(), account);

    let patch = json!({ "firstName": null, "company": "  ", "preferences": null });
    let changed = change(&app, &alice, &patch).await.ok();
    let members = ["firstName", "lastName", "company", "preferences"].map(|name| changed[name].clone());
    assert_eq!(members, [json!(null), json!("Example"), json!(null), json!({})]);
    assert_eq!(get(&app, &alice).await.ok(), changed);
    // The next login has the new names, too.
    let credentials = json!({ "email": "alice@example.com", "password": "password123" });
    let logged_in = app.post("/v5/auth/login").json(&credentials).send().await.ok();
    assert_eq!(logged_in["user"]["lastName"], "Example");
    assert_eq!(logged_in["tenant"], changed["tenants"][0]);
}

#[tokio::test]
async fn the_own_tenant_is_named_after_the_company_the_names_or_the_email() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    for (patch, name) in [
        (json!({}), "alice@example.com"),
        (json!({ "lastName": "Example" }), "Example"),
        (json!({ "firstName": "Alice" }), "Alice Example"),
        (json!({ "company": "Example Co" }), "Example Co"),
        (json!({ "firstName": null }), "Example Co"),
        (json!({ "company": null }), "Example"),
        (json!({ "lastName": "" }), "alice@example.com"),
    ] {
        assert_eq!(
            change(&app, &alice, &patch).await.ok()["tenants"][0]["name"],
            name,
            "{patch}"
        );
        assert_eq!(get(&app, &alice).await.ok()["tenants"][0]["name"], name, "{patch}");
    }
    // A list of sessions needs the tenant's record, which was rewritten.
    app.get("/v5/sessions").by(&alice).send().await.ok();
}

#[tokio::test]
async fn a_member_of_several_tenants_sees_them_and_changes_their_own_account_only() {
    let app = start();
    let hosts = [
        app.register("alice@example.com").await,
        app.register("carol@example.com").await,
    ];
    let bob = app.register("bob@example.com").await;
    let mut guests = Vec::new();
    for (host, role) in hosts.iter().zip([Role::Viewer, Role::Member]) {
        guests.push(app.add_member(&bob, host, role).await);
    }
    let mut expected: Vec<_> = hosts
        .iter()
        .zip(["viewer", "member"])
        .map(|(host, role)| {
            let tenant = &host.signed_in.tenant;
            json!({ "id": tenant.id, "name": tenant.name, "type": "self", "role": role })
        })
        .collect();
    expected.sort_by_key(|tenant| tenant["id"].to_string());
    let own = &bob.signed_in.tenant;
    expected.insert(
        0,
        json!({ "id": own.id, "name": own.name, "type": "self", "role": "owner" }),
    );
    for actor in [&bob, &guests[0], &guests[1]] {
        assert_eq!(get(&app, actor).await.ok()["tenants"], json!(expected));
    }

    let before = get(&app, &hosts[0]).await.ok();
    let changed = change(&app, &guests[0], &json!({ "company": "Bob Co" })).await.ok();
    assert_eq!(changed["company"], "Bob Co");
    assert_eq!(changed["tenants"][0]["name"], "Bob Co");
    assert_eq!(get(&app, &hosts[0]).await.ok(), before);
    assert_eq!(events(&app, &hosts[0]).await.len(), 1, "only the registration");
    let event = &events(&app, &bob).await[0];
    assert_eq!(event["type"], "user.profile_changed");
    assert_eq!(event["loginId"], json!(guests[0].signed_in.login.id));
}

#[tokio::test]
async fn a_suspended_user_cannot_see_or_change_the_account_and_sees_it_unchanged_afterwards() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let before = get(&app, &alice).await.ok();
    let operator = Operator::new(&app.env, Name::parse("ops").unwrap());
    let user = UserName::Id(alice.signed_in.user.id);
    operator::users::suspend(&app.env, &operator, &user).await.unwrap();
    // The suspension ended the login, so another one is added below HTTP: what rejects it is the suspension.
    let suspended = app.sign_in(&alice).await;
    get(&app, &suspended).await.assert_problem(401, Code::RevokedToken);
    let patch = json!({ "firstName": "A" });
    change(&app, &suspended, &patch)
        .await
        .assert_problem(401, Code::RevokedToken);
    operator::users::resume(&app.env, &operator, &user).await.unwrap();
    assert_eq!(get(&app, &suspended).await.ok(), before);
    // A membership that alone is suspended gives no access to its tenant.
    let bob = app.register("bob@example.com").await;
    let guest = app.add_member(&bob, &suspended, Role::Member).await;
    let suspended = &domain::tenants::Membership {
        suspended_at: Some(app.env.clock.now()),
        ..guest.signed_in.membership.clone()
    };
    let write = app
        .env
        .db
        .run(|txn| async move { domain::tenants::store::put_membership(&txn, suspended) });
    write.await.unwrap();
    let tenants = get(&app, &bob).await.ok()["tenants"].clone();
    assert_eq!(tenants.as_array().unwrap().len(), 1, "{tenants}");
}

#[tokio::test]
async fn a_removed_account_is_a_revoked_token() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let user = &alice.signed_in.user;
    let removal = app
        .env
        .db
        .run(|txn| async move { users::store::remove(&txn, user).await });
    removal.await.unwrap();
    get(&app, &alice).await.assert_problem(401, Code::RevokedToken);
    change(&app, &alice, &json!({}))
        .await
        .assert_problem(401, Code::RevokedToken);
}

#[tokio::test]
async fn a_change_applies_to_the_expected_version_only() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let first = etag(&get(&app, &alice).await);
    let patch = |name: &str| json!({ "firstName": name });
    let second = etag(&change(&app, &alice, &patch("A")).await);
    assert_ne!(first, second);
    let send = async |header, value: &str, name: &str| {
        let request = app.patch("/v5/users/me").by(&alice).json(&patch(name));
        request.header(header, value).send().await
    };
    for (header, value) in [
        (IF_MATCH, &*first),
        (IF_MATCH, "nonsense"),
        (IF_NONE_MATCH, &*second),
        (IF_NONE_MATCH, "*"),
    ] {
        let response = send(header, value, "B").await;
        response.assert_problem(412, Code::PreconditionFailed);
    }
    assert_eq!(get(&app, &alice).await.ok()["firstName"], "A");
    let third = etag(&send(IF_MATCH, &second, "B").await);
    let unchanged = send(IF_MATCH, &third, "B").await;
    assert_eq!(etag(&unchanged), third, "an unchanged account keeps its version");
    unchanged.ok();
    // The same values have the same version: a change back and forth loses nothing.
    assert_eq!(etag(&send(IF_NONE_MATCH, &first, "A").await), second);
}

#[tokio::test]
async fn a_read_with_the_current_version_is_a_304() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let version = etag(&get(&app, &alice).await);
    let read = async |header, value: &str| app.get("/v5/users/me").by(&alice).header(header, value).send().await;
    let response = read(IF_NONE_MATCH, &version).await;
    assert_eq!((response.status.as_u16(), etag(&response)), (304, version.clone()));
    assert_eq!(read(IF_NONE_MATCH, "\"1\"").await.status, 200);
    read(IF_MATCH, "\"1\"")
        .await
        .assert_problem(412, Code::PreconditionFailed);
    change(&app, &alice, &json!({ "preferences": { "a": 1 } })).await.ok();
    assert_eq!(read(IF_NONE_MATCH, &version).await.status, 200);
}

#[tokio::test]
async fn of_twenty_concurrent_changes_none_is_lost_and_of_one_version_one_succeeds() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let version = etag(&get(&app, &alice).await);
    let conditional = (0..20).map(|number| {
        let patch = json!({ "firstName": format!("{number}") });
        let request = app.patch("/v5/users/me").by(&alice).json(&patch);
        request.header(IF_MATCH, &version).send()
    });
    let statuses: Vec<_> = futures_util::future::join_all(conditional).await;
    let succeeded = statuses.iter().filter(|response| response.status == 200).count();
    assert_eq!(succeeded, 1);
    let patches: Vec<_> = (0..20)
        .map(|number| json!({ "preferences": { format!("p{number}"): number } }))
        .collect();
    let changes = patches.iter().map(|patch| change(&app, &alice, patch));
    for response in futures_util::future::join_all(changes).await {
        response.ok();
    }
    let preferences = get(&app, &alice).await.ok()["preferences"].clone();
    assert_eq!(preferences.as_object().unwrap().len(), 20, "{preferences}");
}

#[tokio::test]
async fn both_media_types_are_accepted_and_others_are_not() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let send = async |media_type: &str| {
        let request = app.patch("/v5/users/me").by(&alice).body(r#"{"firstName":"A"}"#);
        request.header(CONTENT_TYPE, media_type).send().await
    };
    for accepted in ["application/merge-patch+json", "application/json; charset=utf-8"] {
        send(accepted).await.ok();
    }
    for other in ["text/plain", "application/x-www-form-urlencoded", "image/png"] {
        send(other).await.assert_problem(415, Code::UnsupportedMediaType);
    }
}

#[tokio::test]
async fn bodies_that_are_no_objects_and_bad_values_are_reported() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    for body in [
        "",
        "null",
        "[]",
        "\"text\"",
        "7",
        "{",
        "{\"firstName\":\"A\",\"firstName\":\"B\"}",
    ] {
        let request = app.patch("/v5/users/me").by(&alice).body(body);
        let response = request.header(CONTENT_TYPE, "application/json").send().await;
        response.assert_problem(400, Code::MalformedBody);
    }
    let bad = json!({
        "firstName": "A\u{7}", "lastName": "a\u{202e}b", "company": ["Co"], "preferences": "dark",
    });
    let response = change(&app, &alice, &bad).await;
    response.assert_invalid(&["/firstName", "/lastName", "/company", "/preferences"]);
    for name in [json!("x".repeat(201)), json!("\u{200b}"), json!(7), json!({})] {
        let response = change(&app, &alice, &json!({ "firstName": name })).await;
        response.assert_invalid(&["/firstName"]);
    }
    assert_eq!(events(&app, &alice).await.len(), 1, "nothing was changed");
}

#[tokio::test]
async fn preferences_that_are_too_long_or_too_deep_are_rejected() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let send = async |preferences: Value| change(&app, &alice, &json!({ "preferences": preferences })).await;
    let long = json!({ "a": "x".repeat(15_000) });
    send(long.clone()).await.ok();
    send(json!({ "b": "x".repeat(1_000) }))
        .await
        .assert_invalid(&["/preferences"]);
    let deep = (0..17).fold(json!({}), |inner, _| json!({ "a": inner }));
    send(deep).await.assert_invalid(&["/preferences"]);
    // Deeper than the parser goes.
    let nested = format!("{{\"preferences\":{}1{}}}", "{\"a\":".repeat(1000), "}".repeat(1000));
    let request = app.patch("/v5/users/me").by(&alice).body(nested);
    let response = request.header(CONTENT_TYPE, "application/json").send().await;
    response.assert_invalid(&["/preferences"]);
    for bad in [
        json!({ "notifications": "none" }),
        json!({ "notifications": { "newDevice": "no" } }),
        json!([1]),
        json!(true),
    ] {
        send(bad).await.assert_invalid(&["/preferences"]);
    }
    assert_eq!(get(&app, &alice).await.ok()["preferences"], long);
}

#[tokio::test]
async fn opaque_preferences_stay_as_they_were_sent() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let preferences = json!({
        "": null, "a.b": [1, -1, 9_007_199_254_740_993_i64, 0.1, 1e-7, 2.220_446_049_250_313e-16, true, "\u{0}\u{1f}"],
        "__proto__": { "ä": "\u{10ffff}", "constructor": [] }, "notifications": { "newDevice": false, "x": 1 },
    });
    // A patch removes the members that are null.
    let mut expected = preferences.clone();
    expected.as_object_mut().unwrap().remove("");
    let sent = change(&app, &alice, &json!({ "preferences": preferences })).await.ok();
    assert_eq!(sent["preferences"], expected);
    for number in 0..3 {
        change(&app, &alice, &json!({ "preferences": { "n": number } }))
            .await
            .ok();
    }
    let patch = json!({ "preferences": { "n": null } });
    assert_eq!(change(&app, &alice, &patch).await.ok()["preferences"], expected);
}

#[tokio::test]
async fn a_change_is_audited_with_the_changed_members_and_without_their_values() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let patch = json!({ "firstName": "Marked", "company": null, "preferences": { "theme": "marked" } });
    change(&app, &alice, &patch).await.ok();
    change(&app, &alice, &patch).await.ok();
    let events = events(&app, &alice).await;
    assert_eq!(events.len(), 2, "a change without effect is no event");
    assert_eq!(events[0]["type"], "user.profile_changed");
    assert_eq!(events[0]["changed"], json!(["firstName", "preferences"]));
    assert!(
        !events[0].to_string().to_lowercase().contains("marked"),
        "{}",
        events[0]
    );
}

#[tokio::test]
async fn a_user_without_audit_events_left_cannot_change_the_account() {
    let quotas = domain::usage::Quotas {
        audit_events: 2,
        ..crate::without_rate_limit()
    };
    let app = crate::with_quotas(quotas);
    let alice = app.register("alice@example.com").await;
    change(&app, &alice, &json!({ "firstName": "A" })).await.ok();
    let response = change(&app, &alice, &json!({ "firstName": "B" })).await;
    response.assert_problem(507, Code::QuotaExceeded);
    change(&app, &alice, &json!({ "firstName": "A" })).await.ok();
}

#[tokio::test]
async fn the_store_has_no_record_for_a_profile_in_which_nothing_is_set() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let has_profile = async || {
        let key = &users::profile::keys::profile(alice.signed_in.user.id);
        let value = app.env.db.run(|txn| async move { txn.get(key).await }).await;
        value.unwrap().is_some()
    };
    change(&app, &alice, &json!({ "firstName": "A" })).await.ok();
    assert!(!has_profile().await);
    change(&app, &alice, &json!({ "preferences": { "a": 1 } })).await.ok();
    assert!(has_profile().await);
    change(&app, &alice, &json!({ "preferences": { "a": null } }))
        .await
        .ok();
    assert!(!has_profile().await);
}
