//! What the email of an invitation says, and what it does not.

use std::time::Duration;

use domain::Role;
use domain::invitations::InvitationToken;
use domain::mail::{Failure, Invite, Mail, Message, store};
use domain::operator::Operator;
use domain::operator::mails::{self, Retried};
use domain::text::Name;
use domain::users::Email;
use testkit::TestApp;

use crate::dead_letters;
use crate::emails::{files, mailer};

fn invitation(app: &TestApp, organization: &str, role: Role) -> Mail {
    let now = app.env.clock.now();
    let token = format!("coditect_inv_{}", "A".repeat(43));
    let message = Message::Invitation(Invite {
        token: InvitationToken::parse(&token),
        organization: organization.to_owned(),
        inviter: Email::parse("alice@example.com").unwrap(),
        role,
        expires_at: now.plus(Duration::from_hours(7 * 24)),
    });
    let to = Email::parse("bob@example.com").unwrap();
    let mail = Mail::notification(app.env.ids.next(), app.env.ids.next(), to, message, now);
    mail.until(now.plus(Duration::from_hours(7 * 24)))
}

async fn write(app: &TestApp, mail: &Mail) {
    let added = app.env.db.run(|txn| async move { store::add(&txn, mail) });
    added.await.unwrap();
}

#[tokio::test]
async fn an_invitation_says_who_invites_whither_and_has_its_link_in_both_parts() {
    let app = TestApp::start(api::Router::new());
    let folder = tempfile::tempdir().unwrap();
    write(&app, &invitation(&app, "Example Inc. & <b>Sons</b>", Role::Admin)).await;
    mailer(folder.path()).run(app.env.clone(), Duration::MAX).await.unwrap();
    let email = crate::decoded(&files(folder.path()).pop().unwrap());
    for part in [
        "To: bob@example.com\r\n",
        "Subject: You are invited to an organisation on Coditect\r\n",
        "The user alice@example.com invites you",
        "You would be an admin.",
    ] {
        assert!(email.contains(part), "{part}: {email}");
    }
    let link = format!(
        "https://ide.example.org/app/invitation#token=coditect_inv_{}",
        "A".repeat(43)
    );
    assert_eq!(email.matches(&link).count(), 3, "{email}");
    assert!(!email.contains("<b>Sons"), "the name is text: {email}");
}

#[tokio::test]
async fn an_invitation_has_no_name_that_could_be_a_link_or_a_message() {
    let app = TestApp::start(api::Router::new());
    let long = "x".repeat(61);
    for (name, is_shown) in [
        ("Example Inc.", true),
        ("Example", true),
        ("example.com", false),
        ("see http", true),
        ("https://example.com", false),
        ("write to me@example", false),
        ("a/b", false),
        (&*long, false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(&app, &invitation(&app, name, Role::Viewer)).await;
        mailer(folder.path()).run(app.env.clone(), Duration::MAX).await.unwrap();
        let email = crate::decoded(&files(folder.path()).pop().unwrap());
        assert_eq!(
            email.contains("invites you to an organisation on"),
            !is_shown,
            "{name}: {email}"
        );
        assert!(!is_shown || email.contains(name), "{name}: {email}");
    }
}

#[tokio::test]
async fn a_rejected_invitation_is_a_dead_letter_without_its_token() {
    let app = TestApp::start(api::Router::new());
    write(&app, &invitation(&app, "Example", Role::Viewer)).await;
    let quoted = format!(
        "550 5.7.1 https://ide.example.org/app/invitation#token=coditect_inv_{}",
        "A".repeat(43)
    );
    crate::send(&app.env, Err(Failure::Permanent(quoted))).await;
    let letters = dead_letters(&app.env).await;
    assert_eq!(letters[0].failure.as_deref(), Some("550 5.7.1 (link)"));
    let entries = app.all_entries().await;
    let has_token = |entry: &&kv::Entry| String::from_utf8_lossy(&entry.value).contains("AAAAAAAA");
    assert_eq!(entries.iter().filter(has_token).count(), 0);
    let operator = Operator::new(&app.env, Name::parse("ops").unwrap());
    let retried = mails::retry(&app.env, &operator, letters[0].id).await.unwrap();
    assert!(matches!(retried, Retried::NoToken { .. }), "{retried:?}");
}
