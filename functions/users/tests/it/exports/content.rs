//! An export contains everything, and no secret.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use domain::access_tokens::Scope;
use domain::audit::Action;
use domain::mail_tokens::{Purpose, StoredToken};
use domain::operator::tenants::{self, TenantName};
use domain::operator::{Operator, UserName, mails};
use domain::record;
use domain::suppressions::Reason;
use domain::text::Name;
use domain::usage::Quota;
use kv::{Element, Key};
use serde_json::{Value, json};
use testkit::{Actor, Target as _, TestApp, picture};

use super::{Files, export, lines, request, requested};
use crate::{create, start};

/// How the export treats each kind of key, as its README says: the file, or `None` if it is left out.
fn treatments() -> Vec<(String, Option<String>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/domain/src/exports/README.md");
    let readme = fs::read_to_string(path).unwrap();
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows = rows.filter_map(|row| {
        let (pattern, rest) = row.split_once("` | ")?;
        let file = rest.split(" | ").next()?.trim();
        let file = file.strip_prefix('`').and_then(|file| file.split('`').next());
        Some((pattern.to_owned(), file.map(str::to_owned)))
    });
    rows.collect()
}

/// Whether a key has the form of a pattern of the key schema.
fn has_form(key: &Key, pattern: &str) -> bool {
    let elements: Vec<Element<'_>> = key.unpack().unwrap();
    let parts: Vec<_> = pattern.split(" / ").collect();
    let is_form = |(element, part): (&Element<'_>, &&str)| {
        part.starts_with('{') || matches!(element, Element::String(text) if text == part)
    };
    elements.len() == parts.len() && elements.iter().zip(&parts).all(is_form)
}

/// Fills the store with a record of every kind that belongs to a user.
async fn fill(app: &TestApp, alice: &Actor) -> String {
    let profile = json!({
        "firstName": "Älice", "lastName": "A", "company": "Ünited", "preferences": { "theme": "dark", "a": [1, null] },
    });
    app.patch("/v5/users/me").by(alice).json(&profile).send().await.ok();
    let upload = app.put("/v5/users/me/avatar").by(alice).content(&picture());
    upload.send().await.ok();
    for (name, key) in [("one", Some("key")), ("zwei ü", None), ("three", None)] {
        create(app, alice, name, key).await.created();
    }
    let (_, token) = app
        .access_token(alice, [Scope::ReadSessions], Duration::from_secs(60))
        .await;
    app.get("/v5/sessions").bearer(&token).send().await.ok();
    let draft = json!({ "name": "with a key", "scopes": ["audit:read"] });
    let idempotency = axum::http::HeaderName::from_static("idempotency-key");
    let creation = app.post("/v5/users/me/tokens").by(alice).json(&draft);
    creation.header(idempotency, "key").send().await.created();
    // A login from elsewhere sends an email, and a wrong password is counted and audited.
    for password in ["a wrong one", "password123"] {
        let body = json!({ "email": "alice@example.com", "password": password });
        let login = app.post("/v5/auth/login").json(&body).from_address("198.51.100.1");
        login.send().await;
    }
    // A requested email, and the token with which an old one undoes a change.
    let body = json!({ "email": "alice@example.net", "password": "password123" });
    app.post("/v5/users/me/email")
        .by(alice)
        .json(&body)
        .send()
        .await
        .accepted();
    let entries = app.all_entries().await;
    let form = "users / {user_id} / mail_tokens / {purpose}";
    let requested = entries.iter().find(|entry| has_form(&entry.key, form)).unwrap();
    let requested: StoredToken = record::decode(&requested.value).unwrap();
    let undo = &record::encode(&StoredToken {
        purpose: Purpose::EmailUndo,
        ..requested
    })
    .unwrap();
    let key = &Key::of(&(
        "users",
        alice.signed_in.user.id.uuid(),
        "mail_tokens",
        "emailUndo",
        &[7; 32][..],
    ));
    let write = app.env.db.run(|txn| async move { txn.set(key, undo) });
    write.await.unwrap();
    let body = json!({ "password": "password123" });
    app.post("/v5/users/me/deletion")
        .by(alice)
        .json(&body)
        .send()
        .await
        .accepted();
    let operator = Operator::new(&app.env, Name::parse("the operator").unwrap());
    let email = &alice.signed_in.user.email;
    mails::suppress(&app.env, &operator, email, Reason::Operator)
        .await
        .unwrap();
    let tenant = TenantName::Owner(UserName::Id(alice.signed_in.user.id));
    tenants::set_limit(&app.env, &operator, &tenant, Quota::Sessions, Some(77))
        .await
        .unwrap();
    token
}

#[tokio::test]
async fn every_kind_of_key_is_exported_or_left_out_on_purpose() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    fill(&app, &alice).await;
    requested(&app, &alice).await;
    let treatments = treatments();
    let mut found = BTreeSet::new();
    for entry in app.all_entries().await {
        if kv::is_commit_marker(&entry.key) {
            continue;
        }
        let treatment = treatments.iter().find(|(pattern, _)| has_form(&entry.key, pattern));
        let Some((pattern, _)) = treatment else {
            panic!(
                "{:?} is of a kind that shared/domain/src/exports/README.md does not list",
                entry.key
            );
        };
        found.insert(pattern.clone());
    }
    let exported = treatments
        .iter()
        .filter(|(_, file)| file.is_some())
        .map(|(pattern, _)| pattern);
    let absent: Vec<_> = exported.filter(|pattern| !found.contains(*pattern)).collect();
    assert!(absent.is_empty(), "`fill` stores none of {absent:?}");
}

/// The number of stored entries of these kinds.
fn stored(entries: &[kv::Entry], pattern: &str) -> Vec<Value> {
    let found = entries.iter().filter(|entry| has_form(&entry.key, pattern));
    found
        .map(|entry| serde_json::from_slice(&entry.value).unwrap_or(Value::Null))
        .collect()
}

/// Asserts that a line is what the API shows, without some of its members, and with further ones.
fn assert_extends(line: &Value, shown: &Value, further: &[&str], without: &[&str]) {
    let mut line = line.as_object().unwrap().clone();
    let mut shown = shown.as_object().unwrap().clone();
    for name in further {
        line.remove(*name).unwrap();
    }
    for name in without {
        shown.remove(*name).unwrap();
    }
    assert_eq!(line, shown);
}

#[tokio::test]
async fn each_file_has_a_line_for_each_record() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    fill(&app, &alice).await;
    // Of another user, nothing.
    let bob = app.register("bob@example.com").await;
    create(&app, &bob, "of Bob", None).await.created();
    let files = export(&app, &alice).await;
    let entries = app.all_entries().await;
    let user = alice.signed_in.user.id;
    let tenant = alice.signed_in.tenant.id;
    let of_alice: Vec<_> = entries
        .iter()
        .filter(|entry| {
            let elements: Vec<Element<'_>> = entry.key.unpack().unwrap();
            let in_key =
                matches!(elements.get(1), Some(Element::Uuid(id)) if [user.uuid(), tenant.uuid()].contains(id));
            in_key || String::from_utf8_lossy(&entry.value).contains(&tenant.to_string())
        })
        .cloned()
        .collect();
    for (pattern, file) in treatments() {
        let Some(file) = file else { continue };
        let name = file.trim_end_matches('/');
        if name == "avatar.jpg" {
            continue;
        }
        let lines = lines(&files, name);
        match pattern.as_str() {
            _ if name == "mail-tokens.jsonl" => {
                let all = ["{purpose}", "emailUndo / {email digest}"]
                    .map(|kind| stored(&of_alice, &format!("users / {{user_id}} / mail_tokens / {kind}")).len());
                assert_eq!(lines.len(), all.iter().sum::<usize>());
            }
            // Several records make one line.
            _ if name == "account.jsonl" || name == "tenant.jsonl" => assert_eq!(lines.len(), 1, "{name}"),
            _ if name == "usage.jsonl" => assert_eq!(lines.len(), Quota::ALL.len()),
            _ => {
                let stored = stored(&of_alice, &pattern);
                assert!(
                    !stored.is_empty() && stored.len() == lines.len(),
                    "{name}: {}",
                    lines.len()
                );
            }
        }
    }
    let [sessions, tokens, logins] =
        ["sessions", "access-tokens.jsonl", "logins.jsonl"].map(|name| lines(&files, name));
    let ids = |list: &[Value]| list.iter().map(|item| item["id"].clone()).collect::<Vec<_>>();
    let data = app.get("/v5/sessions").by(&alice).send().await.ok();
    let shown = data["sessions"].as_array().unwrap();
    assert_eq!(ids(&sessions), ids(shown));
    for (line, shown) in sessions.iter().zip(shown) {
        assert_extends(line, shown, &["version"], &[]);
    }
    let data = app.get("/v5/users/me/tokens").by(&alice).send().await.ok();
    let shown: Vec<_> = data["tokens"].as_array().unwrap().clone();
    assert!(tokens.iter().all(|line| shown.contains(line)), "{tokens:?}");
    assert_eq!(logins.len(), 2);
    let data = app.get("/v5/auth/logins").by(&alice).send().await.ok();
    for line in &logins {
        let all = data["logins"].as_array().unwrap();
        let shown = all.iter().find(|shown| shown["id"] == line["id"]).unwrap();
        assert_extends(line, shown, &["tenantId", "passwordAt"], &["current"]);
    }
    let account = &lines(&files, "account.jsonl")[0];
    assert_eq!(account["email"], "alice@example.com");
    assert_eq!(account["firstName"], "Älice");
    assert_eq!(account["preferences"], json!({ "theme": "dark", "a": [1, null] }));
    let data = app.get("/v5/users/me/deletion").by(&alice).send().await.ok();
    assert_extends(&account["deletion"], &data["deletion"], &["operator"], &[]);
    assert_eq!(account["emailSuppression"]["reason"], "operator");
    let shown = app.get("/v5/users/me").by(&alice).send().await.ok();
    let avatar = app.get(shown["avatarUrl"].as_str().unwrap()).send().await;
    assert_eq!(files["avatar.jpg"], avatar.bytes);
    assert_eq!(lines(&files, "memberships.jsonl")[0]["company"], "Ünited");
    assert_eq!(lines(&files, "tenant.jsonl")[0]["ownLimits"]["sessions"], 77);
    let usage = lines(&files, "usage.jsonl");
    assert_eq!(usage[0], json!({ "name": "sessions", "used": 3, "limit": 77 }));
    let data = app.get("/v5/users/me/usage").by(&alice).send().await.ok();
    assert_eq!(json!(usage), data["quotas"]);
    let manifest = &lines(&files, "manifest.json")[0];
    assert_eq!((&manifest["format"], &manifest["userId"]), (&json!(1), &json!(user)));
    let data = app.get("/v5/audit?limit=100").by(&alice).send().await.ok();
    let events = lines(&files, "audit");
    assert_eq!(json!(events), data["events"]);
    assert_eq!(events.last().unwrap()["type"], &*Action::ExportRequested.name());
}

/// The values of these members, wherever they are.
fn secrets(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), value) {
                    ("digest" | "passwordHash" | "seal" | "proof" | "link", Value::String(text)) => {
                        found.push(text.clone());
                    }
                    ("current" | "tokens", Value::Array(texts)) => {
                        found.extend(texts.iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                    _ => secrets(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| secrets(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn an_export_contains_no_secret() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let token = fill(&app, &alice).await;
    // A second export shows what the first one has stored.
    let first = requested(&app, &alice).await;
    app.clock.advance(Duration::from_secs(31 * 60));
    request(&app, &alice)
        .await
        .assert_problem(403, testkit::Code::ReauthenticationRequired);
    let body = json!({ "password": "password123" });
    app.post("/v5/auth/reauthenticate")
        .by(&alice)
        .json(&body)
        .send()
        .await
        .ok();
    let second = requested(&app, &alice).await;
    assert_ne!(first["requestedAt"], second["requestedAt"]);
    let files: Files = super::download(&app, super::url(&second), &second).await;
    let mut forbidden = vec![
        "password123".to_owned(),
        token,
        alice.token.clone(),
        super::url(&first).rsplit('/').next().unwrap().to_owned(),
    ];
    for entry in app.all_entries().await {
        if let Ok(value) = serde_json::from_slice::<Value>(&entry.value) {
            secrets(&value, &mut forbidden);
        }
    }
    assert!(forbidden.len() > 10, "{forbidden:?}");
    for (name, bytes) in files.iter().filter(|(name, _)| *name != "avatar.jpg") {
        let text = str::from_utf8(bytes).unwrap();
        for secret in &forbidden {
            assert!(!text.contains(secret.as_str()), "{name} contains {secret}");
        }
        for name in ["passwordHash", "digest", "refresh\"", "seal", "argon2"] {
            assert!(!text.contains(name), "{name}");
        }
    }
}
