//! Reports of wrong passwords in the audit log, and the lifetime of counters.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::audit::{self, Action, Listing};
use domain::sweep;
use domain::throttle::Rule;
use kv::Key;
use testkit::TestApp;

use super::{ALICE, Accepted, ELSEWHERE, HOME, RIGHT, Wait, Wrong, free, guess, log_in, start, stored};

#[tokio::test]
async fn the_audit_log_reports_wrong_passwords_once_a_minute_with_their_number() {
    let app = start(|rules| rules.pair = free(100));
    let alice = app.register(ALICE).await;
    let reported = || async {
        let page = audit::ops::list(&app.env, &alice.caller(), &Listing::default()).await;
        let events = page.unwrap().events.into_iter();
        let reported = events.filter_map(|(_, event)| match event.action {
            Action::LoginRefused { attempts } => Some((attempts, event.address.unwrap().to_string())),
            _ => None,
        });
        reported.collect::<Vec<_>>()
    };
    let expected = |reported: &[(u32, &str)]| {
        reported
            .iter()
            .map(|(n, from)| (*n, (*from).to_owned()))
            .collect::<Vec<_>>()
    };
    for address in [HOME, HOME, ELSEWHERE] {
        assert_eq!(guess(&app, address, ALICE).await, Wrong);
    }
    // Within a minute, the number must more than double before the next event.
    assert_eq!(reported().await, expected(&[(1, HOME), (2, ELSEWHERE)]));
    app.clock.advance(Duration::from_secs(59));
    assert_eq!(guess(&app, HOME, ALICE).await, Wrong);
    assert_eq!(reported().await.len(), 2);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(guess(&app, ELSEWHERE, ALICE).await, Wrong);
    assert_eq!(reported().await[2..], expected(&[(2, ELSEWHERE)]));
    // A sweep keeps the unreported attempts, and the next login reports them.
    assert_eq!(guess(&app, ELSEWHERE, ALICE).await, Wrong);
    app.clock.advance(Duration::from_hours(29 * 24));
    sweep::sweep(&app.env, Duration::MAX).await.unwrap();
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Accepted);
    let alice = app.refresh(&alice).await;
    let page = audit::ops::list(&app.env, &alice.caller(), &Listing::default())
        .await
        .unwrap();
    let last = page.events.iter().rev().find_map(|(_, event)| match event.action {
        Action::LoginRefused { attempts } => Some(attempts),
        _ => None,
    });
    assert_eq!(last, Some(1));
}

#[tokio::test]
async fn attempts_are_regained_one_by_one_and_the_counters_are_swept() {
    let hourly = Rule {
        regain: Duration::from_hours(1),
        ..free(2)
    };
    let app = start(|rules| (rules.pair, rules.account) = (hourly, hourly));
    for _ in 0..2 {
        assert_eq!(guess(&app, HOME, ALICE).await, Wrong);
    }
    assert_eq!(guess(&app, HOME, ALICE).await, Wait(1));
    app.clock.advance(Duration::from_hours(1));
    assert_eq!(guess(&app, HOME, ALICE).await, Wrong);
    assert_eq!(guess(&app, HOME, ALICE).await, Wait(1));
    app.clock.advance(Duration::from_hours(2));
    assert_eq!(
        [guess(&app, HOME, ALICE).await, guess(&app, HOME, ALICE).await],
        [Wrong; 2]
    );

    let left = || async {
        let (counts, entries) = (Key::of(&("throttles",)), Key::of(&("expiry",)));
        (stored(&app, &counts).await.len(), stored(&app, &entries).await.len())
    };
    assert_eq!(left().await, (3, 3));
    assert_eq!(sweep::sweep(&app.env, Duration::MAX).await.unwrap().expired, 0);
    assert_eq!(left().await, (3, 3));
    app.clock.advance(Duration::from_hours(4));
    assert_eq!(sweep::sweep(&app.env, Duration::MAX).await.unwrap().expired, 2);
    // The account's counter still has unreported attempts.
    assert_eq!(left().await, (1, 1));
    app.clock.advance(Duration::from_hours(30 * 24));
    assert_eq!(sweep::sweep(&app.env, Duration::MAX).await.unwrap().expired, 1);
    assert_eq!(left().await, (0, 0));
    assert_eq!(guess(&app, HOME, ALICE).await, Wrong);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_email_write_as_many_entries_of_the_same_length() {
    let app = start(|_| {});
    app.register(ALICE).await;
    // Both events are the first of their day.
    app.clock.advance(Duration::from_secs(86_400));
    let mut written = Vec::new();
    for (email, address) in [(ALICE, "198.51.100.1"), ("nobod@example.com", "198.51.100.2")] {
        let before: BTreeSet<_> = all(&app).await.into_iter().collect();
        assert_eq!(guess(&app, address, email).await, Wrong);
        let entries = all(&app).await.into_iter().filter(|entry| !before.contains(entry));
        let mut lengths: Vec<usize> = entries.map(|(_, value)| value.len()).collect();
        lengths.sort_unstable();
        written.push(lengths);
    }
    // The counters with their expiries, and the event.
    assert!(written[0].len() > 4, "{written:?}");
    assert_eq!(written[0], written[1]);
}

/// Every key and value in the store, but for the commit markers.
async fn all(app: &TestApp) -> Vec<(Vec<u8>, Vec<u8>)> {
    let markers = Key::of(&("_runs",));
    let entries = app.all_entries().await.into_iter();
    let entries = entries.map(|entry| (entry.key.as_bytes().to_vec(), entry.value.clone()));
    entries
        .filter(|(key, _)| !key.starts_with(markers.as_bytes()))
        .collect()
}
