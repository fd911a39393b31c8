//! Client addresses that an account knows from earlier logins.

use std::time::Duration;

use domain::password::Password;
use domain::throttle::Rule;
use domain::users::{self, Email};
use domain::{Client, Error, logins, sweep};
use futures_util::future::join_all;
use testkit::TestApp;

use super::{ALICE, Accepted, ELSEWHERE, HOME, RIGHT, Wait, Wrong, free, guess, log_in, register, start};

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
    logins::ops::log_in(&app.env, &nowhere, &email, &right, None)
        .await
        .unwrap();
    let wrong = Password::claimed("a wrong one").unwrap();
    for number in 0..3 {
        let email = Email::parse(&format!("user{number}@example.com")).unwrap();
        let rejected = logins::ops::log_in(&app.env, &nowhere, &email, &wrong, None).await;
        assert!(matches!(rejected, Err(Error::InvalidCredentials)));
    }
    let rejected = logins::ops::log_in(&app.env, &nowhere, &email, &right, None).await;
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
async fn a_registration_makes_its_address_known() {
    let app = start(|rules| (rules.account, rules.address) = (free(2), free(2)));
    register(&app.env, HOME, ALICE).await.unwrap();
    for account in 0..2 {
        assert_eq!(guess(&app, ELSEWHERE, ALICE).await, Wrong);
        assert_eq!(guess(&app, HOME, &format!("user{account}@example.com")).await, Wrong);
    }
    assert_eq!(guess(&app, HOME, "user2@example.com").await, Wait(1));
    assert_eq!(log_in(&app, ELSEWHERE, ALICE, RIGHT).await, Wait(1));
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Accepted);
}

#[tokio::test]
async fn a_day_of_guesses_from_known_addresses_is_limited_to_a_hundred() {
    let app = start(|_| {});
    for address in [HOME, ELSEWHERE] {
        assert_eq!(register(&app.env, address, ALICE).await.is_ok(), address == HOME);
        assert_eq!(log_in(&app, address, ALICE, RIGHT).await, Accepted);
    }
    let mut wrong = 0;
    for _ in 0..24 * 60 {
        for address in [HOME, ELSEWHERE] {
            wrong += u32::from(guess(&app, address, ALICE).await == Wrong);
        }
        app.clock.advance(Duration::from_secs(60));
    }
    assert!((70..=100).contains(&wrong), "{wrong} passwords were verified");
}

#[tokio::test]
async fn concurrent_guesses_from_known_addresses_share_one_limit() {
    let app = start(|rules| rules.known = free(5));
    app.register(ALICE).await;
    let homes: Vec<_> = (1..=12).map(|number| format!("192.0.2.{number}")).collect();
    for home in &homes {
        assert_eq!(log_in(&app, home, ALICE, RIGHT).await, Accepted);
    }
    let outcomes = join_all(homes.iter().map(|home| guess(&app, home, ALICE))).await;
    let count = |expected| outcomes.iter().filter(|outcome| **outcome == expected).count();
    assert_eq!((count(Wrong), count(Wait(1))), (5, 7), "{outcomes:?}");
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Wait(1));
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Accepted);
    // The right password takes back its own attempt only.
    assert_eq!(log_in(&app, &homes[1], ALICE, RIGHT).await, Wait(1));
}

#[tokio::test]
async fn logins_from_known_addresses_do_not_use_up_their_limit() {
    let app = start(|rules| rules.known = free(2));
    app.register(ALICE).await;
    for _ in 0..5 {
        for address in [HOME, ELSEWHERE] {
            assert_eq!(log_in(&app, address, ALICE, RIGHT).await, Accepted);
        }
    }
    let logins = [HOME, ELSEWHERE].map(|address| log_in(&app, address, ALICE, RIGHT));
    assert_eq!(join_all(logins).await, [Accepted, Accepted]);
}

#[tokio::test]
async fn a_password_change_forgets_other_addresses_until_they_log_in_again() {
    let app = start(|rules| rules.account = free(1));
    let alice = app.register(ALICE).await;
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Accepted);
    let (right, new) = (Password::claimed(RIGHT).unwrap(), "another password");
    users::ops::change_password(&app.env, &alice.caller(), &right, new)
        .await
        .unwrap();
    assert_eq!(guess(&app, ELSEWHERE, ALICE).await, Wrong);
    assert_eq!(log_in(&app, HOME, ALICE, new).await, Wait(1));
    // The change came from this address.
    let changed_at = TestApp::ADDRESS.to_string();
    assert_eq!(log_in(&app, &changed_at, ALICE, new).await, Accepted);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(log_in(&app, HOME, ALICE, new).await, Accepted);
    for _ in 0..2 {
        guess(&app, ELSEWHERE, ALICE).await;
    }
    assert_eq!(log_in(&app, HOME, ALICE, new).await, Accepted);
}
