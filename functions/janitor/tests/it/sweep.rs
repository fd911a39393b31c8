//! The entries that a sweep removes and keeps.

use std::time::Duration;

use domain::Client;
use domain::logins::{self, keys};
use kv::Key;
use kv::faulty::{Latency, Plan};
use serde_json::json;
use testkit::TestApp;

use crate::{IDLE, MARGIN, entries, exists, expiry_index, open_logins, start, sweep, sweep_within};

#[tokio::test]
async fn a_login_is_swept_one_minute_after_its_expiry_and_not_before() {
    const DAY: Duration = Duration::from_secs(86_400);
    const ALMOST: Duration = Duration::from_millis(59_999);
    let app = start();
    let old = app.register("alice@example.com").await.signed_in.login;
    app.clock.advance(DAY);
    let young = app.register("bob@example.com").await.signed_in.login;
    assert_eq!(expiry_index(&app.env).await.len(), 2);

    app.clock.advance(29 * DAY + ALMOST);
    assert_eq!(
        sweep(&app.env).await,
        json!({ "expired": 0, "auditEvents": 0, "markers": 0 })
    );
    assert!(exists(&app.env, &old).await, "another clock may be behind");

    app.clock.advance(Duration::from_millis(1));
    assert_eq!(
        sweep(&app.env).await,
        json!({ "expired": 1, "auditEvents": 0, "markers": 0 })
    );
    assert!(!exists(&app.env, &old).await);
    assert!(exists(&app.env, &young).await);
    let key = keys::login(young.user, young.id);
    assert_eq!(expiry_index(&app.env).await, [(key, young.expires_at.as_millis())]);
}

#[tokio::test]
async fn a_refreshed_login_is_kept_until_its_new_expiry() {
    let app = start();
    let alice = app.register("alice@example.com").await.signed_in;
    app.clock.advance(IDLE / 2);
    let client = Client::default();
    let refreshed = logins::ops::refresh(&app.env, &client, &alice.refresh_token).await;
    let login = refreshed.unwrap().login;

    app.clock.advance(IDLE / 2 + MARGIN);
    assert_eq!(sweep(&app.env).await["expired"], 0);
    assert!(exists(&app.env, &login).await);
    app.clock.advance(IDLE / 2);
    assert_eq!(sweep(&app.env).await["expired"], 1);
    assert!(!exists(&app.env, &login).await);
}

#[tokio::test]
async fn an_ended_login_leaves_no_entry_and_the_rest_of_an_older_version_is_swept() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let login = &alice.signed_in.login;
    logins::ops::log_out(&app.env, &alice.caller()).await.unwrap();
    assert_eq!(expiry_index(&app.env).await, []);

    // Earlier versions removed the login alone.
    let old = app.sign_in(&alice).await.signed_in.login;
    let key = &keys::login(login.user, old.id);
    app.env.db.run(|txn| async move { txn.clear(key) }).await.unwrap();
    assert_eq!(expiry_index(&app.env).await.len(), 1);
    app.clock.advance(IDLE + MARGIN);
    assert_eq!(sweep(&app.env).await["expired"], 1);
    assert_eq!(expiry_index(&app.env).await, []);
}

#[tokio::test]
async fn a_second_sweep_changes_nothing() {
    let app = start();
    app.register("alice@example.com").await;
    app.clock.advance(IDLE + MARGIN);
    app.register("bob@example.com").await;
    assert_eq!(sweep(&app.env).await["expired"], 1);
    let (users, index_before) = (
        entries(&app.env, &Key::of(&("users",))).await,
        expiry_index(&app.env).await,
    );
    assert_eq!(
        sweep(&app.env).await,
        json!({ "expired": 0, "auditEvents": 0, "markers": 0 })
    );
    assert_eq!(entries(&app.env, &Key::of(&("users",))).await, users);
    assert_eq!(expiry_index(&app.env).await, index_before);
}

#[tokio::test]
async fn a_large_sweep_uses_several_transactions() {
    let app = start();
    let now = app.env.clock.now();
    let old = open_logins(&app.env, 2500, now).await;
    let young = open_logins(&app.env, 100, now.plus(Duration::from_secs(1))).await;
    app.clock.advance(IDLE + MARGIN);

    let before = app.env.db.usage();
    assert_eq!(
        sweep(&app.env).await,
        json!({ "expired": 2500, "auditEvents": 0, "markers": 0 })
    );
    let commits = app.env.db.usage().commits - before.commits;
    assert!(commits >= 25, "{commits} transactions for 2500 logins");
    assert_eq!(expiry_index(&app.env).await.len(), young.len());
    for login in old.iter().step_by(97) {
        assert!(!exists(&app.env, login).await);
    }
    for login in &young {
        assert!(exists(&app.env, login).await);
    }
}

#[tokio::test]
async fn a_sweep_reports_that_it_ran_out_of_time_and_the_next_continues() {
    let app = start();
    let old = open_logins(&app.env, 500, app.env.clock.now()).await;
    app.clock.advance(IDLE + MARGIN);
    let slow = domain::Env {
        db: app.env.db.with_faults(Plan {
            latency: Latency::of(Duration::from_millis(10)),
            ..Plan::default()
        }),
        ..app.env.clone()
    };
    // There are 16 shards, and each takes at least two store trips.
    let first = sweep_within(&slow, Duration::from_millis(100)).await;
    assert_eq!(first["cutShort"], true);
    let swept = usize::try_from(first["expired"].as_u64().unwrap()).unwrap();
    assert!(expiry_index(&app.env).await.len() <= old.len() - swept);

    assert_eq!(sweep(&app.env).await.get("cutShort"), None);
    assert_eq!(expiry_index(&app.env).await, []);
    for login in &old {
        assert!(!exists(&app.env, login).await);
    }
}

#[tokio::test]
async fn commit_markers_of_dead_processes_are_swept() {
    let app = TestApp::start(api::Router::new());
    // A commit marker of 1970.
    let marker = &Key::of(&("_runs", &[7_u8; 16][..], 1));
    app.env
        .db
        .run(|txn| async move { txn.set(marker, [0; 28]) })
        .await
        .unwrap();
    assert_eq!(sweep(&app.env).await["markers"], 1);
    assert_eq!(sweep(&app.env).await["markers"], 0);
}

#[tokio::test]
async fn unreadable_entries_are_reported_and_kept_and_do_not_stop_the_sweep() {
    let app = start();
    let old = open_logins(&app.env, 500, app.env.clock.now()).await;
    app.clock.advance(IDLE + MARGIN);
    let marker = Key::of(&("_runs", &[7_u8; 16][..], 1));
    // More junk than a transaction reads, ahead of all expired entries in the first and in a later shard.
    let first = Key::of(&("expiry", 0, "junk", 0));
    let junk: Vec<_> = (0..150)
        .flat_map(|number| [0, 9].map(|shard| Key::of(&("expiry", shard, "junk", number))))
        .collect();
    let (marker_key, junk_keys) = (&marker, &junk);
    let put = app.env.db.run(|txn| async move {
        txn.set(marker_key, [0; 28])?;
        junk_keys.iter().try_for_each(|key| txn.set(key, []))
    });
    put.await.unwrap();

    for _ in 0..2 {
        let error = janitor::run(app.env.clone(), Duration::MAX)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("stored expiry entry cannot be read"), "{error}");
        assert!(error.contains(&format!("{first:?}")), "{error}");
    }
    for login in &old {
        assert!(!exists(&app.env, login).await);
    }
    let remaining = entries(&app.env, &Key::of(&("expiry",))).await;
    let mut remaining: Vec<_> = remaining.into_iter().map(|entry| entry.key).collect();
    remaining.retain(|key| !junk.contains(key));
    assert_eq!(remaining, []);
    assert_eq!(entries(&app.env, &Key::of(&("expiry",))).await.len(), junk.len());
    assert!(
        !entries(&app.env, &Key::of(&("_runs",)))
            .await
            .iter()
            .any(|entry| entry.key == marker)
    );
}

#[tokio::test]
async fn a_sweep_that_runs_out_of_time_still_reports_unreadable_entries() {
    let app = start();
    open_logins(&app.env, 500, app.env.clock.now()).await;
    app.clock.advance(IDLE + MARGIN);
    let junk = &Key::of(&("expiry", 0, "junk"));
    app.env.db.run(|txn| async move { txn.set(junk, []) }).await.unwrap();
    let slow = domain::Env {
        db: app.env.db.with_faults(Plan {
            latency: Latency::of(Duration::from_millis(10)),
            ..Plan::default()
        }),
        ..app.env.clone()
    };
    let outcome = janitor::run(slow, Duration::from_millis(100)).await;
    assert!(outcome.is_err(), "{outcome:?}");
}
