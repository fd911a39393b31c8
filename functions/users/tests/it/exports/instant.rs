//! An export is as of one instant, while the user works.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use testkit::{Actor, Target as _, TestApp};

use super::{Files, export, lines};
use crate::{create, start};

/// The sessions that the events of an export leave, with the number of their writes.
fn replayed(files: &Files) -> BTreeMap<String, u64> {
    let mut sessions: BTreeMap<String, u64> = BTreeMap::new();
    for event in lines(files, "audit") {
        let session = event["sessionId"].as_str().unwrap_or_default().to_owned();
        match event["type"].as_str().unwrap() {
            "session.created" => assert_eq!(sessions.insert(session, 1), None),
            "session.changed" => *sessions.get_mut(&session).unwrap() += 1,
            "session.deleted" => assert!(sessions.remove(&session).is_some()),
            _ => {}
        }
    }
    sessions
}

/// Asserts that all files are of the moment after the last event.
fn assert_one_instant(files: &Files) {
    let sessions = lines(files, "sessions").into_iter();
    let sessions: BTreeMap<_, _> = sessions
        .map(|session| {
            (
                session["id"].as_str().unwrap().to_owned(),
                session["version"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(replayed(files), sessions);
    let usage = lines(files, "usage.jsonl");
    assert_eq!(usage[0]["used"], sessions.len());
    assert_eq!(usage[3]["used"], lines(files, "audit").len());
    let count = |kind| {
        let events = lines(files, "audit");
        events.iter().filter(|event| event["type"] == kind).count()
    };
    let tokens = count("access_token.created") - count("access_token.revoked");
    assert_eq!(lines(files, "access-tokens.jsonl").len(), tokens);
}

/// Creates, changes and deletes sessions and tokens until the test stops it.
async fn work(app: &TestApp, alice: &Actor, number: usize, stop: &AtomicBool) {
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) {
        round += 1;
        let session = create(app, alice, &format!("{number} {round}"), None).await.created();
        let path = format!("/v5/sessions/{}", session["id"].as_str().unwrap());
        let change = json!({ "name": "changed" });
        app.patch(&path).by(alice).json(&change).send().await.ok();
        let draft = json!({ "name": "CI", "scopes": ["sessions:read"] });
        let token = app
            .post("/v5/users/me/tokens")
            .by(alice)
            .json(&draft)
            .send()
            .await
            .created();
        if round % 3 != 0 {
            app.delete(&path).by(alice).send().await.ok();
        }
        let path = format!("/v5/users/me/tokens/{}", token["id"].as_str().unwrap());
        app.delete(&path).by(alice).send().await.ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn an_export_is_of_one_instant_while_its_user_works() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let exporter = app.sign_in(&alice).await;
    let stop = AtomicBool::new(false);
    let exports = async {
        let mut sizes = Vec::new();
        while sizes.iter().collect::<std::collections::BTreeSet<_>>().len() < 6 {
            // Each is a new one.
            let user = alice.signed_in.user.id;
            let removal = app
                .env
                .db
                .run(|txn| async move { domain::exports::store::remove_all(&txn, user).await });
            removal.await.unwrap();
            let files = export(&app, &exporter).await;
            assert_one_instant(&files);
            sizes.push(lines(&files, "audit").len());
        }
        stop.store(true, Ordering::Relaxed);
        sizes
    };
    let (sizes, ..) = tokio::join!(
        exports,
        work(&app, &alice, 1, &stop),
        work(&app, &alice, 2, &stop),
        work(&app, &alice, 3, &stop)
    );
    assert!(sizes.is_sorted(), "{sizes:?}");
    let checked = domain::check::check(&app.env, 10, |_| ()).await.unwrap();
    assert_eq!(checked.findings, []);
}
