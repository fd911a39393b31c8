//! What the audit logs say about an operator's work on dead letters.

use domain::audit::{self, Listing};
use domain::mail::Failure;
use domain::mail::ops::{Delivered, deliver};
use domain::operator::Operator;
use domain::operator::mails::{self, DeadLetter, Retried};
use domain::page::Limit;
use domain::text::Name;
use serde_json::json;
use testkit::{Actor, Target as _, TestApp};

use crate::start;

/// The operator's actions on emails in an account's audit log, sorted.
async fn events(app: &TestApp, actor: &Actor) -> Vec<String> {
    let page = audit::ops::list(&app.env, &actor.caller(), &Listing::default()).await;
    let events = page.unwrap().events.into_iter();
    let names = events.map(|(_, event)| event.action.name().into_owned());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("mail.")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn events_are_in_the_log_of_the_account_that_the_letter_is_about() {
    let app = start();
    let alice = app.register("alice@example.com").await;
    let body = json!({ "currentPassword": "password123", "newPassword": "another password" });
    let changed = app.post("/v5/auth/password").by(&alice).json(&body).send().await;
    let token = changed.ok()["token"].as_str().unwrap().to_owned();
    let refuse = |_| async { Err(Failure::Permanent("no such mailbox".to_owned())) };
    deliver(&app.env, &mut Delivered::default(), refuse).await.unwrap();
    let body = json!({ "email": "alice@example.net", "password": "another password" });
    let change = app.post("/v5/users/me/email").bearer(&token).json(&body);
    change.send().await.accepted();
    let body = json!({ "token": app.mail_token("alice@example.net", "email.change").await });
    app.post("/v5/auth/email/confirm").json(&body).send().await.ok();
    // The old address has a new owner.
    let bob = app.register("alice@example.com").await;

    let operator = Operator::new(&app.env, Name::parse("ops").unwrap());
    let page = mails::list(&app.env, Limit::parse("100").unwrap(), None).await.unwrap();
    let letter = |kind: &str| -> &DeadLetter {
        let mut letters = page.letters.iter();
        let found = letters.find(|letter| letter.kind == kind);
        found.unwrap_or_else(|| panic!("{:?}", page.letters))
    };
    let retried = mails::retry(&app.env, &operator, letter("password.changed").id).await;
    assert!(matches!(retried.unwrap(), Retried::Now { .. }));
    mails::drop(&app.env, &operator, letter("email.verification").id)
        .await
        .unwrap();
    assert_eq!(events(&app, &bob).await, Vec::<String>::new());
    let alice = app.sign_in(&alice).await;
    assert_eq!(events(&app, &alice).await, ["mail.dropped", "mail.retried"]);
}
