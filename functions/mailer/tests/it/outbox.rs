//! Each email is sent at least once, by one mailer at a time, and never lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
    limited: 0,
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

/// An application whose clock is so long after the start of a day (UTC).
fn start_of_day(after: Duration) -> TestApp {
    let app = start();
    let now = app.env.clock.now();
    app.clock.advance(now.start_of_next_day().plus(after).since(now));
    app
}

#[tokio::test]
async fn emails_beyond_the_maximum_of_a_day_wait_until_the_next_one() {
    const DAY: Duration = Duration::from_secs(86_400);
    const MOMENT: Duration = Duration::from_millis(1);
    let app = start_of_day(Duration::ZERO);
    for email in 0..MAX_PER_DAY + 2 {
        add(&app.env, 1).await;
        let delivered = send(&app.env, if email == 0 { temporary() } else { Ok(()) }).await.0;
        assert_eq!(delivered.limited, usize::from(email >= MAX_PER_DAY), "{email}");
    }
    // A later attempt is the same email, and does not count again.
    app.clock.advance(DAY.saturating_sub(MOMENT));
    assert_eq!(send(&app.env, Ok(())).await.0, SENT);
    assert_eq!(send(&app.env, Ok(())).await.0, Delivered::default());
    app.clock.advance(MOMENT);
    assert_eq!(send(&app.env, Ok(())).await.0.sent, 2);
    assert_eq!(waiting(&app.env).await, 0);
    assert_eq!(dead_letters(&app.env).await, []);
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
async fn no_notification_of_a_flood_is_lost_and_the_last_ones_become_dead_letters() {
    let app = start_of_day(Duration::from_secs(3600));
    let per_day = usize::try_from(MAX_PER_DAY).unwrap();
    let mut expected = Vec::new();
    // Each is tried on the day of its creation and on the two next ones.
    for _ in 0..3 * per_day + 3 {
        expected.extend(add(&app.env, 1).await);
    }
    let mut sent = 0;
    for day in 0..3 {
        let (delivered, _) = send(&app.env, Ok(())).await;
        assert_eq!(delivered.sent, per_day, "{day}");
        sent += delivered.sent;
        let (dead, waiting) = (dead_letters(&app.env).await.len(), waiting(&app.env).await);
        assert_eq!(sent + dead + waiting, expected.len(), "{day}");
        // Not before, so that a flood is spread over the day.
        app.clock
            .advance(Duration::from_hours(24).saturating_sub(Duration::from_millis(1)));
        assert_eq!(send(&app.env, Ok(())).await.0, Delivered::default(), "{day}");
        app.clock.advance(Duration::from_millis(1));
    }
    let page = mails::list(&app.env, Limit::parse("10").unwrap(), None).await.unwrap();
    assert_eq!((page.waiting, page.letters.len()), (0, 3));
    let why = "the recipient had 20 emails of this kind each day";
    assert!(page.letters.iter().all(|letter| letter.failure.as_deref() == Some(why)));
    // The operator can have one sent on another day.
    let operator = Operator::new(&app.env, Name::parse("ops").unwrap());
    let retried = mails::retry(&app.env, &operator, page.letters[0].id).await.unwrap();
    assert_eq!(retried, Retried::Now { is_late: true });
    assert_eq!(send(&app.env, Ok(())).await.0, SENT);
}

#[tokio::test]
async fn the_oldest_emails_of_a_flood_are_sent_first_whatever_their_shards_are() {
    let app = start_of_day(Duration::ZERO);
    let per_day = usize::try_from(MAX_PER_DAY).unwrap();
    let mut added = Vec::new();
    for _ in 0..3 * per_day {
        added.extend(add(&app.env, 1).await.into_iter().map(|mail| mail.id));
        app.clock.advance(Duration::from_millis(1));
    }
    for of_day in added.chunks(per_day) {
        let (sent, mut delivered) = (Mutex::new(Vec::new()), Delivered::default());
        let run = deliver(&app.env, &mut delivered, |mail| {
            sent.lock().unwrap().push(mail.id);
            async { Ok(()) }
        });
        run.await.unwrap();
        assert_eq!(*sent.lock().unwrap(), of_day);
        app.clock.advance(Duration::from_hours(24));
    }
}

#[tokio::test]
async fn a_run_that_ends_early_leaves_the_newest_emails() {
    let app = start();
    // More of each shard than a mailer reads at a time.
    let added = add(&app.env, 400).await.into_iter().map(|mail| mail.id);
    let added: Vec<_> = added.collect();
    let (attempted, stuck) = (Mutex::new(Vec::new()), Notify::new());
    let mut delivered = Delivered::default();
    let send = |mail: Mail| {
        let number = {
            let mut attempted = attempted.lock().unwrap();
            attempted.push(mail.id);
            attempted.len()
        };
        let stuck = &stuck;
        async move {
            if number == 350 {
                stuck.notify_one();
                std::future::pending::<()>().await;
            }
            Err(Failure::Permanent("no such mailbox".to_owned()))
        }
    };
    tokio::select! {
        _ = deliver(&app.env, &mut delivered, send) => panic!("one email is never sent"),
        () = stuck.notified() => {}
    }
    assert_eq!(attempted.lock().unwrap()[..350], added[..350]);
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
    assert_eq!(send(&app.env, Ok(())).await.0.limited, 1);
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
