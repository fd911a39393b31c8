//! The retention of audit events.

use std::time::Duration;

use domain::audit::{self, Action, Event, Listing};
use domain::page::Cursor;
use domain::{Client, Env, Permission, Timestamp};
use kv::Key;
use serde_json::json;
use testkit::{Actor, TestApp};

use crate::{entries, start, sweep};

const DAY: Duration = Duration::from_secs(86_400);

/// Renews the actor's login, and thereby writes an event.
async fn event(app: &TestApp, actor: &Actor) -> Actor {
    app.refresh(actor).await
}

async fn events(env: &Env, actor: &Actor) -> usize {
    let log = Key::of(&("tenants", actor.signed_in.tenant.id.uuid(), "audit"));
    entries(env, &log).await.len()
}

async fn days(env: &Env) -> usize {
    entries(env, &Key::of(&("audit_days",))).await.len()
}

async fn counters(env: &Env, actor: &Actor) -> usize {
    let usage = Key::of(&("tenants", actor.signed_in.tenant.id.uuid(), "usage", "auditEvents"));
    entries(env, &usage).await.len()
}

fn app_with_retention(days: u32) -> TestApp {
    TestApp::with_limits(api::Router::new(), |limits| {
        limits.throttle = None;
        limits.audit_retention = days * DAY;
    })
}

#[tokio::test]
async fn events_are_removed_once_their_whole_day_is_older_than_the_retention() {
    let app = app_with_retention(10);
    let alice = app.register("alice@example.com").await;
    let bob = app.register("bob@example.com").await;
    app.clock.advance(DAY);
    let alice = event(&app, &alice).await;
    assert_eq!((events(&app.env, &alice).await, days(&app.env).await), (2, 3));

    app.clock.advance(9 * DAY + Duration::from_millis(86_399_999));
    assert_eq!(
        sweep(&app.env).await["auditEvents"],
        0,
        "the last moment of the day is kept for ten days"
    );
    app.clock.advance(Duration::from_millis(1));
    assert_eq!(
        sweep(&app.env).await,
        json!({ "expired": 0, "auditEvents": 2, "markers": 0 })
    );
    assert_eq!((events(&app.env, &alice).await, events(&app.env, &bob).await), (1, 0));
    assert_eq!((days(&app.env).await, counters(&app.env, &alice).await), (1, 1));
    assert_eq!(sweep(&app.env).await["auditEvents"], 0);

    app.clock.advance(DAY);
    assert_eq!(sweep(&app.env).await["auditEvents"], 1);
    assert_eq!((days(&app.env).await, counters(&app.env, &alice).await), (0, 0));
}

#[tokio::test]
async fn a_reader_continues_after_removed_events() {
    let app = app_with_retention(10);
    let alice = app.register("alice@example.com").await;
    let read = async |actor: &Actor, after: Option<Cursor>| {
        let listing = Listing {
            after,
            ..Listing::default()
        };
        audit::ops::list(&app.env, &actor.caller(), &listing).await.unwrap()
    };
    let first = read(&alice, None).await;
    app.clock.advance(11 * DAY);
    let alice = event(&app, &alice).await;
    assert_eq!(sweep(&app.env).await["auditEvents"], 1);
    let rest = read(&alice, first.next).await;
    assert_eq!(rest.events.len(), 1);
    assert_eq!(rest.events[0].1.action, Action::Refreshed);
}

#[tokio::test]
async fn a_long_log_is_removed_in_several_transactions_in_its_order() {
    let app = app_with_retention(1);
    let alice = app.register("alice@example.com").await;
    let user = alice.signed_in.user.id;
    let write = async |at: Timestamp, count: usize| {
        let event = &Event::of(user, None, &Client::default(), at, Action::LoggedOut);
        let caller = alice.caller();
        let written = app
            .env
            .in_tenant(&caller, Permission::ReadAudit, |txn, scope| async move {
                (0..count).try_for_each(|_| audit::store::add(&txn, scope, event))
            });
        written.await.unwrap();
    };
    let now = app.env.clock.now();
    write(now, 350).await;
    // The clock of another process is ahead, so its event goes with the next day, and so does everything after it.
    write(now.plus(DAY), 1).await;
    write(now, 5).await;
    assert_eq!(events(&app.env, &alice).await, 357);

    app.clock.advance(2 * DAY);
    let before = app.env.db.usage();
    assert_eq!(sweep(&app.env).await["auditEvents"], 351);
    assert!(app.env.db.usage().commits - before.commits >= 4);
    assert_eq!(events(&app.env, &alice).await, 6);
    app.clock.advance(DAY);
    assert_eq!(sweep(&app.env).await["auditEvents"], 6);
    assert_eq!(entries(&app.env, &Key::of(&("audit_days",))).await.len(), 0);
}

#[tokio::test]
async fn an_unreadable_day_is_reported_and_kept_and_does_not_stop_the_sweep() {
    let app = app_with_retention(1);
    let alice = app.register("alice@example.com").await;
    let junk = &Key::of(&("audit_days", 0, 7, "junk"));
    app.env.db.run(|txn| async move { txn.set(junk, []) }).await.unwrap();
    app.clock.advance(3 * DAY);
    let error = janitor::run(app.env.clone(), Duration::MAX)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("stored audit day cannot be read"), "{error}");
    assert_eq!(events(&app.env, &alice).await, 0);
    assert_eq!(days(&app.env).await, 1);
}

#[tokio::test]
async fn events_are_kept_for_a_year_by_default() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    app.clock.advance(365 * DAY);
    assert_eq!(sweep(&app.env).await["auditEvents"], 0);
    app.clock.advance(DAY);
    assert_eq!(sweep(&app.env).await["auditEvents"], 1);
    assert_eq!(events(&app.env, &alice).await, 0);
}
