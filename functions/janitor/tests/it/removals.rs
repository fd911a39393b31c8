//! The removal of deleted accounts beside each other, and beside the rest of a sweep.

use std::time::Duration;

use domain::audit::{self, Action, Event};
use domain::operator::{Operator, UserName, deletion};
use domain::text::Name;
use domain::{Client, Permission, UserId};
use kv::Key;
use kv::faulty::{Latency, Plan};
use testkit::{Actor, TestApp};
use tokio::task::JoinHandle;

use crate::{entries, start, sweep};

/// Deletes the account, whose audit log has this many events more, and leaves its data to the next sweep.
async fn delete(app: &TestApp, actor: &Actor, events: usize) -> UserId {
    let (user, caller) = (actor.signed_in.user.id, app.sign_in(actor).await.caller());
    let event = &Event::of(user, None, &Client::default(), app.env.clock.now(), Action::LoggedOut);
    for _ in 0..events / 100 {
        let add = app
            .env
            .in_tenant(&caller, Permission::ReadAudit, |txn, scope| async move {
                (0..100).try_for_each(|_| audit::store::add(&txn, scope, event))
            });
        add.await.unwrap();
    }
    let operator = Operator::new(&app.env, Name::parse("ops").unwrap());
    let deleted = deletion::delete(&app.env, &operator, &UserName::Id(user)).await;
    deleted.unwrap()
}

/// Sweeps a store whose every trip takes a moment, in which the test can look at it.
fn start_sweep(app: &TestApp) -> JoinHandle<()> {
    let env = domain::Env {
        db: app.env.db.with_faults(Plan {
            latency: Latency::of(Duration::from_millis(1)),
            ..Plan::default()
        }),
        ..app.env.clone()
    };
    tokio::spawn(async move {
        sweep(&env).await;
    })
}

async fn is_removed(app: &TestApp, user: UserId) -> bool {
    let key = domain::deletion::keys::removal(user);
    let value = app.env.db.run(|txn| {
        let key = key.clone();
        async move { txn.get(&key).await }
    });
    value.await.unwrap().is_none()
}

#[tokio::test]
async fn a_large_account_does_not_keep_another_one_waiting() {
    let app = start();
    let large = app.register("large@example.com").await;
    let small = app.register("small@example.com").await;
    let large = delete(&app, &large, 10_000).await;
    let small = delete(&app, &small, 0).await;
    let sweeping = start_sweep(&app);
    while !is_removed(&app, small).await {
        tokio::task::yield_now().await;
    }
    assert!(!is_removed(&app, large).await, "the large account was removed first");
    sweeping.await.unwrap();
    assert!(is_removed(&app, large).await);
}

#[tokio::test]
async fn a_large_account_does_not_keep_the_retention_of_audit_events_waiting() {
    let app = start();
    let (large, bob) = (
        app.register("large@example.com").await,
        app.register("bob@example.com").await,
    );
    app.clock.advance(Duration::from_hours(367 * 24));
    let large = delete(&app, &large, 10_000).await;
    let log = Key::of(&("tenants", bob.signed_in.tenant.id.uuid(), "audit"));
    assert_eq!(entries(&app.env, &log).await.len(), 1);
    let sweeping = start_sweep(&app);
    while !entries(&app.env, &log).await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(!is_removed(&app, large).await, "the large account was removed first");
    sweeping.await.unwrap();
    assert!(is_removed(&app, large).await);
}
