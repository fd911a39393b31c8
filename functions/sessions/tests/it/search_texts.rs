//! The stored texts of searches never change a result, whichever version of the program has written the sessions.

use domain::sessions::{SearchText, Session, WorkspacePath, keys, store};
use domain::{Permission, record};
use kv::Range;
use serde_json::json;
use testkit::{Actor, Target as _, TestApp};

use crate::{create, path, start};

/// Names that match the searches below in different ways: `\u{1ea4}` is composed, `e\u{301}` is not.
const NAMES: [&str; 7] = [
    "plain",
    "Ärger",
    "ΟΔΟΣ",
    "\u{1ea4}rger",
    "Caf\u{65}\u{301}",
    "İstanbul",
    "ARGER",
];

const SEARCHES: [&str; 8] = ["rger", "ärg", "σ", "ς", "\u{1ea5}", "caf\u{e9}", "i\u{307}", "arger"];

/// The names that each search finds, page by page.
async fn results(app: &TestApp, actor: &Actor) -> Vec<Vec<String>> {
    let mut results = Vec::new();
    for search in SEARCHES {
        let mut names = Vec::new();
        let mut cursor = String::new();
        loop {
            let search = search
                .bytes()
                .fold(String::new(), |text, byte| text + &format!("%{byte:02x}"));
            let path = format!("/v5/sessions?limit=1&q={search}{cursor}");
            let page = app.get(&path).by(actor).send().await.ok();
            let found = page["sessions"].as_array().unwrap().iter();
            names.extend(found.map(|session| session["name"].as_str().unwrap().to_owned()));
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        results.push(names);
    }
    results
}

/// The number of the tenant's stored texts.
async fn texts(app: &TestApp, actor: &Actor) -> usize {
    let caller = &actor.caller();
    let count = app
        .env
        .in_tenant(caller, Permission::ReadSessions, |txn, scope| async move {
            let range = Range::below(&keys::search_texts(scope));
            let query = kv::Query {
                range,
                order: kv::Order::Ascending,
                limit: 100,
            };
            Ok(txn.range(&query).await?.entries.len())
        });
    count.await.unwrap()
}

/// Removes all of the tenant's texts, as if an older version of the program had written the sessions.
async fn remove_texts(app: &TestApp, actor: &Actor) {
    let caller = &actor.caller();
    let removal = app
        .env
        .in_tenant(caller, Permission::WriteSessions, |txn, scope| async move {
            Ok(txn.clear_range(&Range::below(&keys::search_texts(scope)))?)
        });
    removal.await.unwrap();
}

#[tokio::test]
async fn a_search_finds_the_same_with_and_without_stored_texts() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    for name in NAMES {
        create(&app, &alice, name).await;
    }
    assert_eq!(texts(&app, &alice).await, 5, "only text that is not ASCII is stored");
    let with = results(&app, &alice).await;
    remove_texts(&app, &alice).await;
    assert_eq!(results(&app, &alice).await, with);
    let found: Vec<usize> = with.iter().map(Vec::len).collect();
    assert_eq!(found, [3, 1, 1, 1, 1, 1, 1, 1], "{with:?}");
}

#[tokio::test]
async fn a_text_follows_its_session_and_is_removed_with_it() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let session = create(&app, &alice, "plain").await;
    for (name, stored) in [("Ä", 1), ("Ö", 1), ("plain", 0), ("Ü", 1)] {
        let body = json!({ "name": name, "workspacePath": "/w" });
        app.patch(&path(&session)).by(&alice).json(&body).send().await.ok();
        assert_eq!(texts(&app, &alice).await, stored, "{name}");
        let q = name
            .to_lowercase()
            .bytes()
            .fold(String::new(), |text, byte| text + &format!("%{byte:02x}"));
        let page = app.get(&format!("/v5/sessions?q={q}")).by(&alice).send().await.ok();
        assert_eq!(page["sessions"][0]["name"], name);
    }
    app.delete(&path(&session)).by(&alice).send().await.ok();
    assert_eq!(texts(&app, &alice).await, 0);
}

#[tokio::test]
async fn a_change_by_an_older_version_of_the_program_is_found() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let caller = &alice.caller();
    for name in ["Ärger", "Öl", "Ähre"] {
        create(&app, &alice, name).await;
    }
    // It writes and deletes records without their texts.
    let older = app
        .env
        .in_tenant(caller, Permission::WriteSessions, |txn, scope| async move {
            for stored in store::list(&txn, scope, None, 10).await? {
                let session = store::decode(scope, &stored)?;
                assert!(SearchText::of(&session).is_some());
                let key = keys::session(scope, session.id);
                match session.name.as_str() {
                    "Öl" => {
                        txn.clear(&key)?;
                        txn.clear(&keys::index_entry(scope, session.id))?;
                    }
                    "Ärger" => {
                        let changed = Session {
                            name: domain::text::Name::parse("Übel").unwrap(),
                            workspace_path: WorkspacePath::parse("/w").unwrap(),
                            version: session.version + 1,
                            ..session
                        };
                        txn.set(&key, record::encode(&changed)?)?;
                    }
                    _ => {}
                }
            }
            Ok(())
        });
    older.await.unwrap();
    for (search, found) in [("%C3%BCb", &["Übel"][..]), ("%C3%A4", &["Ähre"]), ("%C3%B6", &[])] {
        let page = app
            .get(&format!("/v5/sessions?q={search}"))
            .by(&alice)
            .send()
            .await
            .ok();
        let names: Vec<_> = page["sessions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|session| &session["name"])
            .collect();
        assert_eq!(names, found, "{search}");
    }
}
