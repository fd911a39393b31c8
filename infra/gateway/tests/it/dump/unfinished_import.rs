//! Servers and functions on a store that contains only a part of a dump.

use std::time::Duration;

use kv::{Db, Key};
use serde_json::json;
use testkit::{Code, Target, TestApp, TestStore};

use crate::check_command::entries;
use crate::function_processes::FunctionProcesses;
use crate::process::{gateway, startup_error};

/// What an import writes before its first entry.
async fn begin_import(db: &Db) {
    let id = "0199c2a6-0000-7000-8000-000000000000";
    let progress = json!({ "v": 1, "data": { "id": id, "dump": id, "entries": 0 } }).to_string();
    let progress = progress.as_bytes();
    let key = &Key::of(&("import",));
    let begun = db.run(|txn| async move { txn.set(key, progress) });
    begun.await.map_err(|error: kv::Error| error).unwrap();
}

async fn end_import(db: &Db) {
    let key = &Key::of(&("import",));
    let ended = db.run(|txn| async move { txn.clear(key) });
    ended.await.map_err(|error: kv::Error| error).unwrap();
}

/// No route serves or writes a tenant's data; those without data respond.
async fn serves_nothing(target: &impl Target, token: &str) {
    let account = json!({ "email": "new@example.com", "password": "password123" });
    target
        .post("/v5/auth/register")
        .json(&account)
        .send()
        .await
        .assert_problem(503, Code::StoreUnavailable);
    target
        .post("/v5/auth/login")
        .json(&account)
        .send()
        .await
        .assert_problem(503, Code::StoreUnavailable);
    for path in [
        "/v5/sessions",
        "/api/v5/sessions",
        "/v5/audit",
        "/v5/users/me/usage",
        "/v5/auth/logins",
    ] {
        let refused = target.get(path).bearer(token).send().await;
        refused.assert_problem(503, Code::StoreUnavailable);
    }
    target
        .get("/v5/ready")
        .send()
        .await
        .assert_problem(503, Code::StoreUnavailable);
    target.get("/v5/health").send().await.ok();
    target.get("/v5/version").send().await.ok();
    target
        .get("/v5/nowhere")
        .send()
        .await
        .assert_problem(404, Code::NotFound);
}

#[tokio::test]
async fn a_process_that_starts_checks_once_and_serves_nothing_until_the_import_has_finished() {
    let store = TestStore::new();
    let db = store.open();
    let app = TestApp::on(gateway::router(), db.clone());
    let actor = app.register("test@example.com").await;
    let token = actor.token;
    begin_import(&db).await;
    app.env.readiness.require_check();
    assert!(domain::ready::require_usable(&app.env).await.is_err());
    serves_nothing(&app, &token).await;
    end_import(&db).await;
    // Requests share the outcome of a check for a second.
    app.get("/v5/sessions")
        .bearer(&token)
        .send()
        .await
        .assert_problem(503, Code::StoreUnavailable);
    app.clock.advance(Duration::from_secs(1));
    app.get("/v5/sessions").bearer(&token).send().await.ok();
    assert!(!app.env.readiness.must_check());
    // Later requests do not check again.
    app.clock.advance(Duration::from_secs(60));
    let before = app.env.db.usage().transactions;
    app.get("/v5/sessions").bearer(&token).send().await.ok();
    assert_eq!(app.env.db.usage().transactions - before, 1);
}

#[tokio::test]
async fn a_process_that_runs_serves_nothing_once_its_readiness_check_has_found_an_import() {
    let store = TestStore::new();
    let db = store.open();
    let app = TestApp::on(gateway::router(), db.clone());
    let actor = app.register("test@example.com").await;
    let token = actor.token;
    begin_import(&db).await;
    app.get("/v5/ready")
        .send()
        .await
        .assert_problem(503, Code::StoreUnavailable);
    serves_nothing(&app, &token).await;
}

#[tokio::test]
async fn a_function_that_starts_during_an_import_serves_nothing() {
    let store = TestStore::new();
    begin_import(&store.open()).await;
    let functions = FunctionProcesses::start(&store, &[]).await;
    serves_nothing(&functions, "").await;
}

#[tokio::test]
async fn commands_for_users_and_tenants_are_refused_and_change_nothing() {
    let store = TestStore::lmdb();
    let db = store.open();
    let app = TestApp::on(gateway::router(), db.clone());
    app.register("test@example.com").await;
    begin_import(&db).await;
    let before = entries(&db).await;
    for arguments in [
        "users list",
        "users show test@example.com",
        "users suspend test@example.com",
        "users resume test@example.com",
        "users recovery-link test@example.com",
        "users delete test@example.com --confirm test@example.com --now",
        "logins end test@example.com",
        "tenants usage test@example.com",
        "tenants limit test@example.com sessions 5",
        "mail list",
        "mail suppress test@example.com",
        "mail unsuppress test@example.com",
        "mail retry 0199c2a6-0000-7000-8000-000000000000",
        "mail drop 0199c2a6-0000-7000-8000-000000000000",
    ] {
        let mut command = gateway(&store);
        command.arg("admin").args(arguments.split(' ')).env("USER", "ops");
        let refused = startup_error(command);
        assert!(refused.contains("has not finished"), "{arguments}: {refused}");
    }
    assert_eq!(entries(&db).await, before);
}
