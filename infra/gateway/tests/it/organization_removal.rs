//! What the sweep and the mailer leave of a deleted organisation: nothing but what the documentation names.

use std::time::Duration;

use axum::http::HeaderName;
use domain::mail::ops::{Delivered, deliver};
use domain::operator::Operator;
use domain::operator::tenants::{TenantName, set_limit};
use domain::sweep::sweep;
use domain::text::Name;
use domain::usage::Quota;
use domain::{Role, TenantId};
use kv::{Entry, Key};
use serde_json::{Value, json};
use testkit::{Actor, Target as _, TestApp, TestRequest};

use crate::operations::{Resource, file_resource};
use crate::team::verify;

const GUEST: &str = "guest@example.com";

struct People {
    owner: Actor,
    member: Actor,
    removed: Actor,
    guest: Actor,
}

impl People {
    async fn register(app: &TestApp) -> Self {
        let [owner, member, removed, guest] = [
            app.register("owner@example.com").await,
            app.register("member@example.com").await,
            app.register("removed@example.com").await,
            app.register(GUEST).await,
        ];
        for actor in [&owner, &guest] {
            verify(&app.env.db, actor.signed_in.user.id).await;
        }
        Self {
            owner,
            member,
            removed,
            guest,
        }
    }
}

fn keyed<'a>(call: TestRequest<'a, TestApp>, key: &str) -> TestRequest<'a, TestApp> {
    call.header(HeaderName::from_static("idempotency-key"), key)
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap().to_owned()
}

/// A personal access token of the actor for the organisation.
async fn access_token(app: &TestApp, actor: &Actor, organization: TenantId) -> String {
    let scopes = ["sessions:read", "sessions:write", "files:read", "files:write"];
    let body = json!({ "name": "CI", "scopes": scopes, "tenantId": organization });
    let call = app.post("/v5/users/me/tokens").by(actor).json(&body);
    text(&call.send().await.created(), "token")
}

/// Creates an organisation with data of every kind. Returns its id, and those of its sessions.
async fn fill(app: &TestApp, people: &People) -> (TenantId, Vec<String>) {
    let organization = app.organization(&people.owner, "Example Inc.").await;
    for actor in [&people.member, &people.removed] {
        app.join(actor, organization, &people.owner, Role::Member).await;
    }
    let path = format!("/v5/organizations/{organization}");
    let rename = app.patch(&path).by(&people.owner).json(&json!({ "name": "Beispiel" }));
    rename.send().await.ok();
    fill_invitations(app, people, &path).await;
    let sessions = fill_sessions(app, people, organization).await;

    access_token(app, &people.removed, organization).await;
    let removed = format!("{path}/members/{}", people.removed.signed_in.user.id);
    app.delete(&removed).by(&people.owner).send().await.ok();
    let operator = Operator::new(&app.env, Name::parse("ops").unwrap());
    let name = TenantName::parse(&organization.to_string()).unwrap();
    let limited = set_limit(&app.env, &operator, &name, Quota::Sessions, Some(1_000)).await;
    assert!(limited.unwrap());
    (organization, sessions)
}

/// Pending, accepted, revoked and replaced invitations.
async fn fill_invitations(app: &TestApp, people: &People, path: &str) {
    let invite = async |email: &str| {
        let body = json!({ "email": email, "role": "viewer" });
        let call = app.post(&format!("{path}/invitations")).by(&people.owner).json(&body);
        text(&keyed(call, email).send().await.created(), "id")
    };
    invite(GUEST).await;
    let token = app.mail_token(GUEST, "organization.invitation").await;
    let acceptance = app.post("/v5/invitations/accept").by(&people.guest);
    acceptance.json(&json!({ "token": token })).send().await.ok();
    let revoked = invite("revoked@example.com").await;
    let revocation = format!("{path}/invitations/{revoked}");
    app.delete(&revocation).by(&people.owner).send().await.ok();
    for email in ["pending@example.com", "replaced@example.com", "Replaced@example.com"] {
        invite(email).await;
    }
}

/// Sessions with files, trash, snapshots and uploads, and one that was deleted.
async fn fill_sessions(app: &TestApp, people: &People, organization: TenantId) -> Vec<String> {
    let token = access_token(app, &people.member, organization).await;
    let mut sessions = Vec::new();
    for number in 0..6 {
        let body = json!({ "name": format!("Grüße {number}"), "workspacePath": "/workspace" });
        let call = app.post("/v5/sessions").by(&people.member).within(organization);
        let created = keyed(call, &format!("{number}")).json(&body).send().await.created();
        sessions.push(text(&created, "id"));
    }
    let resources = [
        Resource::Files,
        Resource::TrashItem,
        Resource::Snapshot,
        Resource::Upload,
    ];
    for (session, resource) in sessions.iter().zip(resources) {
        file_resource(app, resource, session, &token).await;
        let path = format!("/v5/sessions/{session}");
        let content = format!("{path}/files/content?path=/folder/large.bin&parents=true");
        let upload = app.put(&content).bearer(&token).body(vec![7; 100_000]);
        upload.send().await.created();
        let snapshot = app.post(&format!("{path}/snapshots")).bearer(&token).send().await;
        let folder = format!("{path}/files?path=/folder&recursive=true");
        app.delete(&folder).bearer(&token).send().await.ok();
        let restore = format!("{path}/snapshots/{}/restore", text(&snapshot.created(), "id"));
        app.post(&restore).bearer(&token).send().await.accepted();
    }
    let last = format!("/v5/sessions/{}", sessions[5]);
    file_resource(app, Resource::Snapshot, &sessions[5], &token).await;
    app.delete(&last).bearer(&token).send().await.ok();
    sessions
}

/// The entries of the store, without commit markers.
async fn entries(app: &TestApp) -> Vec<Entry> {
    let mut entries = app.all_entries().await;
    entries.retain(|entry| !kv::is_commit_marker(&entry.key));
    entries
}

/// The entries whose keys were not in the store before.
async fn added(app: &TestApp, before: &[Entry]) -> Vec<Entry> {
    let mut entries = entries(app).await;
    entries.retain(|entry| before.iter().all(|old| old.key != entry.key));
    entries
}

/// Whether the documentation names the entry: it is about a user, and not about the organisation.
fn is_documented(entry: &Entry, people: &People) -> bool {
    let key = format!("{:?}", entry.key);
    let People {
        owner,
        member,
        removed,
        guest,
    } = people;
    // The logs of the users' own tenants, and what these count.
    let own_logs = [owner, member, removed, guest].into_iter().any(|actor| {
        let own = Key::of(&("tenants", actor.signed_in.tenant.id.uuid()));
        ["audit", "usage"]
            .into_iter()
            .any(|kind| entry.key.strip_prefix(&own.child(&(kind,))).is_some())
    });
    // Personal access tokens stay in the lists of their users. The counters of emails to an address, and of invitations
    // by a user, count the emails of these people. Each entry may also be listed in the expiry index.
    let kinds = ["access_tokens", "recipients", "throttles"];
    own_logs || key.contains("audit_days") || kinds.iter().any(|kind| key.contains(kind))
}

fn keys<'a>(entries: &[&'a Entry]) -> Vec<&'a Key> {
    entries.iter().map(|entry| &entry.key).collect()
}

/// Whether key or value name one of these ids.
fn names(entry: &Entry, ids: &[String]) -> bool {
    let value = String::from_utf8_lossy(&entry.value);
    let key = format!("{:?}", entry.key);
    ids.iter().any(|id| {
        let parsed = TenantId::parse(id).unwrap();
        let is_in = |haystack: &[u8]| haystack.windows(16).any(|window| window == parsed.as_bytes());
        key.contains(id) || value.contains(id) || is_in(entry.key.as_bytes()) || is_in(&entry.value)
    })
}

#[tokio::test]
async fn nothing_is_left_of_a_deleted_organization_but_what_the_documentation_names() {
    let app = TestApp::start(gateway::router());
    let people = People::register(&app).await;
    let before = entries(&app).await;
    let (organization, sessions) = fill(&app, &people).await;
    let filled = added(&app, &before).await;
    for kind in [
        "\"invitations\"",
        "\"uploads\"",
        "\"content_chunks\"",
        "\"idempotency\"",
        "\"search\"",
        "\"limits\"",
        "\"members\"",
        "\"owners\"",
        "\"fs\"",
        "\"file_feeds\"",
        "\"file_jobs\"",
        "\"outbox\"",
    ] {
        let is_there = filled.iter().any(|entry| format!("{:?}", entry.key).contains(kind));
        assert!(is_there, "`fill` stores no {kind}");
    }

    let path = format!("/v5/organizations/{organization}");
    app.delete(&path).by(&people.owner).send().await.ok();
    let mut delivered = Delivered::default();
    deliver(&app.env, &mut delivered, |_| async { Ok(()) }).await.unwrap();
    assert_eq!(delivered.dropped, 5, "{delivered:?}");
    app.clock.advance(Duration::from_mins(10));
    for _ in 0..3 {
        sweep(&app.env, Duration::MAX).await.unwrap();
        app.clock.advance(Duration::from_mins(2));
    }
    let left = added(&app, &before).await;
    let targets = |entries: &[Entry]| {
        let is_one = |entry: &&Entry| format!("{:?}", entry.key).contains("invitations");
        entries.iter().filter(is_one).count()
    };
    // That of the accepted invitation, until it would have expired, and its entry in the expiry index.
    assert_eq!(targets(&left), 2);
    let is_target = |entry: &Entry| format!("{:?}", entry.key).contains("invitations");
    // The emptying of a trash is due when its items expire, and then finds none.
    let is_later_job = |entry: &Entry| entry.key.strip_prefix(&Key::of(&("file_jobs",))).is_some();
    let is_temporary = |entry: &Entry| is_target(entry) || is_later_job(entry);
    let undocumented: Vec<_> = left
        .iter()
        .filter(|entry| !is_documented(entry, &people) && !is_temporary(entry))
        .collect();
    assert!(undocumented.is_empty(), "{:#?}", keys(&undocumented));
    let mut ids = sessions;
    ids.push(organization.to_string());
    let is_of_users = |entry: &Entry| {
        let key = format!("{:?}", entry.key);
        key.contains("\"audit\"") || key.contains("access_tokens")
    };
    let naming: Vec<_> = left
        .iter()
        .filter(|entry| names(entry, &ids) && !is_of_users(entry) && !is_temporary(entry))
        .collect();
    assert!(naming.is_empty(), "{:#?}", keys(&naming));

    app.clock.advance(Duration::from_hours(33 * 24));
    for _ in 0..2 {
        sweep(&app.env, Duration::MAX).await.unwrap();
        app.clock.advance(Duration::from_mins(2));
    }
    let left = added(&app, &before).await;
    let naming: Vec<_> = left
        .iter()
        .filter(|entry| names(entry, &ids) && !is_of_users(entry))
        .collect();
    assert!(naming.is_empty(), "{:#?}", keys(&naming));
    assert_eq!(left.iter().filter(|entry| is_temporary(entry)).count(), 0);
    let throttles = left
        .iter()
        .filter(|entry| format!("{:?}", entry.key).contains("throttles"));
    assert_eq!(throttles.count(), 0);
    let summary = domain::check::check(&app.env, 10, |_| {}).await.unwrap();
    assert!(summary.findings.is_empty(), "{:?}", summary.findings);
}
