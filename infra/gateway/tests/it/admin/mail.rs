//! Emails that could not be sent.

use std::time::Duration;

use domain::Timestamp;
use domain::mail::ops::{Delivered, deliver};
use domain::mail::{Failure, Mail, Message, NOTIFICATION_LIFETIME, Source, store};
use domain::users::Email;
use domain::users::store::find_id_by_email;
use serde_json::{Value, json as value};
use testkit::{Target as _, TestApp, TestStore};

use super::{command, events, failure, json, start, text};

/// A store with dead letters to these recipients, oldest first, whose server quoted a link.
async fn dead(store: &TestStore, recipients: &[&str], age: Duration) -> Vec<Mail> {
    let app = TestApp::alongside_processes(api::Router::new(), store.open());
    let now = app.env.clock.now();
    let mut mails = Vec::new();
    for to in recipients {
        let message = Message::PasswordChanged(Source { at: now, address: None });
        let to = Email::parse(to).unwrap();
        let email = &to;
        let user = app.env.db.run(|txn| async move { find_id_by_email(&txn, email).await });
        let user = user.await.unwrap().unwrap_or_else(|| app.env.ids.next());
        mails.push(Mail {
            created_at: now.minus(age),
            ..Mail::notification(app.env.ids.next(), user, to, message, now)
        });
    }
    let all = &mails;
    let added = app
        .env
        .db
        .run(|txn| async move { all.iter().try_for_each(|mail| store::add(&txn, mail)) });
    added.await.unwrap();
    let mut delivered = Delivered::default();
    let why = "permanent error: 554 5.7.1\nhttps://ide.example.org/app/recover#token=secret is listed";
    let refuse = |_| async { Err(Failure::Permanent(why.to_owned())) };
    deliver(&app.env, &mut delivered, refuse).await.unwrap();
    assert_eq!(delivered.dead, recipients.len());
    mails
}

#[tokio::test]
async fn emails_that_could_not_be_sent_are_listed_without_their_contents() {
    let store = TestStore::new();
    let mails = dead(&store, &["alice@example.com", "bob@example.com"], Duration::ZERO).await;
    let page = json(&store, &["mail", "list", "--limit", "1"]);
    let first = mails[0].id.to_string();
    assert_eq!((&page["waiting"], &page["next"]), (&value!(0), &value!(first)));
    let letter = &page["deadLetters"][0];
    let [failed_at, kept_until] =
        ["failedAt", "keptUntil"].map(|name| Timestamp::parse(letter[name].as_str().unwrap()).unwrap());
    assert!(failed_at >= mails[0].created_at);
    assert_eq!(kept_until.since(failed_at), Duration::from_secs(30 * 86_400));
    assert_eq!(
        *letter,
        value!({
            "id": first,
            "kind": "password.changed",
            "to": "alice@example.com",
            "createdAt": mails[0].created_at,
            "failedAt": failed_at,
            "keptUntil": kept_until,
            "attempts": 1,
            "failure": "permanent error: 554 5.7.1\n(link) is listed",
        })
    );
    let rest = json(&store, &["mail", "list", "--after", &first]);
    assert_eq!(
        (&rest["deadLetters"][0]["to"], &rest["next"]),
        (&value!("bob@example.com"), &Value::Null)
    );

    let text = text(&store, &["mail", "list", "--limit", "1"]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "0 to be sent, 1 could not be sent");
    assert!(lines[1].starts_with(&first) && lines[1].ends_with("password.changed  alice@example.com  attempts: 1"));
    assert_eq!(lines[2], "    permanent error: 554 5.7.1 (link) is listed");
    assert_eq!(lines[3..], [format!("More emails follow: --after {first}")]);
}

#[tokio::test]
async fn a_retry_and_a_drop_are_audited_and_a_drop_is_confirmed_by_the_id() {
    let gateway = start().await;
    let (store, remote, token) = (&gateway.store, &gateway.remote, &gateway.token);
    let mails = dead(
        store,
        &["alice@example.com", "alice@example.com", "unknown@example.com"],
        Duration::ZERO,
    )
    .await;
    let [retried, dropped, foreign] = [0, 1, 2].map(|number: usize| mails[number].id.to_string());

    assert_eq!(
        json(store, &["mail", "retry", &retried, "--as", "Ada"]),
        value!({ "late": false })
    );
    let page = json(store, &["mail", "list"]);
    assert_eq!(
        (&page["waiting"], page["deadLetters"].as_array().unwrap().len()),
        (&value!(1), 2)
    );

    for confirm in [&[][..], &["--confirm", &retried]] {
        let arguments = [&["mail", "drop", &dropped], confirm].concat();
        let sentence = failure(command(store, &arguments));
        let expected = format!(
            "this would remove the email password.changed to alice@example.com for good: repeat the command with \
             `--confirm {dropped}`"
        );
        assert_eq!(sentence, expected);
    }
    let confirmed = ["mail", "drop", &dropped, "--confirm", &dropped, "--as", "Ada"];
    assert_eq!(json(store, &confirmed), value!({ "dropped": true }));
    // The recipient has no account, and so no audit log.
    assert_eq!(
        text(store, &["mail", "drop", &foreign, "--confirm", &foreign]),
        "dropped\n"
    );
    assert_eq!(json(store, &["mail", "list"])["deadLetters"], value!([]));

    for kind in ["mail.retried", "mail.dropped"] {
        let logged = events(remote, token, kind).await;
        assert_eq!(logged.len(), 1, "{logged:?}");
        assert_eq!(
            (&logged[0]["operator"], &logged[0]["mail"]),
            (&value!("Ada"), &value!("password.changed"))
        );
    }
    remote.get("/v5/sessions").bearer(token).send().await.ok();
}

#[tokio::test]
async fn a_retry_of_an_email_whose_lifetime_is_over_says_so() {
    let store = TestStore::new();
    let mails = dead(&store, &["alice@example.com"], NOTIFICATION_LIFETIME).await;
    let text = text(&store, &["mail", "retry", &mails[0].id.to_string()]);
    assert!(text.contains("its lifetime was over"), "{text}");
    assert_eq!(json(&store, &["mail", "list"])["waiting"], 1);
}

#[tokio::test]
async fn an_id_that_names_no_dead_letter_is_one_sentence() {
    let store = TestStore::new();
    dead(&store, &["alice@example.com"], Duration::ZERO).await;
    let unknown = "0190d0a0-7c3e-7a11-8f3e-0123456789ab";
    let none = format!("there is no email {unknown} that could not be sent");
    for (arguments, sentence) in [
        (&["mail", "retry", unknown][..], none.as_str()),
        (&["mail", "drop", unknown], &none),
        (&["mail", "drop", unknown, "--confirm", unknown], &none),
        (&["mail", "drop", "1"], "`1` is not the id of an email"),
        (
            &["mail", "drop", unknown, "--confirm", "1"],
            "`1` is not the id of an email",
        ),
        (
            &["mail", "suppress", "alice@example.com", "--reason", "spam"],
            "`spam` is no reason: the reasons are bounce, complaint, operator",
        ),
        (&["mail", "suppress", ""], "the address must not be empty"),
        (&["mail", "unsuppress", ""], "the address must not be empty"),
        (&["mail", "list", "--after", ""], "`` is not the id of an email"),
        (
            &["mail", "list", "--limit", "101"],
            "the limit must be a whole number from 1 to 100",
        ),
    ] {
        assert_eq!(failure(command(&store, arguments)), sentence, "{arguments:?}");
    }
}

#[tokio::test]
async fn an_address_is_suppressed_until_an_operator_ends_that() {
    let gateway = start().await;
    let (store, remote, token) = (&gateway.store, &gateway.remote, &gateway.token);
    let mails = dead(store, &["alice@example.com"], Duration::ZERO).await;
    let suppress = [
        "mail",
        "suppress",
        " Alice@Example.com",
        "--reason",
        "complaint",
        "--as",
        "Ada",
    ];
    let suppressed = json(store, &suppress);
    assert_eq!(
        (&suppressed["reason"], &suppressed["changed"]),
        (&value!("complaint"), &value!(true))
    );
    let repeated = json(store, &["mail", "suppress", "alice@example.com"]);
    let expected = value!({ "reason": "complaint", "since": suppressed["since"], "changed": false });
    assert_eq!(repeated, expected);

    let id = mails[0].id.to_string();
    let sentence = failure(command(store, &["mail", "retry", &id]));
    let since = suppressed["since"].as_str().unwrap();
    let expected = format!(
        "nothing is sent to alice@example.com since {since} (complaint): end that with `gateway admin mail unsuppress`"
    );
    assert_eq!(sentence, expected);
    assert_eq!(json(store, &["mail", "list"])["waiting"], 0);

    let unsuppress = ["mail", "unsuppress", "alice@example.com", "--as", "Ada"];
    assert_eq!(json(store, &unsuppress), value!({ "changed": true }));
    assert_eq!(json(store, &unsuppress), value!({ "changed": false }));
    assert_eq!(json(store, &["mail", "retry", &id]), value!({ "late": false }));
    for kind in ["mail.suppressed", "mail.unsuppressed"] {
        let logged = events(remote, token, kind).await;
        assert_eq!(
            (logged.len(), &logged[0]["operator"]),
            (1, &value!("Ada")),
            "{logged:?}"
        );
    }
}
