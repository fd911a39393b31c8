//! Each email is sent at least once, by one mailer at a time, and never lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::Timestamp;
use domain::mail::ops::{Delivered, deliver};
use domain::mail::{
    DEAD_LETTER_LIFETIME, FIRST_PAUSE, Failure, LEASE, MAX_PER_DAY, Mail, Message, NOTIFICATION_LIFETIME, Source, store,
};
use domain::operator::Operator;
use domain::operator::mails::{self, Retried};
use domain::page::Limit;
use domain::text::Name;
use domain::users::Email;
use kv::{Key, Range};
use testkit::TestApp;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::{add, dead_letters, send, waiting};

const SENT: Delivered = Delivered {
    sent: 1,
    postponed: 0,
    dead: 0,
    dropped: 0,
};

fn start() -> TestApp {
    TestApp::start(api::Router::new())
}

fn temporary() -> Result<(), Failure> {
    Err(Failure::Temporary("try later".to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_mailers_send_each_email_once() {
    let app = start();
    add(&app.env, 200).await;
    let counts: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let mut mailers = JoinSet::new();
    for _ in 0..4 {
        let (env, counts) = (app.env.clone(), counts.clone());
        mailers.spawn(async move {
            let send = |mail: Mail| {
                *counts.lock().unwrap().entry(mail.to.as_str().to_owned()).or_default() += 1;
                async { Ok(()) }
            };
            {
                let mut delivered = Delivered::default();
                deliver(&env, &mut delivered, send).await.unwrap();
                delivered.sent
            }
        });
    }
    assert_eq!(mailers.join_all().await.iter().sum::<usize>(), 200);
    let counts = counts.lock().unwrap().clone();
    assert!(
        counts.len() == 200 && counts.values().all(|count| *count == 1),
        "{counts:?}"
    );
    assert_eq!(waiting(&app.env).await, 0);
}

#[tokio::test]
async fn a_failed_attempt_is_repeated_after_a_pause() {
    let app = start();
    add(&app.env, 1).await;
    for pause in [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE] {
        assert_eq!(send(&app.env, temporary()).await.0.postponed, 1);
        app.clock.advance(pause.saturating_sub(Duration::from_millis(1)));
        assert_eq!(send(&app.env, Ok(())).await.0, Delivered::default());
        app.clock.advance(Duration::from_millis(1));
    }
    assert_eq!(send(&app.env, Ok(())).await.0, SENT);
    assert_eq!(waiting(&app.env).await, 0);
}

#[tokio::test]
async fn a_recipient_gets_a_limited_number_of_emails_a_day() {
    let app = start();
    let now = app.env.clock.now();
    let begin_of_day = now.as_days() * 86_400;
    app.clock
        .advance(Timestamp::from_seconds(begin_of_day + 86_400).since(now));
    for day in 0..2 {
        for email in 0..=MAX_PER_DAY {
            add(&app.env, 1).await;
            // An attempt that failed is the same email.
            let delivered = send(&app.env, if email == 0 { temporary() } else { Ok(()) }).await.0;
            assert_eq!(delivered.dropped, usize::from(email == MAX_PER_DAY), "{day} {email}");
        }
        app.clock.advance(Duration::from_secs(86_400));
        assert_eq!(send(&app.env, Ok(())).await.0, SENT);
    }
    app.clock.advance(Duration::from_secs(3 * 86_400));
    domain::sweep::sweep(&app.env, Duration::MAX).await.unwrap();
    let counters = Key::of(&("recipients",));
    let entries = app.all_entries().await;
    assert!(
        entries
            .iter()
            .all(|entry| !Range::below(&counters).contains(&entry.key))
    );
}

#[tokio::test]
async fn emails_of_one_kind_do_not_prevent_those_of_another() {
    let app = start();
    for _ in 0..MAX_PER_DAY {
        add(&app.env, 1).await;
    }
    let now = app.env.clock.now();
    let source = Source { at: now, address: None };
    let messages = [
        Message::NewDevice(source.clone()),
        Message::ReuseDetected(source.clone()),
        Message::AccessTokenCreated(source.clone()),
        Message::DeletionScheduled {
            source: source.clone(),
            due_at: now,
        },
        Message::DeletionOrdered { source, due_at: now },
    ];
    let to = &Email::parse("0@example.com").unwrap();
    assert_eq!(send(&app.env, Ok(())).await.0.sent, 20);
    for message in messages {
        let mail = &Mail::notification(app.env.ids.next(), app.env.ids.next(), to.clone(), message, now);
        let added = app.env.db.run(|txn| async move { store::add(&txn, mail) });
        added.await.unwrap();
        assert_eq!(send(&app.env, Ok(())).await.0, SENT);
    }
    add(&app.env, 1).await;
    assert_eq!(send(&app.env, Ok(())).await.0.dropped, 1);
}

#[tokio::test]
async fn an_email_becomes_a_dead_letter_when_it_is_too_late() {
    let app = start();
    add(&app.env, 1).await;
    send(&app.env, temporary()).await;
    // No mailer runs for a long time.
    app.clock.advance(NOTIFICATION_LIFETIME);
    let (delivered, sent) = send(&app.env, Ok(())).await;
    assert_eq!((delivered.dead, sent.len()), (1, 0));
    let letters = dead_letters(&app.env).await;
    assert_eq!(letters[0].failure.as_deref(), Some("try later"));
    assert_eq!(waiting(&app.env).await, 0);
}

#[tokio::test]
async fn a_final_failure_makes_a_dead_letter_that_can_be_retried_or_dropped() {
    let app = start();
    let operator = Operator::new(&app.env, Name::parse("ops").unwrap());
    let retry = |id| mails::retry(&app.env, &operator, id);
    let added = add(&app.env, 2).await;
    let refused = Err(Failure::Permanent("no such mailbox".to_owned()));
    assert_eq!(send(&app.env, refused.clone()).await.0.dead, 2);
    let letters = dead_letters(&app.env).await;
    let ids: Vec<_> = letters.iter().map(|letter| letter.id).collect();
    assert_eq!(ids, [added[0].id, added[1].id]);
    let page = mails::list(&app.env, Limit::parse("10").unwrap(), Some(ids[0])).await;
    assert_eq!(page.unwrap().letters.len(), 1);

    // A letter that dies again lives as long as the first time.
    app.clock.advance(DEAD_LETTER_LIFETIME / 2);
    assert_eq!(retry(ids[0]).await.unwrap(), Retried::Now { is_late: true });
    assert_eq!(send(&app.env, refused).await.0.dead, 1);
    app.clock.advance(DEAD_LETTER_LIFETIME / 2 + Duration::from_secs(61));
    domain::sweep::sweep(&app.env, Duration::MAX).await.unwrap();
    let letters = dead_letters(&app.env).await;
    assert_eq!(letters.iter().map(|letter| letter.id).collect::<Vec<_>>(), [ids[0]]);

    retry(ids[0]).await.unwrap();
    assert_eq!(send(&app.env, Ok(())).await, (SENT, vec!["0@example.com".to_owned()]));
    assert!(retry(ids[0]).await.is_err());
    let dropped = mails::drop(&app.env, &operator, ids[1]).await;
    assert!(dropped.is_err(), "it has expired");
}

#[tokio::test]
async fn a_mailer_that_dies_loses_its_lease() {
    let app = start();
    add(&app.env, 1).await;
    let began = Arc::new(Notify::new());
    let env = app.env.clone();
    let signal = began.clone();
    let dying = tokio::spawn(async move {
        let stuck = |_| {
            signal.notify_one();
            std::future::pending()
        };
        deliver(&env, &mut Delivered::default(), stuck).await
    });
    began.notified().await;
    dying.abort();
    assert!(dying.await.unwrap_err().is_cancelled());
    assert_eq!(send(&app.env, Ok(())).await.0, Delivered::default());
    app.clock.advance(LEASE.saturating_sub(Duration::from_millis(1)));
    assert_eq!(send(&app.env, Ok(())).await.0, Delivered::default());
    app.clock.advance(Duration::from_millis(1));
    assert_eq!(send(&app.env, Ok(())).await.0, SENT);
}

#[tokio::test]
async fn a_mailer_that_is_slower_than_its_lease_changes_nothing() {
    for outcome in [temporary(), Err(Failure::Permanent("no".to_owned())), Ok(())] {
        let app = start();
        add(&app.env, 1).await;
        let (began, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (env, signal, wait) = (app.env.clone(), began.clone(), end.clone());
        let slow = tokio::spawn(async move {
            let send = |_| {
                signal.notify_one();
                let (wait, outcome) = (wait.clone(), outcome.clone());
                async move {
                    wait.notified().await;
                    outcome
                }
            };
            deliver(&env, &mut Delivered::default(), send).await
        });
        began.notified().await;
        app.clock.advance(LEASE);
        assert_eq!(send(&app.env, temporary()).await.0.postponed, 1);
        end.notify_one();
        slow.await.unwrap().unwrap();
        // The email waits for the second mailer's next attempt.
        assert_eq!(waiting(&app.env).await, 1);
        assert_eq!(dead_letters(&app.env).await, []);
    }
}

#[tokio::test]
async fn an_email_that_cannot_be_decoded_stays_and_does_not_stop_the_others() {
    let app = start();
    let mails = add(&app.env, 40).await;
    let first = mails[0].created_at.as_millis() - 1;
    let keys: Vec<_> = (0..8_u128)
        .map(|shard| {
            Key::of(&(
                "outbox",
                i64::try_from(shard).unwrap(),
                first,
                uuid::Uuid::from_u128(shard),
            ))
        })
        .collect();
    let all = &keys;
    let newer = r#"{"v":4,"data":{}}"#;
    let add = app
        .env
        .db
        .run(|txn| async move { all.iter().try_for_each(|key| txn.set(key, newer)) });
    add.await.unwrap();
    let sent = Mutex::new(0);
    let mut delivered = Delivered::default();
    let outcome = deliver(&app.env, &mut delivered, |_| {
        *sent.lock().unwrap() += 1;
        async { Ok(()) }
    });
    let error = outcome.await.unwrap_err().to_string();
    assert!(error.contains("version 4"), "{error}");
    assert_eq!(waiting(&app.env).await, 8);
    assert_eq!(*sent.lock().unwrap(), 40);
}
