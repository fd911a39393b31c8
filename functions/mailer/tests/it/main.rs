//! The outbox and the mailer on a real store.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]

mod emails;
mod outbox;
mod process;
mod smtp;
mod suppressions;

use std::sync::{Arc, Mutex};

use domain::mail::ops::{Delivered, deliver};
use domain::mail::{Failure, Mail, Message, Source, store};
use domain::users::Email;
use domain::{Client, Env, record};
use kv::{Key, Order, Query, Range};

/// Adds `count` emails to the outbox, to `0@example.com` and so on.
async fn add(env: &Env, count: usize) -> Vec<Mail> {
    let now = env.clock.now();
    let mails: Vec<_> = (0..count)
        .map(|number| {
            let to = Email::parse(&format!("{number}@example.com")).unwrap();
            let message = Message::PasswordChanged(Source::of(&Client::default(), now));
            Mail::notification(env.ids.next(), env.ids.next(), to, message, now)
        })
        .collect();
    let all = &mails;
    let added = env
        .db
        .run(|txn| async move { all.iter().try_for_each(|mail| store::add(&txn, mail)) });
    added.await.unwrap();
    mails
}

/// The number of emails that are still to be sent.
async fn waiting(env: &Env) -> usize {
    testkit::waiting_emails(&env.db).await.len()
}

/// All dead letters, oldest first.
async fn dead_letters(env: &Env) -> Vec<Mail> {
    let all = &Query {
        range: Range::below(&Key::of(&("dead_letters",))),
        order: Order::Ascending,
        limit: 10_000,
    };
    let page = env.db.run(|txn| async move { txn.range(all).await }).await.unwrap();
    let letters = page.entries.iter().map(|entry| record::decode(&entry.value));
    letters.collect::<domain::Result<_>>().unwrap()
}

/// What a run sent to whom, if every attempt has this outcome.
async fn send(env: &Env, outcome: Result<(), Failure>) -> (Delivered, Vec<String>) {
    let sent: Arc<Mutex<Vec<String>>> = Arc::default();
    let mut delivered = Delivered::default();
    let run = deliver(env, &mut delivered, |mail| {
        sent.lock().unwrap().push(mail.to.as_str().to_owned());
        let outcome = outcome.clone();
        async move { outcome }
    });
    run.await.unwrap();
    let mut sent = std::mem::take(&mut *sent.lock().unwrap());
    sent.sort();
    (delivered, sent)
}

/// The text of an email, whose long lines are encoded as quoted-printable (RFC 2045).
fn decoded(email: &str) -> String {
    let joined = email.replace("=\r\n", "").replace("=\n", "");
    joined.replace("=3D", "=")
}
