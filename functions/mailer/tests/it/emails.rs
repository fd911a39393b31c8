//! Which requests write an email, and what the emails say.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use api::config::{MailSettings, MailTransport};
use domain::access_tokens::Scope;
use domain::mail::ops::{Delivered, deliver};
use domain::mail::{Failure, Mail, Message, Source, store};
use domain::operator::Operator;
use domain::operator::mails::{self, Retried};
use domain::text::Name;
use domain::users::Email;
use mailer::Mailer;
use serde_json::json;
use testkit::{Target as _, TestApp};
use tokio::sync::Notify;

use crate::{add, dead_letters, waiting};

fn mailer(folder: &Path) -> Mailer {
    let settings = MailSettings {
        transport: MailTransport::File(folder.to_owned()),
        from: "Coditect <noreply@example.org>".to_owned(),
        public_url: "https://ide.example.org/".to_owned(),
    };
    Mailer::new(&settings).unwrap()
}

/// The emails in the folder.
fn files(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap();
    files
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect()
}

#[tokio::test]
async fn a_password_change_and_a_stolen_token_send_one_email_each() {
    let app = TestApp::start(auth::router());
    let folder = tempfile::tempdir().unwrap();
    let alice = app.register("alice@example.com").await;
    let run = mailer(folder.path()).run(app.env.clone(), Duration::MAX).await;
    assert_eq!(
        serde_json::to_value(run.unwrap()).unwrap()["sent"],
        1,
        "the verification"
    );
    fs::remove_dir_all(folder.path()).unwrap();
    let wrong = json!({ "currentPassword": "not this one", "newPassword": "another password" });
    app.post("/v5/auth/password").by(&alice).json(&wrong).send().await;
    assert_eq!(waiting(&app.env).await, 0, "nothing was changed");

    let right = json!({ "currentPassword": "password123", "newPassword": "another password" });
    app.post("/v5/auth/password").by(&alice).json(&right).send().await.ok();
    let summary = mailer(folder.path()).run(app.env.clone(), Duration::MAX).await.unwrap();
    assert_eq!(
        serde_json::to_value(summary).unwrap(),
        json!({ "sent": 1, "postponed": 0, "dead": 0 })
    );
    let email = files(folder.path()).pop().unwrap();
    for part in [
        "To: alice@example.com\r\n",
        "From: Coditect <noreply@example.org>\r\n",
        "Subject: Your Coditect password was changed\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "text/plain",
        "text/html",
        "https://ide.example.org and",
    ] {
        assert!(email.contains(part), "{part}: {email}");
    }
    assert!(
        !email.contains("password123") && !email.contains("another password"),
        "{email}"
    );

    let bob = app.register("bob@example.com").await;
    app.refresh(&bob).await;
    app.clock.advance(Duration::from_secs(31));
    let stolen = json!({ "refreshToken": bob.refresh_token() });
    app.post("/v5/auth/refresh").json(&stolen).send().await;
    let carol = app.register("carol@example.com").await;
    app.refresh(&carol).await;
    app.clock.advance(Duration::from_secs(31));
    let stolen = json!({ "refreshToken": carol.refresh_token() });
    app.post("/v5/auth/logout").json(&stolen).send().await.ok();
    mailer(folder.path()).run(app.env.clone(), Duration::MAX).await.unwrap();
    let emails = files(folder.path());
    for to in ["bob", "carol"] {
        let reports_the_end = |email: &String| {
            email.contains(&format!("To: {to}@example.com\r\n"))
                && email.contains("A Coditect login of yours was ended")
        };
        assert_eq!(emails.iter().filter(|email| reports_the_end(email)).count(), 1, "{to}");
    }
}

#[tokio::test]
async fn the_first_rejected_replay_of_a_refresh_token_sends_an_email() {
    let app = TestApp::start(auth::router());
    let folder = tempfile::tempdir().unwrap();
    let alice = app.register("alice@example.com").await;
    mailer(folder.path()).run(app.env.clone(), Duration::MAX).await.unwrap();
    fs::remove_dir_all(folder.path()).unwrap();
    let copied = json!({ "refreshToken": alice.refresh_token() });
    let refresh = || app.post("/v5/auth/refresh").json(&copied).send();
    for _ in 0..3 {
        refresh().await.ok();
        assert_eq!(waiting(&app.env).await, 0);
    }
    for _ in 0..3 {
        assert_eq!(refresh().await.status, 401);
        assert_eq!(waiting(&app.env).await, 1);
    }
    mailer(folder.path()).run(app.env.clone(), Duration::MAX).await.unwrap();
    let email = files(folder.path()).pop().unwrap();
    assert!(
        email.contains("Subject: A Coditect login of yours was used too often\r\n"),
        "{email}"
    );
    assert!(email.contains("this signs out all devices"), "{email}");
}

#[tokio::test]
async fn a_new_personal_access_token_sends_an_email_without_the_token() {
    let app = TestApp::start(auth::router());
    let folder = tempfile::tempdir().unwrap();
    let alice = app.register("alice@example.com").await;
    mailer(folder.path()).run(app.env.clone(), Duration::MAX).await.unwrap();
    fs::remove_dir_all(folder.path()).unwrap();
    let (_, token) = app
        .access_token(&alice, [Scope::ReadSessions], Duration::from_hours(1))
        .await;
    mailer(folder.path()).run(app.env.clone(), Duration::MAX).await.unwrap();
    let [email] = &files(folder.path())[..] else {
        panic!("one email is sent");
    };
    for part in [
        "To: alice@example.com\r\n",
        "A personal access token was created",
        "https://ide.example.org",
    ] {
        assert!(email.contains(part), "{part}: {email}");
    }
    assert!(
        !email.contains("coditect_pat_") && !email.contains(&token[13..40]),
        "{email}"
    );
}

#[tokio::test]
async fn an_email_with_a_link_has_it_in_both_parts_and_its_token_is_gone_when_it_is_sent() {
    let app = TestApp::start(auth::router());
    let folder = tempfile::tempdir().unwrap();
    app.register("alice@example.com").await;
    let body = json!({ "email": "alice@example.com" });
    app.post("/v5/auth/recovery").json(&body).send().await.accepted();
    let token = app.mail_token("alice@example.com", "password.recovery").await;
    let is_stored = async || {
        let entries = app.all_entries().await;
        let found = entries
            .iter()
            .filter(|entry| String::from_utf8_lossy(&entry.value).contains(&token[12..]));
        found.count()
    };
    assert_eq!(is_stored().await, 1, "only the email contains the token");
    mailer(folder.path()).run(app.env.clone(), Duration::MAX).await.unwrap();
    assert_eq!(is_stored().await, 0);
    let emails = files(folder.path());
    let email = emails
        .iter()
        .find(|email| email.contains("Choose a new Coditect password"));
    let email = crate::decoded(email.unwrap());
    let link = format!("https://ide.example.org/app/recover#token={token}");
    assert_eq!(
        email.matches(&link).count(),
        3,
        "the text, and the address and text of the link: {email}"
    );
    assert!(email.contains(&format!("<a href=\"{link}\">")), "{email}");
    assert!(!email.contains("<img") && !email.contains("http://"), "{email}");
}

#[tokio::test]
async fn the_notice_of_a_deletion_says_who_ordered_it_and_what_the_recipient_can_do() {
    let app = TestApp::start(api::Router::new());
    let folder = tempfile::tempdir().unwrap();
    let now = app.env.clock.now();
    let source = Source { at: now, address: None };
    let scheduled = Message::DeletionScheduled {
        source: source.clone(),
        due_at: now,
    };
    let ordered = Message::DeletionOrdered { source, due_at: now };
    for (message, says) in [
        (scheduled, "choosing it cancels the deletion, too"),
        (ordered, "have ordered the deletion of your Coditect account"),
    ] {
        let to = Email::parse("alice@example.com").unwrap();
        let mail = &Mail::notification(app.env.ids.next(), app.env.ids.next(), to, message, now);
        let added = app.env.db.run(|txn| async move { store::add(&txn, mail) });
        added.await.unwrap();
        mailer(folder.path()).run(app.env.clone(), Duration::MAX).await.unwrap();
        let email = files(folder.path()).pop().unwrap();
        // Quoted-printable breaks the lines.
        let text = email.replace("=\r\n", "");
        assert!(text.contains(says), "{text}");
        let blames_a_thief = text.contains("another person may know your password");
        assert_eq!(blames_a_thief, says.starts_with("choosing"), "{text}");
        fs::remove_dir_all(folder.path()).unwrap();
    }
}

#[tokio::test]
async fn a_dead_letter_has_no_token_and_cannot_be_sent_again() {
    let app = TestApp::start(auth::router());
    app.register("alice@example.com").await;
    let gone = Err(Failure::Permanent("550 5.1.1 no such mailbox".to_owned()));
    assert_eq!(crate::send(&app.env, gone).await.0.dead, 1);
    let letters = dead_letters(&app.env).await;
    assert_eq!(letters[0].message.link().unwrap().token, None);
    let operator = Operator::new(&app.env, Name::parse("ops").unwrap());
    let retried = mails::retry(&app.env, &operator, letters[0].id).await.unwrap();
    assert_eq!(retried, Retried::Ended(app.env.clock.now()));
    assert_eq!(waiting(&app.env).await, 0);
    // An email that could not be sent in time becomes one, too.
    app.register("bob@example.com").await;
    let temporary = Err(Failure::Temporary("try later".to_owned()));
    crate::send(&app.env, temporary).await;
    app.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(crate::send(&app.env, Ok(())).await.0.dead, 1);
    let entries = app.all_entries().await;
    let has_token = |entry: &&kv::Entry| String::from_utf8_lossy(&entry.value).contains("coditect_mt_");
    assert_eq!(entries.iter().filter(has_token).count(), 0);
}

#[tokio::test]
async fn emails_with_links_do_not_use_up_the_notifications_of_a_recipient() {
    let app = TestApp::start(auth::router());
    let alice = app.register("0@example.com").await;
    let mut sent = 0;
    for _ in 0..60 {
        let body = json!({ "email": "0@example.com" });
        app.post("/v5/auth/recovery").json(&body).send().await.accepted();
        sent += crate::send(&app.env, Ok(())).await.0.sent;
        app.clock.advance(Duration::from_secs(1200));
    }
    assert!(sent > 20, "{sent}");
    let body = json!({ "currentPassword": "password123", "newPassword": "another password" });
    app.post("/v5/auth/password").by(&alice).json(&body).send().await.ok();
    assert_eq!(crate::send(&app.env, Ok(())).await.0.sent, 1);
}

#[tokio::test]
async fn without_an_outbox_no_email_is_written() {
    let app = TestApp::without_outbox(auth::router());
    let alice = app.register("alice@example.com").await;
    let body = json!({ "currentPassword": "password123", "newPassword": "another password" });
    app.post("/v5/auth/password").by(&alice).json(&body).send().await.ok();
    assert_eq!(waiting(&app.env).await, 0);
}

#[tokio::test]
async fn every_attempt_has_the_same_message_id() {
    let app = TestApp::start(api::Router::new());
    let folder = tempfile::tempdir().unwrap();
    // The folder of the emails is a file, so that the first attempt fails.
    let blocked = folder.path().join("blocked");
    fs::write(&blocked, "").unwrap();
    let mail = &add(&app.env, 1).await[0];
    let summary = mailer(&blocked).run(app.env.clone(), Duration::MAX).await.unwrap();
    assert_eq!(serde_json::to_value(summary).unwrap()["postponed"], 1);
    app.clock.advance(Duration::from_secs(60));
    let sent = folder.path().join("sent");
    mailer(&sent).run(app.env.clone(), Duration::MAX).await.unwrap();
    let email = files(&sent).pop().unwrap();
    let id = format!("Message-ID: <{}@example.org>\r\n", mail.id);
    assert!(email.contains(&id), "{email}");
    assert!(email.contains("Date: "), "{email}");
}

#[tokio::test]
async fn a_run_that_is_cut_short_has_counted_what_it_sent() {
    let app = TestApp::start(api::Router::new());
    add(&app.env, 40).await;
    let mut delivered = Delivered::default();
    let (started, stuck) = (AtomicUsize::new(0), Notify::new());
    let send = |_| async {
        if started.fetch_add(1, Ordering::Relaxed) == 30 {
            stuck.notify_one();
            std::future::pending::<()>().await;
        }
        Ok(())
    };
    tokio::select! {
        _ = deliver(&app.env, &mut delivered, send) => panic!("one email is never sent"),
        () = stuck.notified() => {}
    }
    // At most three other emails were in progress.
    assert!((27..=30).contains(&delivered.sent), "{delivered:?}");
}
