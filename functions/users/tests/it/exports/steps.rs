//! One step at a time, whatever happens to its request.

use std::time::Duration;

use axum::http::Method;
use domain::exports::{Preparations, Sizes, store};
use domain::usage::Quotas;
use kv::faulty::{Latency, Plan};
use serde_json::Value;
use testkit::{Actor, Code, Target as _, TestApp, TestStore};
use tokio::time::{sleep, timeout};

use super::large::{add_events, chunks, ended, findings, small, with_sizes};
use super::{EXPORTS, download, lines, listed, request, requested, url};
use crate::router;

/// How long a trip to the store takes. The clock of these tests is paused.
const TRIP: Duration = Duration::from_millis(100);

/// The moment in the middle of the trip with this number of a request, from 0.
pub(crate) fn during(trip: u32) -> Duration {
    TRIP * trip + TRIP / 2
}

/// The application, and a user whose export has several parts in its first step, and several steps.
pub(crate) async fn large_account(store: &TestStore, sizes: Sizes) -> (TestApp, Actor) {
    let plan = Plan {
        latency: Latency::of(TRIP),
        ..Plan::default()
    };
    let app = TestApp::on_with_env(router(), store.open().with_faults(plan), |env| {
        env.preparations = Preparations::with(sizes);
    });
    let alice = app.register("alice@example.com").await;
    add_events(&app, &alice, 900).await;
    (app, alice)
}

/// The parts in the record of the export: complete ones, and those of a step.
pub(crate) async fn recorded(app: &TestApp, actor: &Actor) -> Option<(usize, Option<usize>)> {
    let user = actor.signed_in.user.id;
    let found = app.env.db.run(|txn| async move { store::find(&txn, user).await });
    let export = found.await.unwrap()?;
    Some((export.parts.len(), export.step.map(|step| step.parts.len())))
}

#[tokio::test(start_paused = true)]
async fn a_step_whose_client_disconnects_leaves_only_what_the_export_lists_and_is_repeated() {
    let (mut abandoned, mut completed) = (0, 0);
    for trip in 0..24 {
        let store = TestStore::lmdb();
        let (app, alice) = large_account(&store, small()).await;
        if timeout(during(trip), request(&app, &alice)).await.is_ok() {
            completed += 1;
        }
        // Again and again: what is stored does not grow.
        for _ in 0..3 {
            app.clock.advance(small().step);
            let _ = timeout(during(trip), listed(&app, &alice)).await;
            assert_eq!(findings(&app).await, [], "{trip}");
            let Some((complete, written)) = recorded(&app, &alice).await else {
                continue;
            };
            assert_eq!(
                chunks(&app, &alice).await.len(),
                complete + written.unwrap_or(0),
                "{trip}"
            );
            abandoned += usize::from(written.is_some_and(|written| written > 0));
        }
        app.clock.advance(small().step);
        let first = requested(&app, &alice).await;
        let ready = ended(&app, &alice).await;
        let files = download(&app, url(&first), &ready).await;
        let ids: std::collections::BTreeSet<_> = lines(&files, "audit")
            .iter()
            .map(|event| event["id"].to_string())
            .collect();
        assert_eq!(ids.len(), lines(&files, "audit").len());
        assert!(ids.len() >= 902, "{trip}");
        assert_eq!(
            chunks(&app, &alice).await.len(),
            ready["parts"].as_array().unwrap().len()
        );
        assert_eq!(findings(&app).await, [], "{trip}");
    }
    assert!(abandoned > 5 && completed > 2, "{abandoned} {completed}");
}

#[tokio::test(start_paused = true)]
async fn while_a_step_is_in_progress_other_requests_get_the_state_so_far() {
    let store = TestStore::lmdb();
    let (app, alice) = large_account(&store, small()).await;
    let first = requested(&app, &alice).await;
    let others = async {
        // The step has begun: two trips to find the export, and three to write that.
        sleep(during(5)).await;
        let found = listed(&app, &alice).await.unwrap();
        (found, requested(&app, &alice).await)
    };
    let (next, (found, again)) = tokio::join!(listed(&app, &alice), others);
    assert_eq!(found["parts"], first["parts"]);
    assert_eq!(
        (&again["parts"], &again["state"]),
        (&first["parts"], &"preparing".into())
    );
    // The step keeps the newer link.
    assert!(next.unwrap()["parts"].as_array().unwrap().len() > first["parts"].as_array().unwrap().len());
    let ready = ended(&app, &alice).await;
    let files = download(&app, url(&again), &ready).await;
    assert_eq!(lines(&files, "audit").len(), 902);
    assert_eq!(findings(&app).await, []);
}

#[tokio::test(start_paused = true)]
async fn concurrent_requests_prepare_each_part_once() {
    let store = TestStore::lmdb();
    let (app, alice) = large_account(&store, small()).await;
    let first = requested(&app, &alice).await;
    let lists = (0..4).map(|_| listed(&app, &alice));
    futures_util::future::join_all(lists).await;
    assert_eq!(findings(&app).await, []);
    let ready = ended(&app, &alice).await;
    let files = download(&app, url(&first), &ready).await;
    assert_eq!(lines(&files, "audit").len(), 902);
    assert_eq!(findings(&app).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_took_too_long_writes_nothing_over_the_next_one() {
    for trip in 2..24 {
        let store = TestStore::lmdb();
        let sizes = Sizes {
            step: Duration::ZERO,
            ..small()
        };
        let (app, alice) = large_account(&store, sizes).await;
        let first = requested(&app, &alice).await;
        let other = async {
            sleep(during(trip)).await;
            listed(&app, &alice).await.unwrap()
        };
        tokio::join!(listed(&app, &alice), other);
        assert_eq!(findings(&app).await, [], "{trip}");
        let ready = ended(&app, &alice).await;
        let files = download(&app, url(&first), &ready).await;
        assert_eq!(lines(&files, "audit").len(), 902, "{trip}");
        assert_eq!(findings(&app).await, [], "{trip}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_whose_export_is_replaced_responds_with_the_new_one() {
    let mut replaced = 0;
    for trip in 2..24 {
        let store = TestStore::lmdb();
        let sizes = Sizes {
            same_export: Duration::ZERO,
            ..small()
        };
        let (app, alice) = large_account(&store, sizes).await;
        requested(&app, &alice).await;
        app.clock.advance(Duration::from_millis(1));
        let other = async {
            sleep(during(trip)).await;
            requested(&app, &alice).await
        };
        let (found, new) = tokio::join!(listed(&app, &alice), other);
        replaced += usize::from(found.unwrap()["requestedAt"] == new["requestedAt"]);
        assert_eq!(findings(&app).await, [], "{trip}");
        let ready = ended(&app, &alice).await;
        let files = download(&app, url(&new), &ready).await;
        assert_eq!(lines(&files, "audit").len(), 903, "{trip}");
    }
    assert!(replaced > 3, "{replaced}");
}

#[tokio::test(start_paused = true)]
async fn a_step_writes_nothing_after_its_export_was_removed_or_its_login_has_ended() {
    let mut ended = 0;
    for trip in 2..24 {
        for logs_out in [false, true] {
            let store = TestStore::lmdb();
            let (app, alice) = large_account(&store, small()).await;
            requested(&app, &alice).await;
            let elsewhere = app.sign_in(&alice).await;
            let user = alice.signed_in.user.id;
            let removal = async {
                sleep(during(trip)).await;
                if logs_out {
                    app.post("/v5/auth/logout").by(&alice).send().await.ok();
                } else {
                    let removal = app.env.db.run(|txn| async move { store::remove_all(&txn, user).await });
                    removal.await.unwrap();
                }
                chunks(&app, &alice).await
            };
            let (response, left) = tokio::join!(app.get(EXPORTS).by(&alice).send(), removal);
            let is_over = if logs_out {
                response.status == 401
            } else {
                response.body["data"]["exports"] == Value::Array(Vec::new())
            };
            ended += usize::from(is_over);
            assert_eq!(chunks(&app, &elsewhere).await, left, "{trip}");
            assert_eq!(findings(&app).await, [], "{trip}");
        }
    }
    assert!(ended > 15, "{ended}");
}

#[tokio::test]
async fn a_head_request_prepares_nothing() {
    let app = with_sizes(small());
    let alice = app.register("alice@example.com").await;
    add_events(&app, &alice, 900).await;
    requested(&app, &alice).await;
    let before = recorded(&app, &alice).await;
    let head = app.request(Method::HEAD, EXPORTS).by(&alice).send().await;
    assert_eq!(head.status, 200);
    assert_eq!(recorded(&app, &alice).await, before);
    listed(&app, &alice).await;
    assert_ne!(recorded(&app, &alice).await, before);
}

#[tokio::test]
async fn each_step_is_a_write() {
    let quotas = Quotas {
        writes_per_second: 1,
        ..Quotas::default()
    };
    let app = TestApp::with_env(router(), |env| {
        env.preparations = Preparations::with(small());
        env.limits.quotas = Some(quotas);
    });
    let alice = app.register("alice@example.com").await;
    add_events(&app, &alice, 6000).await;
    requested(&app, &alice).await;
    // A registration is no write of the tenant, so nine are left.
    for _ in 0..9 {
        assert_eq!(listed(&app, &alice).await.unwrap()["state"], "preparing");
    }
    let response = app.get(EXPORTS).by(&alice).send().await;
    response.assert_problem(429, Code::TooManyAttempts);
    request(&app, &alice).await.assert_problem(429, Code::TooManyAttempts);
}

#[tokio::test]
async fn a_request_needs_room_for_its_event() {
    let few = Quotas {
        audit_events: 1,
        ..crate::without_rate_limit()
    };
    let app = crate::with_quotas(few);
    let alice = app.register("alice@example.com").await;
    let response = request(&app, &alice).await;
    assert_eq!(response.body["quota"]["name"], "auditEvents");
    response.assert_problem(507, Code::QuotaExceeded);
    assert_eq!(listed(&app, &alice).await, None);
}
