//! Reading, changing and deleting one session.

use std::time::Duration;

use serde_json::json;
use testkit::{Code, Target as _};

use crate::{create, path, start};

#[tokio::test]
async fn a_change_affects_only_the_members_in_its_body() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let before = create(&app, &alice, "one").await;
    app.clock.advance(Duration::from_millis(1500));

    let after = app
        .patch(&path(&before))
        .by(&alice)
        .json(&json!({ "name": "two", "id": "x" }))
        .send()
        .await
        .ok();
    let mut expected = before.clone();
    expected["name"] = "two".into();
    expected["updatedAt"] = "2026-01-01T00:00:01.500Z".into();
    assert_eq!(after, expected);

    let after = app
        .patch(&path(&before))
        .by(&alice)
        .json(&json!({ "workspacePath": "/b", "name": null }))
        .send()
        .await
        .ok();
    expected["workspacePath"] = "/b".into();
    assert_eq!(after, expected);
    assert_eq!(app.get(&path(&before)).by(&alice).send().await.ok(), expected);
}

#[tokio::test]
async fn a_change_without_effect_keeps_updated_at() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let session = create(&app, &alice, "one").await;
    app.clock.advance(Duration::from_secs(1));
    for same in [json!({}), json!({ "name": "one" })] {
        assert_eq!(
            app.patch(&path(&session)).by(&alice).json(&same).send().await.ok(),
            session
        );
    }
}

#[tokio::test]
async fn a_change_with_invalid_values_changes_nothing() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let session = create(&app, &alice, "one").await;
    let bad = json!({ "name": "", "workspacePath": ".." });
    app.patch(&path(&session))
        .by(&alice)
        .json(&bad)
        .send()
        .await
        .assert_invalid(&["/name", "/workspacePath"]);
    let half = json!({ "name": "two", "workspacePath": 7 });
    app.patch(&path(&session))
        .by(&alice)
        .json(&half)
        .send()
        .await
        .assert_invalid(&["/workspacePath"]);
    assert_eq!(app.get(&path(&session)).by(&alice).send().await.ok(), session);
}

#[tokio::test]
async fn a_deleted_session_is_not_found() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let session = create(&app, &alice, "one").await;
    assert_eq!(app.delete(&path(&session)).by(&alice).send().await.ok(), json!({}));
    app.delete(&path(&session))
        .by(&alice)
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    app.get(&path(&session))
        .by(&alice)
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    app.patch(&path(&session))
        .by(&alice)
        .json(&json!({ "name": "x" }))
        .send()
        .await
        .assert_problem(404, Code::NotFound);
    assert_eq!(
        app.get("/v5/sessions").by(&alice).send().await.ok()["sessions"],
        json!([])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_concurrent_deletions_exactly_one_succeeds() {
    let app = std::sync::Arc::new(start());
    let alice = app.register("alice@example.com").await;
    let session = create(&app, &alice, "one").await;
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (app, alice, path) = (app.clone(), alice.clone(), path(&session));
        requests.spawn(async move { app.delete(&path).by(&alice).send().await.status.as_u16() });
    }
    let mut statuses = requests.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200], vec![404; 15]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_to_different_members_are_all_kept() {
    let app = std::sync::Arc::new(start());
    let alice = app.register("alice@example.com").await;
    for _ in 0..20 {
        let session = create(&app, &alice, "one").await;
        let change = |change: serde_json::Value| {
            let (app, alice, path) = (app.clone(), alice.clone(), path(&session));
            tokio::spawn(async move { app.patch(&path).by(&alice).json(&change).send().await.ok() })
        };
        let (name, folder) = (
            change(json!({ "name": "two" })),
            change(json!({ "workspacePath": "/two" })),
        );
        name.await.unwrap();
        folder.await.unwrap();
        let after = app.get(&path(&session)).by(&alice).send().await.ok();
        assert_eq!(
            (after["name"].as_str(), after["workspacePath"].as_str()),
            (Some("two"), Some("/two"))
        );
    }
}
