//! The mailer sends no invitation that is not valid any more.

use std::sync::Mutex;
use std::time::Duration;

use domain::Role;
use domain::mail::ops::{Delivered, deliver};
use domain::mail::{FIRST_PAUSE, Failure, Mail, Message};
use domain::operator::{Operator, UserName, users};
use domain::text::Name;
use kv::{Key, Range};
use testkit::{Actor, Target as _, TestApp};

use super::{GUEST, accept, invite, invited, list, revoke, team, token, verified};
use crate::{Team, findings, id_of};

/// The tokens of the invitations that a run of the mailer sends, and the number of those that it drops.
async fn run(app: &TestApp, outcome: Result<(), Failure>) -> (Vec<String>, usize) {
    let (tokens, mut delivered) = (Mutex::default(), Delivered::default());
    let send = |mail: Mail| {
        if let Message::Invitation(invite) = &mail.message {
            let token = invite.token.as_ref().unwrap().reveal();
            Vec::push(&mut tokens.lock().unwrap(), token);
        }
        let outcome = outcome.clone();
        async move { outcome }
    };
    deliver(&app.env, &mut delivered, send).await.unwrap();
    (tokens.into_inner().unwrap(), delivered.dropped)
}

/// Checks that the only invitation in the outbox is gone, and was not sent.
async fn assert_dropped(team: &Team) {
    assert_eq!(run(&team.app, Ok(())).await, (vec![], 1));
    let left = team.app.all_entries().await;
    let letters = Range::below(&Key::of(&("dead_letters",)));
    assert!(left.iter().all(|entry| !letters.contains(&entry.key)));
    assert_eq!(testkit::waiting_emails(&team.app.env.db).await.len(), 0);
    assert_eq!(findings(&team.app).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_email_is_dropped_if_its_invitation_was_revoked_or_replaced() {
    let team = team().await;
    run(&team.app, Ok(())).await;
    let first = invite(&team, &team.owner, GUEST, Role::Member).await.created();
    revoke(&team, &team.owner, &first["id"]).await.ok();
    assert_dropped(&team).await;

    invited(&team, GUEST, Role::Viewer).await;
    let newest = invited(&team, GUEST, Role::Member).await;
    assert_eq!(run(&team.app, Ok(())).await, (vec![newest], 1));
    assert_eq!(list(&team, &team.owner).await.len(), 1);
}

#[tokio::test]
async fn a_further_attempt_is_not_made_for_an_invitation_that_was_revoked_meanwhile() {
    let team = team().await;
    run(&team.app, Ok(())).await;
    let invitation = invite(&team, &team.owner, GUEST, Role::Member).await.created();
    let token = token(&team, GUEST).await;
    let temporary = Failure::Temporary("try later".to_owned());
    assert_eq!(run(&team.app, Err(temporary)).await, (vec![token], 0));
    team.app.clock.advance(FIRST_PAUSE);
    revoke(&team, &team.owner, &invitation["id"]).await.ok();
    assert_dropped(&team).await;
}

#[tokio::test]
async fn an_email_is_dropped_if_its_organization_was_deleted() {
    let team = team().await;
    run(&team.app, Ok(())).await;
    invited(&team, GUEST, Role::Member).await;
    team.app.delete(&team.path("")).by(&team.owner).send().await.ok();
    assert_dropped(&team).await;
}

#[tokio::test]
async fn an_email_is_dropped_if_its_invitation_was_accepted() {
    let team = team().await;
    let guest = verified(&team.app, GUEST).await;
    run(&team.app, Ok(())).await;
    let token = invited(&team, GUEST, Role::Member).await;
    accept(&team, &guest, &token).await.ok();
    assert_dropped(&team).await;
}

#[tokio::test]
async fn an_email_is_dropped_if_its_inviter_was_removed() {
    let team = team().await;
    run(&team.app, Ok(())).await;
    invite(&team, &team.admin, GUEST, Role::Member).await.created();
    let removal = team.app.delete(&team.member_path(&team.admin)).by(&team.owner);
    removal.send().await.ok();
    assert_dropped(&team).await;
}

#[tokio::test]
async fn an_email_is_sent_although_its_inviter_is_suspended_for_now() {
    let team = team().await;
    run(&team.app, Ok(())).await;
    let token = invited(&team, GUEST, Role::Member).await;
    suspend(&team, &team.owner).await;
    assert_eq!(run(&team.app, Ok(())).await, (vec![token], 0));
}

async fn suspend(team: &Team, actor: &Actor) {
    let operator = Operator::new(&team.app.env, Name::parse("ops").unwrap());
    let name = UserName::parse(&id_of(actor)).unwrap();
    users::suspend(&team.app.env, &operator, &name).await.unwrap();
}

#[tokio::test]
async fn an_expired_invitation_that_was_not_sent_is_a_dead_letter() {
    let team = team().await;
    run(&team.app, Ok(())).await;
    invited(&team, GUEST, Role::Member).await;
    team.app.clock.advance(Duration::from_hours(7 * 24));
    assert_eq!(run(&team.app, Ok(())).await, (vec![], 0));
    let entries = team.app.all_entries().await;
    let letters = Range::below(&Key::of(&("dead_letters",)));
    assert_eq!(entries.iter().filter(|entry| letters.contains(&entry.key)).count(), 1);
}
