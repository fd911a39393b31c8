//! Reports of wrong passwords in the audit log, and the lifetime of counters.

use std::time::Duration;

use domain::audit::{self, Action};
use domain::page::Limit;
use domain::sweep;
use domain::throttle::Rule;
use kv::Key;

use super::{ALICE, Accepted, ELSEWHERE, HOME, RIGHT, Wait, Wrong, free, guess, log_in, start, stored};

#[tokio::test]
async fn the_audit_log_reports_wrong_passwords_once_a_minute_with_their_number() {
    let app = start(|rules| rules.pair = free(100));
    let alice = app.register(ALICE).await;
    let reported = || async {
        let page = audit::ops::list(&app.env, &alice.caller(), None, Limit::default()).await;
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
    let page = audit::ops::list(&app.env, &alice.caller(), None, Limit::default())
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
