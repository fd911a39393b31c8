//! Links to exports: who gets one, what it is good for, and when it ends.

use std::time::Duration;

use axum::http::Method;
use axum::http::header::AUTHORIZATION;
use domain::Role;
use domain::access_tokens::Scope;
use domain::operator::{Operator, UserName, users};
use domain::text::Name;
use serde_json::{Value, json};
use testkit::{Actor, Code, FRONT_DOORS, Process, RuntimeApi, Target as _, TestApp, TestStore};

use super::{EXPORTS, download, lines, listed, request, requested, unzip, url};
use crate::{router, start};

const MINUTE: Duration = Duration::from_secs(60);

async fn assert_ended(app: &TestApp, export: &Value) {
    app.get(url(export)).send().await.assert_problem(404, Code::NotFound);
}

async fn works(app: &TestApp, export: &Value) -> bool {
    app.get(url(export)).send().await.status == 200
}

#[tokio::test]
async fn a_browser_saves_the_file_and_nobody_keeps_it() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let export = requested(&app, &alice).await;
    assert_eq!(listed(&app, &alice).await.unwrap()["downloadUrl"], Value::Null);
    let response = app.get(url(&export)).send().await;
    assert_eq!(response.header("content-type"), Some("application/zip"));
    let date = export["takenAt"].as_str().unwrap().split('T').next().unwrap();
    let disposition = format!("attachment; filename=\"coditect-export-{date}.zip\"");
    assert_eq!(response.header("content-disposition"), Some(&*disposition));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(
        response.header("content-length"),
        Some(&*response.bytes.len().to_string())
    );
    assert!(unzip(&response.bytes).contains_key("account.jsonl"));
    let head = app.request(Method::HEAD, url(&export)).send().await;
    assert_eq!(head.header("content-length"), response.header("content-length"));
    // A browser tries again, and so does a client of the other prefix.
    assert!(works(&app, &export).await);
    let other = app.post("/api/v5/users/me/exports").by(&alice).send().await;
    assert!(
        other.body["data"]["downloadUrl"]
            .as_str()
            .unwrap()
            .starts_with("/api/v5/exports/")
    );
}

#[tokio::test]
async fn a_link_ends_with_its_export_with_its_login_and_when_it_is_replaced() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let elsewhere = app.sign_in(&alice).await;
    let first = requested(&app, &alice).await;
    app.clock.advance(9 * MINUTE);
    let second = requested(&app, &elsewhere).await;
    assert_eq!(second["takenAt"], first["takenAt"], "it is the same export");
    assert_ended(&app, &first).await;
    assert!(works(&app, &second).await);
    // Of its own login, not of another one.
    app.post("/v5/auth/logout").by(&alice).send().await.ok();
    assert!(works(&app, &second).await);
    app.clock.advance(50 * MINUTE);
    assert!(works(&app, &second).await);
    app.clock.advance(MINUTE);
    assert_ended(&app, &second).await;
    assert_eq!(listed(&app, &elsewhere).await, None);
    let body = json!({ "password": "password123" });
    app.post("/v5/auth/reauthenticate")
        .by(&elsewhere)
        .json(&body)
        .send()
        .await
        .ok();
    let third = requested(&app, &elsewhere).await;
    assert_ne!(third["takenAt"], first["takenAt"]);
    app.post("/v5/auth/logout").by(&elsewhere).send().await.ok();
    assert_ended(&app, &third).await;
}

#[tokio::test]
async fn a_link_ends_when_its_login_expires() {
    let app = TestApp::with_limits(router(), |limits| limits.login.idle = 30 * MINUTE);
    let alice = app.register("alice@example.com").await;
    let export = requested(&app, &alice).await;
    app.clock.advance(Duration::from_millis(30 * 60_000 - 1));
    assert!(works(&app, &export).await);
    app.clock.advance(Duration::from_millis(1));
    assert_ended(&app, &export).await;
}

#[tokio::test]
async fn a_changed_password_and_a_suspension_end_links() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let export = requested(&app, &alice).await;
    let body = json!({ "currentPassword": "password123", "newPassword": "password456" });
    app.post("/v5/auth/password").by(&alice).json(&body).send().await.ok();
    assert_ended(&app, &export).await;
    let bob = app.register("bob@example.com").await;
    let export = requested(&app, &bob).await;
    let operator = Operator::new(&app.env, Name::parse("the operator").unwrap());
    let user = UserName::Id(bob.signed_in.user.id);
    users::suspend(&app.env, &operator, &user).await.unwrap();
    assert_ended(&app, &export).await;
}

#[tokio::test]
async fn after_half_an_hour_a_request_makes_a_new_export() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let first = requested(&app, &alice).await;
    let prove = async || {
        let body = json!({ "password": "password123" });
        app.post("/v5/auth/reauthenticate")
            .by(&alice)
            .json(&body)
            .send()
            .await
            .ok();
    };
    app.clock.advance(Duration::from_millis(30 * 60_000 - 1));
    prove().await;
    assert_eq!(requested(&app, &alice).await["takenAt"], first["takenAt"]);
    app.clock.advance(Duration::from_millis(1));
    let new = requested(&app, &alice).await;
    assert_ne!(new["takenAt"], first["takenAt"]);
    // Of the first one, nothing is left.
    let entries = async || {
        let mut entries = app.all_entries().await;
        entries.retain(|entry| String::from_utf8_lossy(entry.key.as_bytes()).contains("export"));
        entries.len()
    };
    assert_eq!(entries().await, 4, "the export and its chunk, each with its expiry");
    let sweep = async || domain::sweep::sweep(&app.env, MINUTE).await.unwrap();
    app.clock.advance(32 * MINUTE);
    sweep().await;
    assert!(works(&app, &new).await);
    app.clock.advance(32 * MINUTE);
    sweep().await;
    assert_eq!(entries().await, 0);
    let checked = domain::check::check(&app.env, 10, |_| ()).await.unwrap();
    assert_eq!(checked.findings, []);
}

#[tokio::test]
async fn tokens_of_one_kind_are_not_accepted_as_the_other() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let export = requested(&app, &alice).await;
    let link = url(&export).rsplit('/').next().unwrap();
    let (_, personal) = app.access_token(&alice, [Scope::ReadAudit], MINUTE).await;
    for path in ["/v5/users/me", "/v5/sessions", EXPORTS] {
        let response = app.get(path).bearer(link).send().await;
        response.assert_problem(401, Code::InvalidToken);
    }
    // A personal access token requests no export.
    for method in [Method::POST, Method::GET] {
        let response = app.request(method, EXPORTS).bearer(&personal).send().await;
        response.assert_problem(403, Code::InsufficientScope);
    }
    let truncated = &link[..link.len() - 1];
    let foreign = link.replace("export", "pat");
    // Of the right form, with another secret.
    let unknown = domain::exports::LinkText::draw(&*app.env.rng, alice.signed_in.user.id, alice.signed_in.login.id);
    for token in [
        truncated,
        &foreign,
        unknown.reveal(),
        &personal,
        &alice.token,
        "x",
        "%00",
        "%FF",
    ] {
        let response = app
            .get(&format!("/v5/exports/{token}"))
            .bearer(&alice.token)
            .send()
            .await;
        response.assert_problem(404, Code::NotFound);
    }
    for part in ["0", "2", "2000"] {
        let response = app.get(&format!("{}?part={part}", url(&export))).send().await;
        let expected = if part == "0" { 422 } else { 404 };
        assert_eq!(response.status, expected);
    }
    for part in ["x", "-1", "+1", "2501", "", "1&part=1", "99999999999999999999"] {
        let response = app.get(&format!("{}?part={part}", url(&export))).send().await;
        response.assert_invalid(&["/part"]);
    }
    // A token in the header is ignored, even a wrong one.
    let response = app.get(url(&export)).header(AUTHORIZATION, "Bearer x").send().await;
    assert_eq!(response.status, 200);
}

#[tokio::test]
async fn an_export_requires_the_password_and_is_audited() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    app.clock.advance(10 * MINUTE + Duration::from_millis(1));
    let events = async || {
        let path = "/v5/audit?type=user.export_requested";
        app.get(path).by(&alice).send().await.ok()["events"]
            .as_array()
            .unwrap()
            .len()
    };
    request(&app, &alice)
        .await
        .assert_problem(403, Code::ReauthenticationRequired);
    assert_eq!((events().await, listed(&app, &alice).await), (0, None));
    let body = json!({ "password": "password123" });
    app.post("/v5/auth/reauthenticate")
        .by(&alice)
        .json(&body)
        .send()
        .await
        .ok();
    requested(&app, &alice).await;
    requested(&app, &alice).await;
    assert_eq!(events().await, 2);
}

#[tokio::test]
async fn a_member_of_another_tenant_exports_their_own_data() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let bob = app.register("bob@example.com").await;
    crate::create(&app, &alice, "of Alice", None).await.created();
    crate::create(&app, &bob, "of Bob", None).await.created();
    let guest: Actor = app.add_member(&bob, &alice, Role::Viewer).await;
    let export = requested(&app, &guest).await;
    let files = download(&app, url(&export), &export).await;
    let sessions = lines(&files, "sessions");
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0]["name"], "of Bob");
    assert_eq!(lines(&files, "memberships.jsonl").len(), 2);
    let text = String::from_utf8_lossy(&files["audit/0001.jsonl"]);
    assert!(!text.contains(&alice.signed_in.user.id.to_string()));
    assert_eq!(listed(&app, &bob).await.unwrap()["takenAt"], export["takenAt"]);
    assert_eq!(listed(&app, &alice).await, None);
}

#[tokio::test]
async fn exports_pass_every_front_door() {
    let store = TestStore::new();
    let app = TestApp::alongside_processes(router(), store.open());
    let mut command = Process::command(env!("CARGO_BIN_EXE_users"));
    command.envs(store.env());
    let function = RuntimeApi::start(command).await;
    for (number, (kind, sample)) in FRONT_DOORS.into_iter().enumerate() {
        eprintln!("behind {kind}:");
        let alice = app.register(&format!("alice{number}@example.com")).await;
        let door = function.behind(sample);
        let export = requested(&door, &alice).await;
        let files = download(&door, url(&export), &export).await;
        assert_eq!(
            lines(&files, "account.jsonl")[0]["email"],
            format!("alice{number}@example.com")
        );
    }
}
