//! Exports of much data, in steps and parts, and slow clients.

use std::collections::BTreeSet;

use axum::http::Method;
use domain::audit::{self, Action, Event};
use domain::exports::{CHUNK_BYTES, MAX_PART_BYTES, PresentedLink, keys, ops};
use domain::scope::caller::Caller;
use domain::{Client, Error, TenantScope, sessions};
use kv::{Range, Txn};
use testkit::{Actor, Code, Target as _, TestApp};

use super::{EXPORTS, Files, download, lines, listed, requested, unzip, url};
use crate::{create, start};

/// The number of events that one step reads.
const EVENTS_OF_A_STEP: usize = 20_000;

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

async fn add_events(app: &TestApp, actor: &Actor, count: usize) {
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

/// The chunks in the store: their number, and the longest one.
async fn chunks(app: &TestApp, actor: &Actor) -> (usize, usize) {
    let below = Range::below(&keys::parts(actor.signed_in.user.id));
    let mut entries = app.all_entries().await;
    entries.retain(|entry| below.contains(&entry.key));
    let longest = entries.iter().map(|entry| entry.value.len()).max();
    (entries.len(), longest.unwrap_or(0))
}

#[tokio::test]
async fn a_large_account_is_exported_in_steps_and_parts_as_of_the_first_step() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    add_events(&app, &alice, 2 * EVENTS_OF_A_STEP).await;
    let draft = |number: u128| sessions::Session {
        id: domain::id::Id::from_uuid(uuid(number)),
        ..template(&app, &alice)
    };
    for start in (0..3000).step_by(1000) {
        in_tenant(&app, &alice, |txn, scope| {
            (start..start + 1000).try_for_each(|number| sessions::store::insert(txn, scope, &draft(number)).map(drop))
        })
        .await;
    }
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
    let parts = ready["parts"].as_array().unwrap();
    let within = |part: &serde_json::Value| part["bytes"].as_u64().unwrap() < MAX_PART_BYTES as u64;
    assert!(parts.len() > 2 && parts.iter().all(within), "{ready}");
    let (count, longest) = chunks(&app, &alice).await;
    assert!(count > 2 && longest <= CHUNK_BYTES);
    let files: Files = download(&app, url(&first), &ready).await;
    assert_eq!(lines(&files, "sessions").len(), 3000);
    let events = lines(&files, "audit");
    let ids: BTreeSet<_> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    // Also the registration and the request.
    assert_eq!(
        (ids.len(), events.len()),
        (2 * EVENTS_OF_A_STEP + 2, 2 * EVENTS_OF_A_STEP + 2)
    );
    assert!(
        events.is_sorted_by_key(|event| event["id"].as_str().unwrap().to_owned()),
        "the order of the log"
    );
    assert_eq!(events.last().unwrap()["action"]["type"], "user.export_requested");
    let checked = domain::check::check(&app.env, 10, |_| ()).await.unwrap();
    // The sessions were stored without being counted.
    assert!(
        checked.findings.iter().all(|finding| finding.key.contains("usage")),
        "{:?}",
        checked.findings
    );
}

fn uuid(number: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128((7 << 76) | (2 << 62) | number)
}

fn template(app: &TestApp, actor: &Actor) -> sessions::Session {
    let draft = sessions::Draft {
        name: domain::text::Name::parse("a session").unwrap(),
        workspace_path: sessions::WorkspacePath::parse("/workspace").unwrap(),
    };
    sessions::Session::open(app.env.ids.next(), &actor.caller(), draft, app.env.clock.now())
}

#[tokio::test]
async fn concurrent_steps_leave_one_export() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    add_events(&app, &alice, EVENTS_OF_A_STEP + 1000).await;
    let first = requested(&app, &alice).await;
    let lists = (0..4).map(|_| listed(&app, &alice));
    futures_util::future::join_all(lists).await;
    let ready = listed(&app, &alice).await.unwrap();
    let files = download(&app, url(&first), &ready).await;
    assert_eq!(lines(&files, "audit").len(), EVENTS_OF_A_STEP + 1002);
    let checked = domain::check::check(&app.env, 10, |_| ()).await.unwrap();
    assert_eq!(checked.findings, []);
}

#[tokio::test]
async fn a_tenant_with_more_sessions_than_an_export_can_have_is_told_so() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let session = |number: u128| sessions::Session {
        id: domain::id::Id::from_uuid(uuid(number)),
        ..template(&app, &alice)
    };
    for start in (0..20_000).step_by(5000) {
        in_tenant(&app, &alice, |txn, scope| {
            (start..start + 5000).try_for_each(|number| sessions::store::insert(txn, scope, &session(number)).map(drop))
        })
        .await;
    }
    let response = app.post(EXPORTS).by(&alice).send().await;
    assert_eq!(response.body["quota"]["name"], "exportedSessions");
    response.assert_problem(507, Code::QuotaExceeded);
    // A request repeats the attempt when there are fewer.
    app.get(EXPORTS)
        .by(&alice)
        .send()
        .await
        .assert_problem(507, Code::QuotaExceeded);
    let path = format!("/v5/sessions/{}", uuid(1));
    app.delete(&path).by(&alice).send().await.ok();
    assert_eq!(listed(&app, &alice).await.unwrap()["state"], "ready");
}

#[tokio::test]
async fn a_slow_client_gets_chunks_as_it_reads_and_holds_no_snapshot() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    add_events(&app, &alice, 8000).await;
    let export = requested(&app, &alice).await;
    let token = url(&export).rsplit('/').next().unwrap().to_owned();
    let link = PresentedLink::parse(&token).unwrap();
    let mut reading = ops::download(&app.env, &link, 1).await.unwrap();
    assert!(reading.bytes() > 2 * CHUNK_BYTES, "{export}");
    // Clients that disconnect leave nothing behind, however many.
    for _ in 0..2000 {
        drop(ops::download(&app.env, &link, 1).await.unwrap());
    }
    let first = reading.chunk().await.unwrap().unwrap();
    let mut all = ops::download(&app.env, &link, 1).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(chunk) = all.chunk().await.unwrap() {
        bytes.extend(chunk);
    }
    assert!(bytes.starts_with(&first) && bytes.len() == all.bytes());
    assert!(unzip(&bytes).contains_key("manifest.json"));
    // The export ends while the client reads: the response ends too early, instead of other bytes.
    let user = alice.signed_in.user.id;
    let removal = app
        .env
        .db
        .run(|txn| async move { domain::exports::store::remove_all(&txn, user).await });
    removal.await.unwrap();
    assert!(matches!(reading.chunk().await, Err(Error::NotFound)));
    let response = app.request(Method::HEAD, url(&export)).send().await;
    assert_eq!(response.status, 404);
}
