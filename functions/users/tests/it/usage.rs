//! What each operation adds to the usage, and takes from it.

use std::time::Duration;

use domain::sweep::sweep;
use serde_json::json;
use testkit::{Code, Target as _, TestApp};

use crate::{create, router, start, used};

#[tokio::test]
async fn usage_has_every_quota_with_its_limit() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    assert_eq!(
        app.get("/v5/users/me/usage").by(&alice).send().await.ok(),
        json!({ "quotas": [
            { "name": "sessions", "used": 0, "limit": 10_000 },
            { "name": "storedBytes", "used": 0, "limit": 10_000_000_000_u64 },
            { "name": "idempotencyKeys", "used": 0, "limit": 10_000 },
            { "name": "auditEvents", "used": 1, "limit": 50_000 },
            { "name": "files", "used": 0, "limit": 1_000_000 },
            { "name": "snapshots", "used": 0, "limit": 1000 },
        ] })
    );
}

#[tokio::test]
async fn without_quotas_usage_is_counted_and_has_no_limit() {
    let app = TestApp::with_limits(router(), |limits| limits.quotas = None);
    let alice = app.register("alice@example.com").await;
    create(&app, &alice, "one", None).await.created();
    let data = app.get("/v5/users/me/usage").by(&alice).send().await.ok();
    assert_eq!(
        data["quotas"][0],
        json!({ "name": "sessions", "used": 1, "limit": null })
    );
}

#[tokio::test]
async fn creating_changing_and_deleting_sessions_is_counted_to_the_byte() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let bytes = |session: &str| {
        let key = kv::Key::of(&("sessions", domain::SessionId::parse(session).unwrap().uuid()));
        let db = app.env.db.clone();
        async move {
            let key = &key;
            let value = db.run(|txn| async move { txn.get(key).await }).await.unwrap();
            value.unwrap().len()
        }
    };
    let one = create(&app, &alice, "one", None).await.created()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let two = create(&app, &alice, "another", None).await.created()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let usage = used(&app, &alice).await;
    assert_eq!(usage["sessions"], 2);
    assert_eq!(usage["storedBytes"], bytes(&one).await + bytes(&two).await);
    assert_eq!(usage["auditEvents"], 3);

    let path = format!("/v5/sessions/{one}");
    for name in ["a much longer name than before", "1"] {
        app.patch(&path)
            .by(&alice)
            .json(&json!({ "name": name }))
            .send()
            .await
            .ok();
        let usage = used(&app, &alice).await;
        assert_eq!(usage["sessions"], 2);
        assert_eq!(usage["storedBytes"], bytes(&one).await + bytes(&two).await);
    }
    app.patch(&path)
        .by(&alice)
        .json(&json!({ "name": "1" }))
        .send()
        .await
        .ok();
    assert_eq!(
        used(&app, &alice).await["auditEvents"],
        5,
        "a change without effect is no event"
    );

    app.delete(&path).by(&alice).send().await.ok();
    let usage = used(&app, &alice).await;
    assert_eq!(
        (&usage["sessions"], &usage["storedBytes"]),
        (&json!(1), &json!(bytes(&two).await))
    );
    app.delete(&path)
        .by(&alice)
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    app.delete(&format!("/v5/sessions/{two}")).by(&alice).send().await.ok();
    let usage = used(&app, &alice).await;
    assert_eq!((&usage["sessions"], &usage["storedBytes"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn an_idempotency_key_counts_until_the_sweep() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let session = create(&app, &alice, "one", Some("key")).await.created();
    let with_key = used(&app, &alice).await;
    assert_eq!(with_key["idempotencyKeys"], 1);
    create(&app, &alice, "one", Some("key")).await.created();
    assert_eq!(used(&app, &alice).await, with_key, "a replay stores nothing");

    // Used for another request after a day, before the sweep.
    app.clock.advance(Duration::from_secs(86_400));
    let alice = app.sign_in(&alice).await;
    create(&app, &alice, "two", Some("key")).await.created();
    let usage = used(&app, &alice).await;
    assert_eq!((&usage["sessions"], &usage["idempotencyKeys"]), (&json!(2), &json!(1)));

    app.clock.advance(Duration::from_secs(86_400 + 60));
    let alice = app.sign_in(&alice).await;
    sweep(&app.env, Duration::MAX).await.unwrap();
    let usage = used(&app, &alice).await;
    assert_eq!(usage["idempotencyKeys"], 0);
    let path = format!("/v5/sessions/{}", session["id"].as_str().unwrap());
    app.delete(&path).by(&alice).send().await.ok();
    let rest = used(&app, &alice).await["storedBytes"].as_u64().unwrap();
    assert_eq!(
        usage["storedBytes"].as_u64().unwrap(),
        2 * rest,
        "two sessions of equal size"
    );
}

#[tokio::test]
async fn audit_events_count_for_their_day() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    create(&app, &alice, "one", None).await.created();
    assert_eq!(used(&app, &alice).await["auditEvents"], 2);
    app.clock.advance(Duration::from_secs(86_400));
    let alice = app.sign_in(&alice).await;
    assert_eq!(used(&app, &alice).await["auditEvents"], 0);
    create(&app, &alice, "two", None).await.created();
    assert_eq!(used(&app, &alice).await["auditEvents"], 1);
}

#[tokio::test]
async fn each_tenant_has_its_own_usage() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let bob = app.register("bob@example.com").await;
    create(&app, &alice, "one", Some("key")).await.created();
    assert_eq!(used(&app, &alice).await["sessions"], 1);
    assert_eq!(used(&app, &bob).await["sessions"], 0);
    assert_eq!(used(&app, &bob).await["storedBytes"], 0);
}
