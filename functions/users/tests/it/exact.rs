//! A quota is never exceeded, and no request below it is rejected.

use std::time::Duration;

use domain::operator::Operator;
use domain::operator::tenants::{self, TenantName};
use domain::text::Name;
use domain::usage::{Quota, Quotas};
use serde_json::json;
use testkit::{Code, Target as _, TestResponse, picture};

use crate::{create, used, with_quotas, without_rate_limit};

/// Checks a rejection, and that its problem names the quota, its limit and the usage.
fn assert_exceeded(response: &TestResponse, quota: &str, used: u64, limit: u64) {
    let problem = &response.body;
    assert_eq!(problem["code"], "QUOTA_EXCEEDED", "{problem}");
    assert_eq!(problem["quota"], json!({ "name": quota, "used": used, "limit": limit }));
    let detail = problem["detail"].as_str().unwrap();
    for part in [quota, &used.to_string(), &limit.to_string()] {
        assert!(detail.contains(part), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_creates_reach_the_quota_exactly() {
    let app = with_quotas(Quotas {
        sessions: 20,
        ..without_rate_limit()
    });
    let app = std::sync::Arc::new(app);
    let alice = app.register("alice@example.com").await;
    let token = alice.token.clone();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..60 {
        let (app, token) = (app.clone(), token.clone());
        tasks.spawn(async move {
            let draft = json!({ "name": format!("{number}"), "workspacePath": "/workspace" });
            app.post("/v5/sessions").bearer(&token).json(&draft).send().await
        });
    }
    let responses = tasks.join_all().await;
    let (created, rejected): (Vec<_>, Vec<_>) = responses.into_iter().partition(|response| response.status == 201);
    assert_eq!((created.len(), rejected.len()), (20, 40));
    for response in rejected {
        assert_exceeded(&response, "sessions", 20, 20);
        response.assert_problem(507, Code::QuotaExceeded);
    }
    assert_eq!(used(&app, &alice).await["sessions"], 20);
    // Deleting works at the limit, and makes room for exactly one.
    let list = app.get("/v5/sessions").by(&alice).send().await.ok();
    let path = format!("/v5/sessions/{}", list["sessions"][0]["id"].as_str().unwrap());
    app.delete(&path).by(&alice).send().await.ok();
    create(&app, &alice, "last", None).await.created();
    let response = create(&app, &alice, "one more", None).await;
    response.assert_problem(507, Code::QuotaExceeded);
}

/// The first creates only peek at the counter; from 1,024 below the limit on, they read it with a conflict.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_creates_that_come_near_the_quota_from_afar_reach_it_exactly() {
    const LIMIT: u64 = 1100;
    let app = with_quotas(Quotas {
        sessions: LIMIT,
        ..without_rate_limit()
    });
    let app = std::sync::Arc::new(app);
    let alice = app.register("alice@example.com").await;
    for number in 0..60 {
        create(&app, &alice, &format!("{number}"), None).await.created();
    }
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (app, token) = (app.clone(), alice.token.clone());
        tasks.spawn(async move {
            let draft = json!({ "name": "near", "workspacePath": "/workspace" });
            let mut created = 0;
            loop {
                let response = app.post("/v5/sessions").bearer(&token).json(&draft).send().await;
                if response.status != 201 {
                    assert_exceeded(&response, "sessions", LIMIT, LIMIT);
                    return created;
                }
                created += 1;
            }
        });
    }
    let created: u64 = tasks.join_all().await.into_iter().sum();
    assert_eq!(created, LIMIT - 60);
    assert_eq!(used(&app, &alice).await["sessions"], LIMIT);
}

/// Creates are in progress while an operator lowers the limit: those that commit later keep to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_creates_keep_to_a_limit_that_an_operator_lowers_meanwhile() {
    let app = std::sync::Arc::new(with_quotas(without_rate_limit()));
    let alice = app.register("alice@example.com").await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..60 {
        let (app, token) = (app.clone(), alice.token.clone());
        tasks.spawn(async move {
            let draft = json!({ "name": format!("{number}"), "workspacePath": "/workspace" });
            app.post("/v5/sessions").bearer(&token).json(&draft).send().await
        });
    }
    let operator = Operator::new(&app.env, Name::parse("ops").unwrap());
    let tenant = TenantName::parse("alice@example.com").unwrap();
    tenants::set_limit(&app.env, &operator, &tenant, Quota::Sessions, Some(20))
        .await
        .unwrap();
    let after = used(&app, &alice).await["sessions"].as_u64().unwrap();
    tasks.join_all().await;
    let end = used(&app, &alice).await["sessions"].as_u64().unwrap();
    assert_eq!(
        end,
        20.max(after),
        "after the change, creates commit only below the limit"
    );
    create(&app, &alice, "one more", None)
        .await
        .assert_problem(507, Code::QuotaExceeded);
    tenants::set_limit(&app.env, &operator, &tenant, Quota::Sessions, None)
        .await
        .unwrap();
    create(&app, &alice, "one more", None).await.created();
    assert_eq!(used(&app, &alice).await["sessions"], end + 1);
}

#[tokio::test]
async fn stored_bytes_are_limited_for_creates_and_changes() {
    let app = with_quotas(Quotas {
        stored_bytes: 700,
        ..without_rate_limit()
    });
    let alice = app.register("alice@example.com").await;
    let session = create(&app, &alice, "one", None).await.created();
    let path = format!("/v5/sessions/{}", session["id"].as_str().unwrap());
    let one = used(&app, &alice).await["storedBytes"].as_u64().unwrap();
    create(&app, &alice, "two", None).await.created();
    let response = create(&app, &alice, "three", None).await;
    assert_exceeded(&response, "storedBytes", 2 * one, 700);
    response.assert_problem(507, Code::QuotaExceeded);

    // Exactly the rest, and then one byte more.
    let rest = usize::try_from(700 - 2 * one).unwrap();
    let longest = json!({ "workspacePath": format!("/workspace{}", "x".repeat(rest)) });
    app.patch(&path).by(&alice).json(&longest).send().await.ok();
    assert_eq!(used(&app, &alice).await["storedBytes"], 700);
    let longer = json!({ "workspacePath": format!("/workspace{}", "x".repeat(rest + 1)) });
    let response = app.patch(&path).by(&alice).json(&longer).send().await;
    assert_exceeded(&response, "storedBytes", 700, 700);
    response.assert_problem(507, Code::QuotaExceeded);
    let shorter = json!({ "workspacePath": "/" });
    app.patch(&path).by(&alice).json(&shorter).send().await.ok();
    assert!(used(&app, &alice).await["storedBytes"].as_u64().unwrap() < 700);
}

#[tokio::test]
async fn idempotency_keys_are_limited_and_replays_and_requests_without_a_key_are_not() {
    let app = with_quotas(Quotas {
        idempotency_keys: 2,
        ..without_rate_limit()
    });
    let alice = app.register("alice@example.com").await;
    for key in ["one", "two"] {
        create(&app, &alice, key, Some(key)).await.created();
    }
    let response = create(&app, &alice, "three", Some("three")).await;
    assert_exceeded(&response, "idempotencyKeys", 2, 2);
    response.assert_problem(507, Code::QuotaExceeded);
    create(&app, &alice, "two", Some("two")).await.created();
    create(&app, &alice, "three", None).await.created();
    assert_eq!(used(&app, &alice).await["idempotencyKeys"], 2);
}

#[tokio::test]
async fn a_picture_is_removed_also_when_the_events_of_the_day_are_used_up() {
    let app = with_quotas(Quotas {
        audit_events: 3,
        ..without_rate_limit()
    });
    let alice = app.register("alice@example.com").await;
    let uploading = app.put("/v5/users/me/avatar").by(&alice).content(&picture());
    uploading.send().await.ok();
    create(&app, &alice, "one", None).await.created();
    assert_exceeded(&create(&app, &alice, "two", None).await, "auditEvents", 3, 3);
    app.delete("/v5/users/me/avatar").by(&alice).send().await.ok();
    assert_eq!(used(&app, &alice).await["auditEvents"], 4);
}

#[tokio::test]
async fn audit_events_are_limited_per_day_but_never_keep_an_owner_out() {
    let app = with_quotas(Quotas {
        audit_events: 3,
        ..without_rate_limit()
    });
    let alice = app.register("alice@example.com").await;
    let session = create(&app, &alice, "one", None).await.created();
    create(&app, &alice, "two", None).await.created();
    let response = create(&app, &alice, "three", None).await;
    assert_exceeded(&response, "auditEvents", 3, 3);
    response.assert_problem(507, Code::QuotaExceeded);
    let path = format!("/v5/sessions/{}", session["id"].as_str().unwrap());
    let response = app
        .patch(&path)
        .by(&alice)
        .json(&json!({ "name": "three" }))
        .send()
        .await;
    response.assert_problem(507, Code::QuotaExceeded);

    app.delete(&path).by(&alice).send().await.ok();
    // Once a minute, a login is refreshed all the same.
    let refresh = |token: &str| {
        app.post("/v5/auth/refresh")
            .json(&json!({ "refreshToken": token }))
            .send()
    };
    let first = alice.refresh_token().clone();
    let response = refresh(&first).await;
    assert_exceeded(&response, "auditEvents", 4, 3);
    response.assert_problem(507, Code::QuotaExceeded);
    app.clock.advance(Duration::from_secs(60));
    let second = refresh(&first).await.ok()["refreshToken"].as_str().unwrap().to_owned();
    refresh(&second).await.assert_problem(507, Code::QuotaExceeded);
    let login = json!({ "email": "alice@example.com", "password": "password123" });
    let login = app.post("/v5/auth/login").json(&login).send().await.ok();
    let token = login["token"].as_str().unwrap();
    app.post("/v5/auth/logout").bearer(token).send().await.ok();
    assert_eq!(used(&app, &alice).await["auditEvents"], 7);

    app.clock.advance(Duration::from_secs(86_400));
    let alice = app.sign_in(&alice).await;
    create(&app, &alice, "three", None).await.created();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn creates_far_from_a_limit_do_not_conflict() {
    let app = std::sync::Arc::new(with_quotas(without_rate_limit()));
    let alice = app.register("alice@example.com").await;
    let before = app.env.db.usage();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100 {
        let (app, token) = (app.clone(), alice.token.clone());
        tasks.spawn(async move {
            let draft = json!({ "name": format!("{number}"), "workspacePath": "/workspace" });
            let response = app.post("/v5/sessions").bearer(&token).json(&draft).send().await;
            response.created();
        });
    }
    tasks.join_all().await;
    let after = app.env.db.usage();
    assert_eq!(after.attempts - before.attempts, 100);
    assert_eq!(used(&app, &alice).await["sessions"], 100);
}
