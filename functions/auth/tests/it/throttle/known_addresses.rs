//! Client addresses that an account knows from earlier logins.

use std::time::Duration;

use domain::password::Password;
use domain::throttle::Rule;
use domain::users::{self, Email};
use domain::{Client, Error, logins, sweep};

use super::{ALICE, Accepted, ELSEWHERE, HOME, RIGHT, Wait, Wrong, free, guess, log_in, start};

#[tokio::test]
async fn failures_from_many_addresses_throttle_unknown_addresses_only() {
    let app = start(|rules| rules.account = free(5));
    app.register(ALICE).await;
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Accepted);
    for address in 1..=5 {
        assert_eq!(guess(&app, &format!("203.0.113.{address}"), ALICE).await, Wrong);
    }
    assert_eq!(guess(&app, "203.0.113.6", ALICE).await, Wait(1));
    assert_eq!(log_in(&app, ELSEWHERE, ALICE, RIGHT).await, Wait(1));
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Accepted);
    // At a known address only the failures from that address count.
    assert_eq!(guess(&app, HOME, ALICE).await, Wrong);
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Accepted);
}

#[tokio::test]
async fn a_known_address_is_not_throttled_by_other_users_of_it() {
    let app = start(|rules| rules.address = free(5));
    app.register(ALICE).await;
    app.register("bob@example.com").await;
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Accepted);
    for account in 0..5 {
        assert_eq!(guess(&app, HOME, &format!("user{account}@example.com")).await, Wrong);
    }
    assert_eq!(guess(&app, HOME, "user5@example.com").await, Wait(1));
    assert_eq!(log_in(&app, HOME, "bob@example.com", RIGHT).await, Wait(1));
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Accepted);
}

#[tokio::test]
async fn an_account_forgets_an_address_ninety_days_after_the_login_expires() {
    let app = start(|rules| rules.account = free(2));
    app.register(ALICE).await;
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Accepted);
    app.clock.advance(Duration::from_secs(180 * 86_400 - 1));
    for address in 1..=2 {
        assert_eq!(guess(&app, &format!("203.0.113.{address}"), ALICE).await, Wrong);
    }
    assert_eq!(guess(&app, HOME, ALICE).await, Wrong);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Wait(1));
}

#[tokio::test]
async fn a_sweep_keeps_a_known_address() {
    let app = start(|rules| rules.account = free(1));
    app.register(ALICE).await;
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Accepted);
    app.clock.advance(Duration::from_hours(89 * 24));
    sweep::sweep(&app.env, Duration::MAX).await.unwrap();
    assert_eq!(guess(&app, ELSEWHERE, ALICE).await, Wrong);
    assert_eq!(log_in(&app, ELSEWHERE, ALICE, RIGHT).await, Wait(1));
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Accepted);
}

#[tokio::test]
async fn an_unknown_client_address_is_never_a_known_address() {
    let app = start(|rules| rules.address = free(3));
    app.register(ALICE).await;
    let (nowhere, email) = (Client::default(), Email::parse(ALICE).unwrap());
    let right = Password::claimed(RIGHT).unwrap();
    logins::ops::log_in(&app.env, &nowhere, &email, &right).await.unwrap();
    let wrong = Password::claimed("a wrong one").unwrap();
    for number in 0..3 {
        let email = Email::parse(&format!("user{number}@example.com")).unwrap();
        let rejected = logins::ops::log_in(&app.env, &nowhere, &email, &wrong).await;
        assert!(matches!(rejected, Err(Error::InvalidCredentials)));
    }
    let rejected = logins::ops::log_in(&app.env, &nowhere, &email, &right).await;
    assert!(matches!(rejected, Err(Error::TooManyAttempts { .. })));
}

#[tokio::test]
async fn the_wait_from_a_known_address_is_at_most_a_minute() {
    let app = start(|rules| {
        rules.pair = Rule {
            max_wait: Duration::from_secs(900),
            ..free(1)
        };
    });
    app.register(ALICE).await;
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Accepted);
    for _ in 0..12 {
        assert_eq!(guess(&app, HOME, ALICE).await, Wrong);
        app.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Accepted);
}

#[tokio::test]
async fn attempts_from_elsewhere_do_not_throttle_a_password_change() {
    let app = start(|rules| rules.account = free(2));
    let alice = app.register(ALICE).await;
    for _ in 0..2 {
        assert_eq!(guess(&app, ELSEWHERE, ALICE).await, Wrong);
    }
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Wait(1));
    let right = Password::claimed(RIGHT).unwrap();
    let changed = users::ops::change_password(&app.env, &alice.caller(), &right, "another password").await;
    assert_eq!(changed.unwrap(), 0);
}
