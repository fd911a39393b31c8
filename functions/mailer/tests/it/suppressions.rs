//! Nothing is sent to addresses of which bounces or complaints were reported.

use domain::Env;
use domain::mail::ops::Delivered;
use domain::mail::{Failure, MAX_PER_DAY};
use domain::suppressions::{Reason, ops as suppressions};
use domain::users::Email;
use serde_json::{Value, json};
use testkit::{RuntimeApi, TestApp, TestStore};

use crate::process::program;
use crate::{add, dead_letters, send, waiting};

const BOUNCE: &str = include_str!("../../../../infra/events/sns-bounce.json");
const COMPLAINT: &str = include_str!("../../../../infra/events/sns-complaint.json");

fn start() -> TestApp {
    TestApp::start(api::Router::new())
}

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

async fn reason(env: &Env, address: &str) -> Option<Reason> {
    let found = suppressions::find(env, &email(address)).await.unwrap();
    found.map(|suppression| suppression.reason)
}

/// The failures of the dead letters.
async fn failures(env: &Env) -> Vec<String> {
    let letters = dead_letters(env).await;
    letters.into_iter().filter_map(|letter| letter.failure).collect()
}

#[tokio::test]
async fn nothing_is_sent_to_a_suppressed_address() {
    let app = start();
    let all = [email("0@example.com"), email("2@example.com")];
    for added in [2, 0] {
        assert_eq!(
            suppressions::suppress(&app.env, &all, Reason::Complaint).await.unwrap(),
            added
        );
    }
    add(&app.env, 4).await;
    let (delivered, sent) = send(&app.env, Ok(())).await;
    assert_eq!((delivered.sent, delivered.dead), (2, 2));
    assert_eq!(sent, ["1@example.com", "3@example.com"]);
    let failures = failures(&app.env).await;
    let expected = "nothing is sent to this address since 2026-01-01T00:00:00.000Z (complaint)";
    assert!(failures.iter().all(|failure| failure == expected), "{failures:?}");
}

#[tokio::test]
async fn an_email_that_waits_for_its_next_attempt_is_not_sent_either() {
    let app = start();
    add(&app.env, 1).await;
    send(&app.env, Err(Failure::Temporary("try later".to_owned()))).await;
    let address = [email("0@example.com")];
    suppressions::suppress(&app.env, &address, Reason::Bounce)
        .await
        .unwrap();
    app.clock.advance(domain::mail::FIRST_PAUSE);
    assert_eq!(send(&app.env, Ok(())).await.1, Vec::<String>::new());
    assert_eq!(waiting(&app.env).await, 0);
}

#[tokio::test]
async fn only_a_failure_that_says_that_the_mailbox_does_not_exist_suppresses_the_address() {
    let why = || "550".to_owned();
    for (failure, expected) in [
        (Failure::NoMailbox(why()), Some(Reason::Bounce)),
        (Failure::Permanent(why()), None),
        (Failure::Temporary(why()), None),
    ] {
        let app = start();
        add(&app.env, 1).await;
        send(&app.env, Err(failure)).await;
        assert_eq!(reason(&app.env, "0@example.com").await, expected);
        assert_eq!(reason(&app.env, "1@example.com").await, None);
        add(&app.env, 1).await;
        let (_, sent) = send(&app.env, Ok(())).await;
        assert_eq!(sent.len(), usize::from(expected.is_none()));
    }
}

#[tokio::test]
async fn dead_letters_to_a_suppressed_address_are_limited_like_emails() {
    let app = start();
    let address = [email("0@example.com")];
    suppressions::suppress(&app.env, &address, Reason::Bounce)
        .await
        .unwrap();
    let limit = usize::try_from(MAX_PER_DAY).unwrap();
    for _ in 0..limit + 3 {
        add(&app.env, 1).await;
    }
    let Delivered { dead, dropped, .. } = send(&app.env, Ok(())).await.0;
    assert_eq!((dead, dropped), (limit, 3));
}

#[tokio::test]
async fn events_of_ses_suppress_their_addresses_whatever_the_configuration_says() {
    let store = TestStore::new();
    let app = TestApp::alongside_processes(api::Router::new(), store.open());
    let folder = tempfile::tempdir().unwrap();
    let files = format!("file:{}", folder.path().display());
    for mail in ["off", &files] {
        let mut command = program(&store);
        command.env("MAIL", mail);
        let function = RuntimeApi::start(command).await;
        let invoke = async |text: &str| {
            let event: Value = serde_json::from_str(text).unwrap();
            function.invoke(&event).await.unwrap()
        };
        let is_first = mail == "off";
        let expected = json!({ "suppressed": usize::from(is_first) });
        assert_eq!(invoke(BOUNCE).await, expected);
        assert_eq!(invoke(COMPLAINT).await, expected);
        // Twice, because SNS delivers at least once.
        assert_eq!(invoke(BOUNCE).await, json!({ "suppressed": 0 }));
        let transient = BOUNCE.replace("Permanent", "Transient").replace("jane@", "john@");
        assert_eq!(invoke(&transient).await, json!({ "suppressed": 0, "ignored": 1 }));
        let log = function.stop().await;
        for secret in ["example.com", "User unknown", "00000138111222aa"] {
            assert!(!log.contains(secret), "{log}");
        }
    }
    assert_eq!(reason(&app.env, "jane@example.com").await, Some(Reason::Bounce));
    assert_eq!(reason(&app.env, "richard@example.com").await, Some(Reason::Complaint));
    assert_eq!(reason(&app.env, "john@example.com").await, None);
}

#[tokio::test]
async fn an_event_that_is_no_report_sends_emails() {
    let store = TestStore::new();
    let app = TestApp::alongside_processes(api::Router::new(), store.open());
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(&store);
    command.env("MAIL", format!("file:{}", folder.path().display()));
    let function = RuntimeApi::start(command).await;
    let scheduler: Value = serde_json::from_str(include_str!("../../../../infra/events/scheduler.json")).unwrap();
    for event in [
        scheduler,
        Value::Null,
        json!({ "Records": [{ "eventSource": "aws:s3" }] }),
        json!({ "Records": 1 }),
    ] {
        add(&app.env, 1).await;
        let sent = json!({ "sent": 1, "postponed": 0, "dead": 0 });
        assert_eq!(function.invoke(&event).await.unwrap(), sent, "{event}");
    }
}
