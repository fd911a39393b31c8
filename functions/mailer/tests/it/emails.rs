//! Which requests write an email, and what the emails say.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use api::config::{MailSettings, MailTransport};
use domain::access_tokens::Scope;
use domain::mail::ops::{self, Delivered, deliver};
use mailer::Mailer;
use serde_json::json;
use testkit::{Target as _, TestApp};
use tokio::sync::Notify;

use crate::add;

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
    let wrong = json!({ "currentPassword": "not this one", "newPassword": "another password" });
    app.post("/v5/auth/password").by(&alice).json(&wrong).send().await;
    assert_eq!(ops::waiting(&app.env).await.unwrap(), 0, "nothing was changed");

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
    let copied = json!({ "refreshToken": alice.refresh_token() });
    let refresh = || app.post("/v5/auth/refresh").json(&copied).send();
    for _ in 0..3 {
        refresh().await.ok();
        assert_eq!(ops::waiting(&app.env).await.unwrap(), 0);
    }
    for _ in 0..3 {
        assert_eq!(refresh().await.status, 401);
        assert_eq!(ops::waiting(&app.env).await.unwrap(), 1);
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
async fn without_an_outbox_no_email_is_written() {
    let app = TestApp::without_outbox(auth::router());
    let alice = app.register("alice@example.com").await;
    let body = json!({ "currentPassword": "password123", "newPassword": "another password" });
    app.post("/v5/auth/password").by(&alice).json(&body).send().await.ok();
    assert_eq!(ops::waiting(&app.env).await.unwrap(), 0);
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
