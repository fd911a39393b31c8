//! Exports of much data, in steps and parts, and their limits.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::audit::{self, Action, Event};
use domain::exports::{CHUNK_BYTES, MAX_PART_BYTES, Preparations, PresentedLink, Sizes, keys, ops};
use domain::scope::caller::Caller;
use domain::{Client, Error, TenantScope, sessions};
use kv::{Range, Txn};
use serde_json::Value;
use testkit::{Actor, Code, Target as _, TestApp};

use super::{EXPORTS, Files, download, lines, listed, request, requested, url};
use crate::{create, router, start};

/// Sizes with which few events make several steps, and parts of about 5 kB: the compressor holds that back.
pub(crate) fn small() -> Sizes {
    Sizes {
        page: 200,
        events_of_a_step: 400,
        part_bytes: 1000,
        ..Sizes::default()
    }
}

/// The application with exports of these sizes.
pub(super) fn with_sizes(sizes: Sizes) -> TestApp {
    TestApp::with_env(router(), |env| env.preparations = Preparations::with(sizes))
}

/// Continues an export until it has ended.
pub(super) async fn ended(app: &TestApp, actor: &Actor) -> Value {
    loop {
        let export = listed(app, actor).await.unwrap();
        if export["state"] != "preparing" {
            return export;
        }
    }
}

pub(super) async fn findings(app: &TestApp) -> Vec<domain::check::Finding> {
    domain::check::check(&app.env, 10, |_| ()).await.unwrap().findings
}

/// Runs `write` with the scope of the actor's tenant, as only an operation of theirs can.
async fn in_tenant(
    app: &TestApp,
    actor: &Actor,
    write: impl Fn(&Txn, TenantScope) -> domain::Result<()> + Send + Sync,
) {
    let write = &write;
    let caller: &Caller = &actor.caller();
    let written = app
        .env
        .in_tenant(caller, domain::Permission::WriteSessions, |txn, scope| async move {
            write(&txn, scope)
        });
    written.await.unwrap();
}

pub(crate) async fn add_events(app: &TestApp, actor: &Actor, count: usize) {
    for start in (0..count).step_by(5000) {
        in_tenant(app, actor, |txn, scope| {
            (start..count.min(start + 5000)).try_for_each(|number| {
                let client = Client {
                    // It hardly compresses.
                    request_id: [b"a", b"b"]
                        .map(|part| uuid::Uuid::new_v5(&uuid(number as u128), part).to_string())
                        .concat(),
                    ..Client::default()
                };
                let user = actor.signed_in.user.id;
                audit::store::add(
                    txn,
                    scope,
                    &Event::of(user, None, &client, app.env.clock.now(), Action::LoggedIn),
                )
            })
        })
        .await;
    }
}

/// The lengths of the chunks in the store.
pub(super) async fn chunks(app: &TestApp, actor: &Actor) -> Vec<usize> {
    let below = Range::below(&keys::parts(actor.signed_in.user.id));
    let mut entries = app.all_entries().await;
    entries.retain(|entry| below.contains(&entry.key));
    entries.iter().map(|entry| entry.value.len()).collect()
}

fn uuid(number: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128((7 << 76) | (2 << 62) | number)
}

/// Stores sessions without counting them, as a version of the program did that had no counters.
async fn add_uncounted_sessions(app: &TestApp, actor: &Actor, count: u128) {
    let draft = |number: u128| {
        let draft = sessions::Draft {
            name: domain::text::Name::parse("a session").unwrap(),
            workspace_path: sessions::WorkspacePath::parse("/workspace").unwrap(),
        };
        let id = domain::id::Id::from_uuid(uuid(number));
        sessions::Session::open(id, &actor.caller(), draft, app.env.clock.now())
    };
    in_tenant(app, actor, |txn, scope| {
        (0..count).try_for_each(|number| sessions::store::insert(txn, scope, &draft(number)).map(drop))
    })
    .await;
}

#[tokio::test]
async fn a_large_account_is_exported_in_steps_and_parts_as_of_the_first_step() {
    let app = with_sizes(small());
    let alice = app.register("alice@example.com").await;
    add_events(&app, &alice, 1000).await;
    add_uncounted_sessions(&app, &alice, 300).await;
    let first = requested(&app, &alice).await;
    assert_eq!(first["state"], "preparing");
    // What happens after the first step is not in the export.
    create(&app, &alice, "later", None).await.created();
    add_events(&app, &alice, 10).await;
    let ready = loop {
        let export = listed(&app, &alice).await.unwrap();
        assert_eq!(export["takenAt"], first["takenAt"]);
        if export["state"] == "ready" {
            break export;
        }
        assert!(export["parts"].as_array().unwrap().len() > first["parts"].as_array().unwrap().len());
    };
    assert!(ready["parts"].as_array().unwrap().len() > 5, "{ready}");
    let files: Files = download(&app, url(&first), &ready).await;
    assert_eq!(lines(&files, "sessions").len(), 300);
    let events = lines(&files, "audit");
    let ids: BTreeSet<_> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    // Also the registration and the request.
    assert_eq!((ids.len(), events.len()), (1002, 1002));
    assert!(
        events.is_sorted_by_key(|event| event["id"].as_str().unwrap().to_owned()),
        "the order of the log"
    );
    assert_eq!(events.last().unwrap()["type"], "user.export_requested");
    let findings = findings(&app).await;
    // The sessions were stored without being counted.
    assert!(
        findings.iter().all(|finding| finding.key.contains("usage")),
        "{findings:?}"
    );
}

#[tokio::test]
async fn parts_and_their_chunks_stay_below_their_sizes_and_go_with_the_export() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    add_events(&app, &alice, 15_000).await;
    let export = requested(&app, &alice).await;
    let lengths = chunks(&app, &alice).await;
    let parts: Vec<_> = export["parts"].as_array().unwrap().iter().collect();
    let bytes: Vec<_> = parts.iter().map(|part| part["bytes"].as_u64().unwrap()).collect();
    assert!(
        bytes.len() > 1 && bytes.iter().all(|bytes| *bytes < MAX_PART_BYTES as u64),
        "{bytes:?}"
    );
    assert!(lengths.len() > bytes.len() && lengths.iter().all(|length| *length <= CHUNK_BYTES));
    assert_eq!(lengths.iter().sum::<usize>() as u64, bytes.iter().sum::<u64>());
    download(&app, url(&export), &export).await;
    assert_eq!(findings(&app).await, []);
    app.clock.advance(Duration::from_secs(31 * 60));
    let body = serde_json::json!({ "password": "password123" });
    let proof = app.post("/v5/auth/reauthenticate").by(&alice).json(&body);
    proof.send().await.ok();
    let next = requested(&app, &alice).await;
    assert_ne!(next["requestedAt"], export["requestedAt"]);
    assert_eq!(findings(&app).await, []);
    let user = alice.signed_in.user.id;
    let removal = app
        .env
        .db
        .run(|txn| async move { domain::exports::store::remove_all(&txn, user).await });
    removal.await.unwrap();
    assert!(chunks(&app, &alice).await.is_empty());
    assert_eq!(findings(&app).await, []);
}

#[tokio::test]
async fn an_export_with_too_many_parts_fails_and_keeps_those_that_it_has() {
    let sizes = Sizes {
        page: 20,
        parts: 4,
        ..small()
    };
    let app = with_sizes(sizes);
    let alice = app.register("alice@example.com").await;
    add_events(&app, &alice, 1000).await;
    let first = requested(&app, &alice).await;
    let failed = ended(&app, &alice).await;
    assert_eq!(failed["state"], "tooManyParts");
    assert_eq!(failed["parts"].as_array().unwrap().len(), 4, "{failed}");
    // No request repeats the work, and the parts contain the start of the log.
    assert_eq!(listed(&app, &alice).await.unwrap(), failed);
    assert_eq!(requested(&app, &alice).await["parts"], failed["parts"]);
    let again = requested(&app, &alice).await;
    let files = super::download_parts(&app, url(&again), &failed).await;
    let events = lines(&files, "audit");
    assert!((50..1000).contains(&events.len()), "{}", events.len());
    assert_eq!(events[0]["type"], "user.registered");
    assert_ne!(url(&first), url(&again));
    assert_eq!(findings(&app).await, []);
}

#[tokio::test]
async fn a_tenant_with_more_sessions_than_an_export_can_have_is_told_so() {
    let sizes = Sizes {
        sessions: 10,
        ..small()
    };
    let app = with_sizes(sizes);
    let alice = app.register("alice@example.com").await;
    let mut last = Value::Null;
    for number in 0..11 {
        last = create(&app, &alice, &format!("{number}"), None).await.created();
    }
    let response = request(&app, &alice).await;
    let quota = serde_json::json!({ "name": "exportedSessions", "used": 11, "limit": 10 });
    assert_eq!(response.body["quota"], quota);
    response.assert_problem(507, Code::QuotaExceeded);
    // Nothing was read or stored, so no request repeats the attempt.
    assert_eq!(listed(&app, &alice).await, None);
    let path = format!("/v5/sessions/{}", last["id"].as_str().unwrap());
    app.delete(&path).by(&alice).send().await.ok();
    let export = requested(&app, &alice).await;
    assert_eq!(
        lines(&download(&app, url(&export), &export).await, "sessions").len(),
        10
    );
}

#[tokio::test]
async fn sessions_that_were_never_counted_are_limited_too() {
    let sizes = Sizes {
        sessions: 20,
        ..small()
    };
    for (count, status) in [(20, 202), (21, 507)] {
        let app = with_sizes(sizes);
        let alice = app.register("alice@example.com").await;
        add_uncounted_sessions(&app, &alice, count).await;
        assert_eq!(request(&app, &alice).await.status, status);
        if status == 507 {
            // The step keeps others out for a while, and then the next request fails like the first one.
            assert_eq!(listed(&app, &alice).await.unwrap()["state"], "preparing");
            app.clock.advance(sizes.step);
            let response = app.get(EXPORTS).by(&alice).send().await;
            assert_eq!(response.body["quota"]["used"], 21);
            response.assert_problem(507, Code::QuotaExceeded);
        }
    }
}

#[tokio::test]
async fn a_download_is_whole_and_keeps_its_place_until_it_was_sent() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let export = requested(&app, &alice).await;
    let token = url(&export).rsplit('/').next().unwrap();
    let link = PresentedLink::parse(token).unwrap();
    let caller = alice.caller();
    let open = || ops::download(&app.env, caller.client(), &link, 1);
    let mut held = Vec::new();
    let refused = loop {
        match open().await {
            Ok(download) => held.push(download),
            Err(error) => break error,
        }
        assert!(held.len() <= 64);
    };
    assert!(matches!(refused, Error::TooManyAttempts { .. }), "{refused}");
    app.get(url(&export))
        .send()
        .await
        .assert_problem(429, Code::TooManyAttempts);
    drop(held);
    let response = app.get(url(&export)).send().await;
    assert_eq!(response.status, 200);
    // A response that was sent has released its place.
    for _ in 0..100 {
        assert_eq!(app.get(url(&export)).send().await.status, 200);
    }
    // Without one of its chunks, nothing is sent.
    let below = Range::below(&keys::parts(alice.signed_in.user.id));
    let below = &below;
    let removal = app.env.db.run(|txn| async move { txn.clear_range(below) });
    removal.await.unwrap();
    app.get(url(&export)).send().await.assert_problem(404, Code::NotFound);
}
