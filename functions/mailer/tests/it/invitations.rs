//! What the email of an invitation says, and what it does not.

use std::time::Duration;

use domain::Role;
use domain::invitations::ops::{self, Draft};
use domain::mail::Failure;
use domain::operator::Operator;
use domain::operator::mails::{self, Retried};
use domain::text::Name;
use domain::users::{self, Email, User};
use domain::{Error, tenants};
use testkit::{Actor, TestApp};

use crate::dead_letters;
use crate::emails::{files, mailer};

const GUEST: &str = "bob@example.com";

/// An application without limits on invitations, and a user with a verified email, whose email about that was sent.
async fn start() -> (TestApp, Actor) {
    let app = TestApp::with_limits(api::Router::new(), |limits| limits.throttle = None);
    let alice = app.register("alice@example.com").await;
    let id = alice.signed_in.user.id;
    let verifying = app.env.db.run(|txn| async move {
        let user = users::store::find(&txn, id).await?.unwrap();
        let at = Some(user.created_at);
        let memberships = tenants::store::memberships(&txn, id).await?;
        tenants::store::set_email_verified(&txn, &memberships, at)?;
        let email_verified_at = at;
        users::store::put(
            &txn,
            &User {
                email_verified_at,
                ..user
            },
        )?;
        Ok::<_, Error>(())
    });
    verifying.await.unwrap();
    crate::send(&app.env, Ok(())).await;
    (app, alice)
}

/// Invites the guest to a new organisation with this name. Returns the token in the email.
async fn invite(app: &TestApp, alice: &Actor, organization: &str, role: Role) -> String {
    let id = app.organization(alice, organization).await;
    let draft = Draft {
        email: Email::parse(GUEST).unwrap(),
        role,
    };
    let created = ops::create(&app.env, &alice.caller().select(id), draft, None).await;
    created.unwrap();
    app.mail_token(GUEST, "organization.invitation").await
}

/// Sends what waits, and returns the only email.
async fn sent(app: &TestApp) -> String {
    let folder = tempfile::tempdir().unwrap();
    mailer(folder.path()).run(app.env.clone(), Duration::MAX).await.unwrap();
    let files = files(folder.path());
    assert_eq!(files.len(), 1, "{files:?}");
    crate::decoded(&files[0])
}

#[tokio::test]
async fn an_invitation_says_who_invites_whither_and_has_its_link_in_both_parts() {
    let (app, alice) = start().await;
    let token = invite(&app, &alice, "Example Inc. & <b>Sons</b>", Role::Admin).await;
    let email = sent(&app).await;
    for part in [
        "To: bob@example.com\r\n",
        "Subject: You are invited to an organisation on Coditect\r\n",
        "The user alice@example.com invites you",
        "You would be an admin.",
    ] {
        assert!(email.contains(part), "{part}: {email}");
    }
    let link = format!("https://ide.example.org/app/invitation#token={token}");
    assert_eq!(email.matches(&link).count(), 3, "{email}");
    assert!(!email.contains("<b>Sons"), "the name is text: {email}");
}

#[tokio::test]
async fn an_invitation_has_no_name_that_could_be_a_link_or_a_message() {
    let (app, alice) = start().await;
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
        invite(&app, &alice, name, Role::Viewer).await;
        let email = sent(&app).await;
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
    let (app, alice) = start().await;
    let token = invite(&app, &alice, "Example", Role::Viewer).await;
    let quoted = format!("550 5.7.1 https://ide.example.org/app/invitation#token={token}");
    crate::send(&app.env, Err(Failure::Permanent(quoted))).await;
    let letters = dead_letters(&app.env).await;
    assert_eq!(letters[0].failure.as_deref(), Some("550 5.7.1 (link)"));
    let entries = app.all_entries().await;
    let secret = &token["coditect_inv_".len()..];
    let has_token = |entry: &&kv::Entry| String::from_utf8_lossy(&entry.value).contains(secret);
    assert_eq!(entries.iter().filter(has_token).count(), 0);
    let operator = Operator::new(&app.env, Name::parse("ops").unwrap());
    let retried = mails::retry(&app.env, &operator, letters[0].id).await.unwrap();
    assert!(matches!(retried, Retried::NoToken { .. }), "{retried:?}");
}

#[tokio::test]
async fn the_summary_of_a_run_counts_invitations_that_are_not_valid_any_more() {
    let (app, alice) = start().await;
    invite(&app, &alice, "Example", Role::Viewer).await;
    let organizations = domain::organisations::ops::list(&app.env, &alice.caller()).await;
    let caller = alice.caller().select(organizations.unwrap()[0].id);
    let invitation = ops::list(&app.env, &caller).await.unwrap().remove(0);
    ops::revoke(&app.env, &caller, invitation.id).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let summary = mailer(folder.path()).run(app.env.clone(), Duration::MAX).await.unwrap();
    let summary = serde_json::to_value(summary).unwrap();
    let expected = serde_json::json!({ "sent": 0, "postponed": 0, "dead": 0, "dropped": 1 });
    assert_eq!(summary, expected);
    assert_eq!(crate::waiting(&app.env).await, 0);
    assert_eq!(dead_letters(&app.env).await, []);
}
