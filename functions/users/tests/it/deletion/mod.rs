//! The deletion of an account, until nothing of it is left.

mod remains;
mod theft;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::HeaderName;
use domain::access_tokens::Scope;
use domain::audit::Listing;
use domain::mail::ops::{Delivered, deliver};
use domain::mail::{Failure, Message};
use domain::operator::{Operator, UserName, deletion, users};
use domain::page::CursorKey;
use domain::record::NewerMembers;
use domain::sweep::{Swept, sweep};
use domain::tenants::{Kind, Membership, Tenant};
use domain::text::Name;
use domain::throttle::{Rule, Rules};
use domain::usage::Quotas;
use domain::users::Email;
use domain::{Error, Role, SystemRng, TenantId, TokenId, UserId, audit, record};
use kv::{Entry, Key};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use testkit::{
    Actor, Code, Target as _, TestApp, TestRequest, TestResponse, TestStore, after_verification, hash_anew, picture,
    waiting_emails,
};
use tokio::time::timeout;

use crate::exports::large::small;
use crate::exports::steps::{during, large_account, recorded};
use crate::{create, router, start, without_rate_limit};

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);
const PATH: &str = "/v5/users/me/deletion";
const ALICE: &str = "alice@example.com";

async fn schedule(app: &TestApp, actor: &Actor, password: &str) -> TestResponse {
    let body = json!({ "password": password });
    app.post(PATH).by(actor).json(&body).send().await
}

async fn state(app: &TestApp, actor: &Actor) -> Value {
    app.get(PATH).by(actor).send().await.ok()["deletion"].take()
}

async fn swept(app: &TestApp) -> Swept {
    sweep(&app.env, Duration::MAX).await.unwrap()
}

fn operator(app: &TestApp) -> Operator {
    Operator::new(&app.env, Name::parse("ops").unwrap())
}

/// Deletes the account now, and removes all of its data.
async fn delete_now(app: &TestApp, user: UserId) {
    let deleted = deletion::delete(&app.env, &operator(app), &UserName::Id(user)).await;
    assert_eq!(deleted.unwrap(), user);
    swept(app).await;
}

/// The types of the events in the actor's audit log, oldest first.
async fn events(app: &TestApp, actor: &Actor) -> Vec<String> {
    let page = audit::ops::list(&app.env, &actor.caller(), &Listing::default()).await;
    let events = page.unwrap().events.into_iter();
    events.map(|(_, event)| event.action.name().into_owned()).collect()
}

/// Everything by which the account could be recognised, as text and as bytes.
fn marks(email: &str, user: UserId, others: &[&str]) -> Vec<Vec<u8>> {
    let parsed = Email::parse(email).unwrap();
    let absent = domain::users::store::absent_id(&parsed);
    let tenant = TenantId::own(user);
    let mut marks = vec![email.as_bytes().to_vec(), Sha256::digest(email).to_vec()];
    let kinds = Message::COUNTED.map(|kind| Sha256::digest(format!("{email}\n{kind}")).to_vec());
    marks.extend(kinds);
    for id in [user.uuid(), tenant.uuid(), absent.uuid()] {
        marks.extend([id.as_bytes().to_vec(), id.to_string().into_bytes()]);
    }
    for other in others {
        marks.push(other.as_bytes().to_vec());
        if let Some(id) = TokenId::parse(other) {
            marks.push(id.as_bytes().to_vec());
        }
    }
    marks
}

/// The bytes with 00 in place of each 00 FF.
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let follows_zero = |index: usize| index.checked_sub(1).is_some_and(|before| bytes[before] == 0);
    let kept = bytes.iter().enumerate();
    kept.filter(|(index, byte)| **byte != 0xFF || !follows_zero(*index))
        .map(|(_, byte)| *byte)
        .collect()
}

/// The entries of the whole store that contain one of the marks.
async fn traces(app: &TestApp, marks: &[Vec<u8>]) -> Vec<Entry> {
    let contains = |bytes: &[u8]| {
        marks
            .iter()
            .any(|mark| bytes.windows(mark.len()).any(|window| window == mark))
    };
    // A key escapes the zero bytes of its elements, and so again a key that is an element of another one.
    let is_marked = |key: &Key| {
        let once = unescaped(key.as_bytes());
        contains(key.as_bytes()) || contains(&once) || contains(&unescaped(&once))
    };
    let entries = app.all_entries().await.into_iter();
    entries
        .filter(|entry| is_marked(&entry.key) || contains(&entry.value))
        .collect()
}

/// Asserts that only the record for operators is left, and its entry in the expiry index.
#[track_caller]
fn assert_only_the_record_for_operators(left: Vec<Entry>, user: UserId) {
    let index = Key::of(&("expiry",));
    let keys = left.into_iter().map(|entry| entry.key);
    let (index, others): (Vec<_>, Vec<_>) = keys.partition(|key| key.strip_prefix(&index).is_some());
    assert_eq!(index.len(), 1, "{index:?}");
    assert_eq!(others, [domain::deletion::keys::done(user)]);
}

/// Asserts that only the record for operators is left, and that it goes with the audit events of its time.
async fn assert_no_trace(app: &TestApp, marks: &[Vec<u8>], user: UserId) {
    assert_only_the_record_for_operators(traces(app, marks).await, user);
    app.clock.advance(366 * DAY);
    swept(app).await;
    assert_eq!(traces(app, marks).await, []);
}

fn register<'a>(app: &'a TestApp, email: &str, key: &str) -> TestRequest<'a, TestApp> {
    let body = json!({
        "email": email, "password": "password123", "firstName": "Alicia", "lastName": "Liddell",
        "company": "Looking Glass"
    });
    app.post("/v5/auth/register")
        .header(HeaderName::from_static("idempotency-key"), key)
        .header(HeaderName::from_static("user-agent"), "Wonder/1.0")
        .json(&body)
}

/// Lets Alice do everything that stores something. Returns her and what would betray her.
async fn live(app: &TestApp) -> (Actor, Vec<Vec<u8>>) {
    // An attempt at an account that does not exist yet is stored under an id that is derived from the email.
    let body = json!({ "email": ALICE, "password": "a wrong one" });
    app.post("/v5/auth/login")
        .json(&body)
        .from_address("198.51.100.6")
        .send()
        .await;
    let absent = domain::users::store::absent_id(&Email::parse(ALICE).unwrap());
    assert!(!traces(app, &[absent.to_string().into_bytes()]).await.is_empty());
    let registered = register(app, ALICE, "the-first")
        .from_address("198.51.100.7")
        .send()
        .await;
    let registered = registered.created();
    let token = registered["token"].as_str().unwrap();
    let user = UserId::parse(registered["user"]["id"].as_str().unwrap()).unwrap();
    let logins = app.get("/v5/auth/logins").bearer(token).send().await.ok();
    let first = logins["logins"][0]["id"].as_str().unwrap().to_owned();

    app.post("/v5/users/me/exports").bearer(token).send().await.accepted();
    let mut ids = vec![first];
    for (name, key) in [("one", "a"), ("Grüße", "b"), ("three", "c")] {
        let draft = json!({ "name": name, "workspacePath": "/rabbit-hole" });
        let request = app.post("/v5/sessions").bearer(token).json(&draft);
        let created = request
            .header(HeaderName::from_static("idempotency-key"), key)
            .send()
            .await
            .created();
        ids.push(created["id"].as_str().unwrap().to_owned());
    }
    app.delete(&format!("/v5/sessions/{}", ids[1]))
        .bearer(token)
        .send()
        .await
        .ok();
    let log_in = |password: &str| {
        let body = json!({ "email": ALICE, "password": password, "deviceToken": registered["deviceToken"] });
        app.post("/v5/auth/login").json(&body)
    };
    // Counters of the pair, the account, the device and the login, and what the audit log reports.
    for address in ["198.51.100.7", "198.51.100.8"] {
        log_in("a wrong one").from_address(address).send().await;
        let body = json!({ "password": "a wrong one" });
        let wrong = app.post("/v5/auth/reauthenticate").bearer(token).json(&body);
        wrong.from_address(address).send().await;
    }
    let body = json!({ "email": ALICE, "password": "a wrong one" });
    app.post("/v5/auth/login")
        .json(&body)
        .from_address("198.51.100.9")
        .send()
        .await;
    let phone = log_in("password123").from_address("198.51.100.7").send().await.ok();
    let phone = phone["token"].as_str().unwrap();
    app.post("/v5/auth/logout").bearer(phone).send().await.ok();
    let refresh = json!({ "refreshToken": registered["refreshToken"] });
    let refreshed = app.post("/v5/auth/refresh").json(&refresh).send().await.ok();
    let token = refreshed["token"].as_str().unwrap();
    let body = json!({ "currentPassword": "password123", "newPassword": "another password" });
    let changed = app
        .post("/v5/auth/password")
        .bearer(token)
        .json(&body)
        .send()
        .await
        .ok();
    assert!(changed["token"].is_string());

    // Alice's next login, below HTTP.
    let email = Email::parse(ALICE).unwrap();
    let password = domain::password::Password::claimed("another password").unwrap();
    let signed_in = domain::logins::ops::log_in(&app.env, &domain::Client::default(), &email, &password, None).await;
    let alice = app.actor(signed_in.unwrap());
    for event in audit_logins(app, &alice).await {
        ids.push(event);
    }
    let others: Vec<&str> = ids.iter().map(String::as_str).collect();
    let names = ["Alicia", "Liddell", "Looking Glass", "Wonder", "rabbit-hole", "Grüße"];
    let mut marks = marks(ALICE, user, &[&others[..], &names].concat());
    marks.extend(set_up_account(app, &alice).await);
    // What has expired is gone already.
    swept(app).await;
    (app.sign_in(&alice).await, marks)
}

/// Lets Alice set what an account has beside sessions: preferences, a picture, a personal access token, another email,
/// and mail tokens. Returns what would betray her.
async fn set_up_account(app: &TestApp, alice: &Actor) -> Vec<Vec<u8>> {
    let patch = json!({ "preferences": { "drink": "a bottle of shrinking" } });
    app.patch("/v5/users/me").by(alice).json(&patch).send().await.ok();
    let upload = app.put("/v5/users/me/avatar").by(alice).content(&picture());
    let account = upload.send().await.ok();
    let (_, digest) = account["avatarUrl"].as_str().unwrap().rsplit_once('/').unwrap();
    let (id, token) = app.access_token(alice, Scope::all(), 30 * DAY).await;

    let verification = json!({ "token": app.mail_token(ALICE, "email.verification").await });
    app.post("/v5/auth/email/verify").json(&verification).send().await.ok();
    app.post("/v5/auth/recovery")
        .json(&json!({ "email": ALICE }))
        .send()
        .await
        .accepted();
    let change_to = async |email: &str| {
        app.clock.advance(DAY);
        let alice = app.sign_in(alice).await;
        let body = json!({ "email": email, "password": "another password" });
        app.post("/v5/users/me/email")
            .by(&alice)
            .json(&body)
            .send()
            .await
            .accepted();
    };
    for email in ["dodo@example.com", "duchess@example.com"] {
        change_to(email).await;
        let confirmation = json!({ "token": app.mail_token(email, "email.change").await });
        app.post("/v5/auth/email/confirm").json(&confirmation).send().await.ok();
    }
    change_to("hatter@example.com").await;
    app.post("/v5/auth/email/verification")
        .by(&app.sign_in(alice).await)
        .send()
        .await
        .accepted();
    let recovery = json!({ "email": "duchess@example.com" });
    app.post("/v5/auth/recovery").json(&recovery).send().await.accepted();
    // Its notification counts for the recipient's maximum of the day.
    app.access_token(&app.sign_in(alice).await, Scope::all(), DAY).await;
    deliver_some_emails(app).await;

    let mut marks = vec![
        b"a bottle of shrinking".to_vec(),
        digest.as_bytes().to_vec(),
        id.as_bytes().to_vec(),
        Sha256::digest(token).to_vec(),
    ];
    for email in ["dodo@example.com", "duchess@example.com", "hatter@example.com"] {
        marks.extend([email.as_bytes().to_vec(), Sha256::digest(email).to_vec()]);
    }
    // The store has found each of them.
    for mark in &marks {
        let found = traces(app, std::slice::from_ref(mark)).await;
        assert!(!found.is_empty(), "{}", String::from_utf8_lossy(mark));
    }
    marks
}

/// Sends the emails that wait: one after the other succeeds, becomes a dead letter, and waits for another attempt.
async fn deliver_some_emails(app: &TestApp) {
    let (number, mut delivered) = (AtomicUsize::new(0), Delivered::default());
    let send = |_| {
        let outcome = match number.fetch_add(1, Ordering::Relaxed) % 3 {
            0 => Ok(()),
            1 => Err(Failure::Permanent("no such mailbox".to_owned())),
            _ => Err(Failure::Temporary("try later".to_owned())),
        };
        async { outcome }
    };
    deliver(&app.env, &mut delivered, send).await.unwrap();
    let counts = [delivered.sent, delivered.dead, delivered.postponed];
    assert!(counts.iter().all(|count| *count > 0), "{delivered:?}");
}

/// The logins that the actor's audit log names.
async fn audit_logins(app: &TestApp, actor: &Actor) -> Vec<String> {
    let page = audit::ops::list(&app.env, &actor.caller(), &Listing::default()).await;
    let events = page.unwrap().events.into_iter();
    events.filter_map(|(_, event)| Some(event.login?.to_string())).collect()
}

#[tokio::test]
async fn a_deletion_is_scheduled_with_the_password_shown_and_cancelled() {
    let app = start();
    let alice = app.register(ALICE).await;
    let of_registration = waiting_emails(&app.env.db).await.len();
    assert_eq!(state(&app, &alice).await, json!(null));
    let body = json!({});
    app.post(PATH)
        .by(&alice)
        .json(&body)
        .send()
        .await
        .assert_invalid(&["/password"]);
    let scheduled = schedule(&app, &alice, "password123").await.accepted();
    let now = app.env.clock.now();
    let expected = json!({ "requestedAt": now, "deletesAt": now.plus(14 * DAY) });
    assert_eq!(scheduled, expected);
    assert_eq!(state(&app, &alice).await, expected);
    assert_eq!(waiting_emails(&app.env.db).await.len(), of_registration + 1);

    // It keeps its time, and the account works.
    app.clock.advance(MINUTE);
    assert_eq!(schedule(&app, &alice, "password123").await.accepted(), expected);
    create(&app, &alice, "one", None).await.created();
    assert_eq!(waiting_emails(&app.env.db).await.len(), of_registration + 1);
    assert_eq!(
        events(&app, &alice).await,
        ["user.registered", "user.deletion_scheduled", "session.created"]
    );

    for _ in 0..2 {
        assert_eq!(app.delete(PATH).by(&alice).send().await.ok(), json!({}));
        assert_eq!(state(&app, &alice).await, json!(null));
    }
    assert_eq!(events(&app, &alice).await[3..], ["user.deletion_cancelled"]);
    app.clock.advance(15 * DAY);
    assert_eq!(swept(&app).await.deleted_accounts, 0);
    app.get("/v5/sessions").by(&app.sign_in(&alice).await).send().await.ok();
}

#[tokio::test]
async fn a_wrong_password_schedules_nothing_and_is_throttled() {
    let app = start();
    let alice = app.register(ALICE).await;
    for _ in 0..10 {
        let response = schedule(&app, &alice, "a wrong one").await;
        response.assert_problem(401, Code::InvalidCredentials);
    }
    let response = schedule(&app, &alice, "password123").await;
    assert_eq!(response.header("retry-after"), Some("1"));
    response.assert_problem(429, Code::TooManyAttempts);
    // The attempts count together with those of a reauthentication.
    let body = json!({ "password": "password123" });
    let response = app.post("/v5/auth/reauthenticate").by(&alice).json(&body).send().await;
    response.assert_problem(429, Code::TooManyAttempts);
    assert_eq!(state(&app, &alice).await, json!(null));
}

#[tokio::test]
async fn at_its_time_a_deletion_leaves_no_trace_and_touches_no_other_account() {
    let app = start();
    let bob = app.register("bob@example.com").await;
    create(&app, &bob, "of Bob", None).await.created();
    let (alice, marks) = live(&app).await;
    schedule(&app, &alice, "another password").await.accepted();
    app.clock.advance(14 * DAY + Duration::from_millis(59_999));
    assert_eq!(swept(&app).await.deleted_accounts, 0, "another clock may be ahead");
    let alice = app.sign_in(&alice).await;
    app.get("/v5/sessions").by(&alice).send().await.ok();

    let bobs = marks_of(&bob);
    let before = traces(&app, &bobs).await;
    app.clock.advance(Duration::from_millis(1));
    assert_eq!(swept(&app).await.deleted_accounts, 1);
    assert_eq!(traces(&app, &bobs).await, before);
    let response = app.get("/v5/sessions").by(&alice).send().await;
    response.assert_problem(401, Code::RevokedToken);
    let user = alice.signed_in.user.id;
    let deleted = deletion::find_deleted(&app.env, user).await.unwrap().unwrap();
    assert_eq!((deleted.operator, deleted.deleted_at), (None, app.env.clock.now()));
    assert_eq!(check(&app).await, Vec::<String>::new());
    assert_no_trace(&app, &marks, user).await;
    assert_eq!(check(&app).await, Vec::<String>::new());
}

fn marks_of(actor: &Actor) -> Vec<Vec<u8>> {
    let user = &actor.signed_in.user;
    marks(user.email.as_str(), user.id, &[])
}

/// The invariants that the store violates.
async fn check(app: &TestApp) -> Vec<String> {
    let summary = domain::check::check(&app.env, 100, |_| ()).await.unwrap();
    let findings = summary.findings.into_iter();
    findings
        .map(|finding| format!("{}: {}", finding.key, finding.problem))
        .collect()
}

#[tokio::test]
async fn an_account_of_the_same_day_leaves_no_trace_either() {
    let app = start();
    let (alice, marks) = live(&app).await;
    let user = alice.signed_in.user.id;
    delete_now(&app, user).await;
    assert_no_trace(&app, &marks, user).await;
    // The same request as on the first day, with the same key, now creates another account.
    let created = register(&app, ALICE, "the-first").send().await.created();
    assert_ne!(created["user"]["id"], user.to_string());
}

#[tokio::test]
async fn a_suspended_user_is_deleted_all_the_same() {
    let app = start();
    let alice = app.register(ALICE).await;
    schedule(&app, &alice, "password123").await.accepted();
    let name = UserName::Id(alice.signed_in.user.id);
    users::suspend(&app.env, &operator(&app), &name).await.unwrap();
    app.clock.advance(15 * DAY);
    assert_eq!(swept(&app).await.deleted_accounts, 1);
    assert_no_trace(&app, &marks_of(&alice), alice.signed_in.user.id).await;
}

/// Adds an organisation with these members.
async fn organisation(app: &TestApp, name: &str, members: &[(&Actor, Role)]) -> TenantId {
    let tenant = &Tenant {
        id: app.env.ids.next(),
        name: name.to_owned(),
        kind: Kind::Organization,
        cursor_key: CursorKey::draw(&SystemRng),
        newer: NewerMembers::default(),
    };
    app.env
        .db
        .run(|txn| async move {
            txn.set(&Key::of(&("tenants", tenant.id.uuid())), record::encode(tenant)?)?;
            for (actor, role) in members {
                let membership = Membership {
                    tenant: tenant.id,
                    role: *role,
                    ..actor.signed_in.membership.clone()
                };
                let (user, id) = (membership.user.uuid(), tenant.id.uuid());
                txn.set(&Key::of(&("users", user, "tenants", id)), record::encode(&membership)?)?;
                txn.set(&Key::of(&("tenants", id, "members", user)), [])?;
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    tenant.id
}

#[tokio::test]
async fn the_last_owner_of_an_organisation_is_not_deleted() {
    let app = start();
    let (alice, bob) = (app.register(ALICE).await, app.register("bob@example.com").await);
    let name = UserName::Id(alice.signed_in.user.id);
    organisation(&app, "shared", &[(&alice, Role::Owner), (&bob, Role::Owner)]).await;
    organisation(&app, "of Bob", &[(&alice, Role::Member), (&bob, Role::Owner)]).await;
    schedule(&app, &alice, "password123").await.accepted();
    app.delete(PATH).by(&alice).send().await.ok();

    let alone = organisation(&app, "alone", &[(&alice, Role::Owner), (&bob, Role::Viewer)]).await;
    let response = schedule(&app, &alice, "password123").await;
    let listed = json!([{ "id": alone, "name": "alone" }]);
    assert_eq!(response.body["organizations"], listed);
    response.assert_problem(409, Code::LastOwner);
    assert_eq!(state(&app, &alice).await, json!(null));
    for refused in [
        deletion::schedule(&app.env, &operator(&app), &name).await.map(drop),
        deletion::delete(&app.env, &operator(&app), &name).await.map(drop),
    ] {
        assert!(matches!(refused, Err(Error::LastOwner(tenants)) if tenants.len() == 1));
    }
    // The right password costs no attempt.
    for _ in 0..11 {
        let response = schedule(&app, &alice, "password123").await;
        response.assert_problem(409, Code::LastOwner);
    }
}

#[tokio::test]
async fn a_suspended_owner_is_no_other_owner() {
    let app = start();
    let (alice, bob) = (app.register(ALICE).await, app.register("bob@example.com").await);
    let shared = organisation(&app, "shared", &[(&alice, Role::Owner), (&bob, Role::Owner)]).await;
    let name = UserName::Id(bob.signed_in.user.id);
    users::suspend(&app.env, &operator(&app), &name).await.unwrap();
    let response = schedule(&app, &alice, "password123").await;
    assert_eq!(
        response.body["organizations"],
        json!([{ "id": shared, "name": "shared" }])
    );
    response.assert_problem(409, Code::LastOwner);
    users::resume(&app.env, &operator(&app), &name).await.unwrap();
    schedule(&app, &alice, "password123").await.accepted();
}

#[tokio::test]
async fn a_deletion_that_would_orphan_an_organisation_is_postponed_and_members_leave_with_an_event() {
    let app = start();
    let (alice, bob) = (app.register(ALICE).await, app.register("bob@example.com").await);
    schedule(&app, &alice, "password123").await.accepted();
    let tenant = organisation(&app, "late", &[(&alice, Role::Owner)]).await;
    app.clock.advance(15 * DAY);
    let postponed = swept(&app).await;
    assert_eq!((postponed.deleted_accounts, postponed.postponed_deletions), (0, 1));
    let again = swept(&app).await;
    assert_eq!((again.deleted_accounts, again.postponed_deletions), (0, 0));
    let alice = app.sign_in(&alice).await;
    let later = app.env.clock.now().plus(DAY);
    assert_eq!(state(&app, &alice).await["deletesAt"], json!(later));

    let user = bob.signed_in.user.id.uuid();
    let membership = Membership {
        tenant,
        ..bob.signed_in.membership.clone()
    };
    let (membership, key) = (&membership, &Key::of(&("users", user, "tenants", tenant.uuid())));
    let index = &Key::of(&("tenants", tenant.uuid(), "members", user));
    app.env
        .db
        .run(|txn| async move {
            txn.set(key, record::encode(membership)?)?;
            txn.set(index, [])?;
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    app.clock.advance(DAY + MINUTE);
    assert_eq!(swept(&app).await.deleted_accounts, 1);

    // Only the organisation's log names Alice, with the event of her deletion.
    let left = traces(&app, &marks_of(&alice)).await;
    let log = Key::of(&("tenants", tenant.uuid(), "audit"));
    let logged: Vec<_> = left
        .iter()
        .filter(|entry| entry.key.strip_prefix(&log).is_some())
        .collect();
    assert_eq!(logged.len(), 1, "{left:#?}");
    let event: audit::Event = record::decode(&logged[0].value).unwrap();
    assert_eq!(event.action.name(), "user.deleted");
    assert_eq!((event.user, event.address), (Some(alice.signed_in.user.id), None));
    assert_eq!(check(&app).await, Vec::<String>::new());
}

/// The ids of the emails that wait.
async fn waiting_ids(app: &TestApp) -> BTreeSet<String> {
    let emails = waiting_emails(&app.env.db).await;
    let ids = emails.iter().map(|email| email["id"].as_str().unwrap().to_owned());
    ids.collect()
}

#[tokio::test]
async fn an_account_that_takes_the_email_during_the_removal_keeps_what_is_stored_under_it() {
    let app = start();
    let (alice, _) = live(&app).await;
    let user = alice.signed_in.user.id;
    deletion::delete(&app.env, &operator(&app), &UserName::Id(user))
        .await
        .unwrap();
    let of_old_account = waiting_ids(&app).await;
    // Before the sweep removes anything.
    let created = register(&app, ALICE, "another-key")
        .from_address("198.51.100.7")
        .send()
        .await
        .created();
    let token = created["token"].as_str().unwrap();
    let body = json!({ "currentPassword": "password123", "newPassword": "a third password" });
    app.post("/v5/auth/password")
        .bearer(token)
        .json(&body)
        .send()
        .await
        .ok();
    let digest = &[Sha256::digest(ALICE).to_vec()];
    let counters = traces(&app, digest).await;
    let of_new_account = &waiting_ids(&app).await - &of_old_account;
    assert!(!counters.is_empty() && !of_new_account.is_empty());
    swept(&app).await;
    assert_eq!(traces(&app, digest).await, counters);
    assert!(waiting_ids(&app).await.is_superset(&of_new_account));
    let body = json!({ "email": ALICE, "password": "a third password" });
    app.post("/v5/auth/login").json(&body).send().await.ok();
    let old = [user.uuid().as_bytes().to_vec(), user.to_string().into_bytes()];
    assert_only_the_record_for_operators(traces(&app, &old).await, user);
    assert_eq!(check(&app).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_new_account_does_not_trust_the_devices_of_the_old_one() {
    let app = start();
    let alice = app.register(ALICE).await;
    let device = alice.signed_in.refresh_token.device_token().reveal();
    deletion::delete(&app.env, &operator(&app), &UserName::Id(alice.signed_in.user.id))
        .await
        .unwrap();
    register(&app, ALICE, "key")
        .from_address("198.51.100.7")
        .send()
        .await
        .created();
    let attempt = |password: &str, device: Option<&str>| {
        let body = json!({ "email": ALICE, "password": password, "deviceToken": device.unwrap_or("none") });
        app.post("/v5/auth/login").json(&body).from_address("203.0.113.99")
    };
    // Attempts from elsewhere use up the budget of all unknown clients, and so that of the old device.
    for _ in 0..20 {
        attempt("a wrong one", None).send().await;
    }
    let response = attempt("password123", Some(&device)).send().await;
    response.assert_problem(429, Code::TooManyAttempts);
}

#[tokio::test]
async fn a_password_that_is_hashed_anew_meanwhile_is_verified_again_as_the_same_attempt() {
    let app = start();
    let (alice, bob) = (app.register(ALICE).await, app.register("bob@example.com").await);
    // The first request creates the counters.
    schedule(&app, &alice, "password123").await.accepted();
    app.delete(PATH).by(&alice).send().await.ok();
    let attempts = async || {
        let mut entries = app.all_entries().await;
        entries.retain(|entry| entry.key.strip_prefix(&Key::of(&("throttles", "login"))).is_some());
        entries
    };
    let before = attempts().await;
    assert!(!before.is_empty());

    let [user, other] = [&alice, &bob].map(|actor| actor.signed_in.user.id);
    let hash_anew = hash_anew(app.env.db.clone(), user, other);
    let interrupted = TestApp::on_with_env(router(), app.env.db.clone(), |env| {
        after_verification(env, hash_anew);
        // A second attempt, or a second login of the day, would be rejected.
        env.limits.throttle.as_mut().unwrap().pair = Rule {
            free: 1,
            ..Rules::default().pair
        };
        env.limits.quotas = Some(Quotas {
            logins_per_day: 1,
            ..without_rate_limit()
        });
    });
    schedule(&interrupted, &alice, "password123").await.accepted();
    assert_eq!(interrupted.env.hasher.verifications(), 2);
    assert!(attempts().await == before);
    let response = schedule(&interrupted, &alice, "password123").await;
    assert_eq!(response.header("retry-after"), Some("86400"), "a day");
    response.assert_problem(429, Code::TooManyAttempts);
}

/// Sends a request that verifies the password, and deletes the account between its two transactions. Checks that the
/// request is rejected and writes nothing.
async fn race(path: &str, body: Value, by_alice: bool, expected: (u16, Code)) {
    let app = Arc::new(start());
    let alice = app.register(ALICE).await;
    let user = alice.signed_in.user.id;
    let deleting = {
        let app = app.clone();
        async move { delete_now(&app, user).await }
    };
    let interrupted = TestApp::on_with_env(router(), app.env.db.clone(), |env| after_verification(env, deleting));
    let request = interrupted.post(path).json(&body);
    let request = if by_alice { request.by(&alice) } else { request };
    request.send().await.assert_problem(expected.0, expected.1);
    let login = alice.signed_in.login.id.to_string();
    assert_no_trace(&app, &marks(ALICE, user, &[&login]), user).await;
}

#[tokio::test]
async fn a_request_in_progress_is_rejected_and_writes_nothing() {
    let wrong = "a wrong one";
    let revoked = (401, Code::RevokedToken);
    let invalid = (401, Code::InvalidCredentials);
    race(
        "/v5/auth/login",
        json!({ "email": ALICE, "password": "password123" }),
        false,
        invalid,
    )
    .await;
    race(
        "/v5/auth/login",
        json!({ "email": ALICE, "password": wrong }),
        false,
        invalid,
    )
    .await;
    race(
        "/v5/auth/reauthenticate",
        json!({ "password": "password123" }),
        true,
        revoked,
    )
    .await;
    race("/v5/auth/reauthenticate", json!({ "password": wrong }), true, invalid).await;
    race(PATH, json!({ "password": "password123" }), true, revoked).await;
    race(PATH, json!({ "password": wrong }), true, invalid).await;
    let change = |current| json!({ "currentPassword": current, "newPassword": "another password" });
    race("/v5/auth/password", change("password123"), true, revoked).await;
    race("/v5/auth/password", change(wrong), true, invalid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn either_the_cancellation_or_the_execution_wins() {
    let app = &start();
    let mut user = app.register(ALICE).await;
    let (mut cancelled, mut deleted) = (0, 0);
    for round in 0..400 {
        if cancelled >= 3 && deleted >= 3 {
            return;
        }
        let name = UserName::Id(user.signed_in.user.id);
        deletion::schedule(&app.env, &operator(app), &name).await.unwrap();
        app.clock.advance(14 * DAY + MINUTE);
        let (env, caller) = (app.env.clone(), app.sign_in(&user).await.caller());
        let before = env.db.usage().attempts;
        let sweeping = tokio::spawn({
            let env = env.clone();
            async move { sweep(&env, Duration::MAX).await.unwrap() }
        });
        // The sweep executes deletions after some other transactions: cancel after a different number in each round.
        while env.db.usage().attempts < before + round % 40 && !sweeping.is_finished() {
            tokio::task::yield_now().await;
        }
        let cancelling = domain::deletion::ops::cancel(&env, &caller).await;
        match (cancelling, sweeping.await.unwrap().deleted_accounts) {
            (Ok(()), 0) => cancelled += 1,
            (Err(Error::Revoked), 1) => {
                deleted += 1;
                user = app.register(ALICE).await;
            }
            other => panic!("in round {round}: {other:?}"),
        }
        // A deletion that was cancelled is not executed later.
        assert_eq!(swept(app).await.deleted_accounts, 0);
    }
    panic!("{cancelled} deletions were cancelled and {deleted} executed");
}

#[tokio::test]
async fn a_removal_of_many_sessions_takes_several_transactions_and_survives_interruptions() {
    let app = start();
    let alice = app.register(ALICE).await;
    for number in 0..450 {
        create(&app, &alice, &format!("session {number}"), Some(&format!("{number}")))
            .await
            .created();
    }
    let user = alice.signed_in.user.id;
    deletion::delete(&app.env, &operator(&app), &UserName::Id(user))
        .await
        .unwrap();
    let before = app.env.db.usage().commits;
    // Sweeps in parallel, some of which end at once.
    let sweeps = (0..8_u32).map(|number| {
        let env = app.env.clone();
        let budget = if number % 2 == 0 {
            Duration::from_millis(20)
        } else {
            Duration::MAX
        };
        async move { sweep(&env, budget).await }
    });
    for outcome in futures_util::future::join_all(sweeps).await {
        outcome.unwrap();
    }
    swept(&app).await;
    let commits = app.env.db.usage().commits - before;
    assert!(
        commits >= 15,
        "{commits} transactions for 450 sessions, keys and events"
    );
    assert_no_trace(&app, &marks_of(&alice), user).await;
    assert_eq!(check(&app).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_export_goes_with_its_account() {
    let app = start();
    let alice = app.register(ALICE).await;
    let request = app.post("/v5/users/me/exports").by(&alice);
    let export = request.send().await.accepted();
    let user = alice.signed_in.user.id;
    delete_now(&app, user).await;
    let path = export["downloadUrl"].as_str().unwrap();
    app.get(path).send().await.assert_problem(404, Code::NotFound);
    assert_only_the_record_for_operators(traces(&app, &marks(ALICE, user, &[])).await, user);
}

#[tokio::test(start_paused = true)]
async fn the_parts_of_a_step_that_has_not_ended_go_with_the_account() {
    let store = TestStore::lmdb();
    let (app, alice) = large_account(&store, small()).await;
    let mut trips = 8..30;
    while !matches!(recorded(&app, &alice).await, Some((_, Some(2)))) {
        app.clock.advance(small().step);
        let call = app.post("/v5/users/me/exports").by(&alice).send();
        let _ = timeout(during(trips.next().unwrap()), call).await;
    }
    let user = alice.signed_in.user.id;
    delete_now(&app, user).await;
    assert_only_the_record_for_operators(traces(&app, &marks_of(&alice)).await, user);
}
