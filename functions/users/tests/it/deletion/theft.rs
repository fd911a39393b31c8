//! A thief with the password schedules the deletion, and the user gets the account back.

use domain::sweep::Swept;
use serde_json::{Value, json};
use testkit::{Actor, Code, Target as _, TestApp, TestResponse, waiting_emails};

use super::{ALICE, DAY, MINUTE, UserName, deletion, operator, schedule, swept};
use crate::start;

const MALLORY: &str = "mallory@example.com";

async fn send(app: &TestApp, path: &str, token: &str) -> TestResponse {
    let body = json!({ "token": token, "password": "another password" });
    let body = if path == "recovery/complete" {
        body
    } else {
        json!({ "token": token })
    };
    app.post(&format!("/v5/auth/{path}")).json(&body).send().await
}

async fn register_verified(app: &TestApp) -> Actor {
    let alice = app.register(ALICE).await;
    let token = app.mail_token(ALICE, "email.verification").await;
    send(app, "email/verify", &token).await.ok();
    alice
}

/// Changes the email, and returns the token that undoes it.
async fn change_email(app: &TestApp, actor: &Actor, from: &str, to: &str) -> String {
    let body = json!({ "email": to, "password": "password123" });
    let change = app.post("/v5/users/me/email").by(actor).json(&body);
    change.send().await.accepted();
    let token = app.mail_token(to, "email.change").await;
    send(app, "email/confirm", &token).await.ok();
    app.mail_token(from, "email.changed").await
}

/// Chooses a new password with the token of an email of this type.
async fn recover(app: &TestApp, kind: &str) -> Value {
    let token = app.mail_token(ALICE, kind).await;
    send(app, "recovery/complete", &token).await.ok()
}

async fn request_recovery(app: &TestApp) {
    let body = json!({ "email": ALICE });
    app.post("/v5/auth/recovery").json(&body).send().await.accepted();
}

/// The recipients of the emails of this type, sorted.
async fn recipients(app: &TestApp, kind: &str) -> Vec<String> {
    let emails = waiting_emails(&app.env.db).await;
    let emails = emails.iter().filter(|email| email["message"]["type"] == kind);
    let mut recipients: Vec<_> = emails.map(|email| email["to"].as_str().unwrap().to_owned()).collect();
    recipients.sort();
    recipients
}

/// When the account is deleted, as its user sees it.
async fn deletes_at(app: &TestApp, token: &str) -> Value {
    let account = app.get("/v5/users/me").bearer(token).send().await.ok();
    account["deletesAt"].clone()
}

/// The types of the events in the audit log of the user with this token, latest first.
async fn events(app: &TestApp, token: &str) -> Vec<String> {
    let page = app.get("/v5/audit").bearer(token).send().await.ok();
    let events = page["events"].as_array().unwrap().iter();
    let mut events: Vec<_> = events.map(|event| event["type"].as_str().unwrap().to_owned()).collect();
    events.reverse();
    events
}

async fn swept_later(app: &TestApp) -> Swept {
    app.clock.advance(15 * DAY);
    swept(app).await
}

#[tokio::test]
async fn an_undone_change_of_the_email_cancels_the_deletion() {
    let app = start();
    let alice = register_verified(&app).await;
    let undo = change_email(&app, &alice, ALICE, MALLORY).await;
    let scheduled = schedule(&app, &alice, "password123").await.accepted();
    assert_eq!(deletes_at(&app, &alice.token).await, scheduled["deletesAt"]);
    assert_eq!(recipients(&app, "account.deletion_scheduled").await, [ALICE, MALLORY]);
    send(&app, "email/undo", &undo).await.ok();
    let recovered = recover(&app, "email.change_undone").await;
    let token = recovered["token"].as_str().unwrap();
    assert_eq!(deletes_at(&app, token).await, json!(null));
    assert_eq!(
        events(&app, token).await[..4],
        [
            "login.opened",
            "password.recovered",
            "user.deletion_cancelled",
            "email.change_undone"
        ]
    );
    assert_eq!(swept_later(&app).await.deleted_accounts, 0);
}

#[tokio::test]
async fn a_recovery_cancels_the_deletion() {
    let app = start();
    let alice = app.register(ALICE).await;
    schedule(&app, &alice, "password123").await.accepted();
    request_recovery(&app).await;
    let recovered = recover(&app, "password.recovery").await;
    let token = recovered["token"].as_str().unwrap();
    assert_eq!(deletes_at(&app, token).await, json!(null));
    assert_eq!(
        events(&app, token).await[..3],
        ["login.opened", "user.deletion_cancelled", "password.recovered"]
    );
    assert_eq!(swept_later(&app).await.deleted_accounts, 0);
}

#[tokio::test]
async fn a_deletion_that_an_operator_ordered_stays() {
    let app = start();
    let alice = register_verified(&app).await;
    let undo = change_email(&app, &alice, ALICE, MALLORY).await;
    let scheduled = schedule(&app, &alice, "password123").await.accepted();
    // The order takes the user's deletion over, and keeps its time.
    app.clock.advance(MINUTE);
    let name = UserName::Id(alice.signed_in.user.id);
    for _ in 0..2 {
        let ordered = deletion::schedule(&app.env, &operator(&app), &name).await.unwrap();
        assert_eq!(json!(ordered.due_at), scheduled["deletesAt"]);
        assert_eq!(json!(ordered.operator), json!("ops"));
    }
    assert_eq!(recipients(&app, "account.deletion_ordered").await, [ALICE, MALLORY]);
    send(&app, "email/undo", &undo).await.ok();
    let recovered = recover(&app, "email.change_undone").await;
    let token = recovered["token"].as_str().unwrap();
    assert_eq!(deletes_at(&app, token).await, scheduled["deletesAt"]);
    let expected = [
        "login.opened",
        "password.recovered",
        "email.change_undone",
        "user.deletion_ordered",
        "user.deletion_scheduled",
    ];
    assert_eq!(events(&app, token).await[..5], expected);
    assert_eq!(swept_later(&app).await.deleted_accounts, 1);
    let deleted = deletion::find_deleted(&app.env, alice.signed_in.user.id).await;
    assert_eq!(json!(deleted.unwrap().unwrap().operator), json!("ops"));
}

#[tokio::test]
async fn a_link_from_an_operator_cancels_the_deletion_too() {
    let app = start();
    let alice = app.register(ALICE).await;
    schedule(&app, &alice, "password123").await.accepted();
    let name = UserName::Id(alice.signed_in.user.id);
    let link = domain::operator::users::create_recovery_link(&app.env, &operator(&app), &name).await;
    let recovered = send(&app, "recovery/complete", &link.unwrap().token.reveal())
        .await
        .ok();
    let token = recovered["token"].as_str().unwrap();
    assert_eq!(deletes_at(&app, token).await, json!(null));
}

#[tokio::test]
async fn a_deletion_waits_until_no_change_of_the_email_can_be_undone() {
    let app = start();
    let alice = register_verified(&app).await;
    schedule(&app, &alice, "password123").await.accepted();
    app.clock.advance(10 * DAY);
    let alice = app.sign_in(&alice).await;
    change_email(&app, &alice, ALICE, MALLORY).await;
    app.clock.advance(2 * DAY);
    let undo = change_email(&app, &app.sign_in(&alice).await, MALLORY, "eve@example.com").await;
    app.clock.advance(2 * DAY + MINUTE);
    let postponed = swept(&app).await;
    assert_eq!((postponed.deleted_accounts, postponed.postponed_deletions), (0, 1));
    // Until the later one of the two can no longer be undone.
    app.clock.advance((5 * DAY).saturating_sub(MINUTE));
    let alice = app.sign_in(&alice).await;
    assert_eq!(deletes_at(&app, &alice.token).await, json!(app.env.clock.now()));
    assert_eq!(swept(&app).await.deleted_accounts, 0, "another clock may be ahead");
    app.clock.advance(MINUTE);
    assert_eq!(swept(&app).await.deleted_accounts, 1);
    send(&app, "email/undo", &undo)
        .await
        .assert_problem(404, Code::NotFound);
}

#[tokio::test]
async fn an_operators_deletion_does_not_wait() {
    let app = start();
    let alice = register_verified(&app).await;
    let name = UserName::Id(alice.signed_in.user.id);
    deletion::schedule(&app.env, &operator(&app), &name).await.unwrap();
    app.clock.advance(10 * DAY);
    change_email(&app, &app.sign_in(&alice).await, ALICE, MALLORY).await;
    app.clock.advance(4 * DAY + MINUTE);
    assert_eq!(swept(&app).await.deleted_accounts, 1);
}

#[tokio::test]
async fn the_notice_goes_to_the_address_of_the_time_at_which_it_is_scheduled() {
    let app = std::sync::Arc::new(start());
    let alice = app.register(ALICE).await;
    let body = json!({ "email": MALLORY, "password": "password123" });
    let change = app.post("/v5/users/me/email").by(&alice).json(&body);
    change.send().await.accepted();
    let confirmation = app.mail_token(MALLORY, "email.change").await;
    let before = app.all_entries().await;
    let request = tokio::spawn({
        let (app, alice) = (app.clone(), alice.clone());
        async move { schedule(&app, &alice, "password123").await }
    });
    // The first transaction counts the attempt. The address was never verified, so nothing undoes the change.
    while app.all_entries().await == before {
        tokio::task::yield_now().await;
    }
    send(&app, "email/confirm", &confirmation).await.ok();
    request.await.unwrap().accepted();
    assert_eq!(recipients(&app, "account.deletion_scheduled").await, [MALLORY]);
}

#[tokio::test]
async fn notices_of_deletions_are_limited_when_they_are_requested() {
    let app = start();
    let alice = app.register(ALICE).await;
    for _ in 0..3 {
        schedule(&app, &alice, "password123").await.accepted();
        // One that is scheduled already sends no email.
        schedule(&app, &alice, "password123").await.accepted();
        app.delete(super::PATH).by(&alice).send().await.ok();
    }
    for _ in 0..11 {
        // The right password costs no attempt.
        let response = schedule(&app, &alice, "password123").await;
        response.assert_problem(429, Code::TooManyAttempts);
    }
    assert_eq!(super::state(&app, &alice).await, json!(null));
    assert_eq!(recipients(&app, "account.deletion_scheduled").await.len(), 3);
    app.clock.advance(60 * MINUTE);
    schedule(&app, &app.sign_in(&alice).await, "password123")
        .await
        .accepted();
}
