//! Counters of attempts, by account and address.

use std::sync::Arc;
use std::time::Duration;

use domain::password::{Hasher, Password};
use domain::throttle::Rules;
use domain::{Error, Rng, SystemRng, users};
use kv::Key;
use serde_json::json;
use testkit::{Actor, Code, Target as _, TestApp};

use super::{
    ALICE, Accepted, ELSEWHERE, HOME, RIGHT, Wait, Wrong, free, guess, log_in, outcome, register, start, stored,
};

#[tokio::test]
async fn after_the_free_attempts_the_wait_doubles_up_to_a_limit() {
    let app = start(|rules| rules.pair = free(3));
    app.register(ALICE).await;
    for _ in 0..3 {
        assert_eq!(guess(&app, HOME, ALICE).await, Wrong);
    }
    for wait in [1, 2, 4, 8, 8] {
        assert_eq!(guess(&app, HOME, ALICE).await, Wait(wait));
        // A throttled attempt does not lengthen the wait, and the right password does not shorten it.
        assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Wait(wait));
        app.clock.advance(Duration::from_secs(wait - 1));
        assert_eq!(guess(&app, HOME, ALICE).await, Wait(1));
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(guess(&app, HOME, ALICE).await, Wrong);
    }
    app.clock.advance(Duration::from_secs(8));
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Accepted);
}

#[tokio::test]
async fn retry_after_is_in_whole_seconds_rounded_up() {
    let app = TestApp::with_limits(auth::router(), |limits| {
        limits.throttle = Some(Rules {
            pair: free(1),
            ..Rules::default()
        });
    });
    let attempt = || {
        let body = json!({ "email": ALICE, "password": "a wrong one" });
        app.post("/v5/auth/login").json(&body).send()
    };
    attempt().await.assert_problem(401, Code::InvalidCredentials);
    app.clock.advance(Duration::from_secs(1));
    attempt().await.assert_problem(401, Code::InvalidCredentials);
    for (advance, wait) in [(0, "2"), (1, "2"), (998, "2"), (1, "1"), (999, "1")] {
        app.clock.advance(Duration::from_millis(advance));
        let rejected = attempt().await;
        assert_eq!(rejected.header("retry-after"), Some(wait));
        rejected.assert_problem(429, Code::TooManyAttempts);
    }
    app.clock.advance(Duration::from_millis(1));
    attempt().await.assert_problem(401, Code::InvalidCredentials);
}

#[tokio::test]
async fn a_successful_login_clears_the_attempts_of_its_address() {
    let app = start(|rules| (rules.pair, rules.account) = (free(3), free(5)));
    app.register(ALICE).await;
    for _ in 0..4 {
        for _ in 0..2 {
            assert_eq!(guess(&app, HOME, ALICE).await, Wrong);
        }
        assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Accepted);
    }
    // It also clears them from the account's counter, which applies to other addresses.
    for _ in 0..3 {
        assert_eq!(guess(&app, ELSEWHERE, ALICE).await, Wrong);
    }
}

#[tokio::test]
async fn own_logins_do_not_reset_the_attempts_at_other_accounts() {
    let app = start(|rules| rules.address = free(4));
    app.register(ALICE).await;
    for account in 0..4 {
        assert_eq!(log_in(&app, ELSEWHERE, ALICE, RIGHT).await, Accepted);
        assert_eq!(
            guess(&app, ELSEWHERE, &format!("user{account}@example.com")).await,
            Wrong
        );
    }
    assert_eq!(log_in(&app, ELSEWHERE, ALICE, RIGHT).await, Accepted);
    assert_eq!(guess(&app, ELSEWHERE, "user4@example.com").await, Wait(1));
}

#[tokio::test]
async fn the_addresses_of_one_ipv6_network_share_a_counter() {
    let app = start(|rules| (rules.pair, rules.address) = (free(2), free(3)));
    for address in ["2001:db8:0:1::1", "2001:db8:0:1:ffff::2"] {
        assert_eq!(guess(&app, address, ALICE).await, Wrong);
    }
    assert_eq!(guess(&app, "2001:db8:0:1::3", ALICE).await, Wait(1));
    assert_eq!(guess(&app, "2001:db8:0:1::4", "bob@example.com").await, Wrong);
    assert_eq!(guess(&app, "2001:db8:0:1::5", "carol@example.com").await, Wait(1));
    // Another network of the same site, and another site.
    assert_eq!(guess(&app, "2001:db8:0:2::1", ALICE).await, Wait(1));
    assert_eq!(guess(&app, "2001:db8:1:2::1", ALICE).await, Wrong);
    assert_eq!(guess(&app, "::ffff:192.0.2.1", "bob@example.com").await, Wrong);
    assert_eq!(guess(&app, HOME, "bob@example.com").await, Wrong);
    assert_eq!(guess(&app, HOME, "bob@example.com").await, Wait(1));
}

#[tokio::test]
async fn spraying_from_many_networks_of_a_site_is_limited_like_spraying_from_one_address() {
    let mut verified = Vec::new();
    for networks in [1, 8] {
        let app = start(|_| {});
        let mut wrong = 0;
        for account in 0..300 {
            let address = format!("2001:db8:1:{:x}::1", account % networks);
            wrong += u32::from(guess(&app, &address, &format!("user{account}@example.com")).await == Wrong);
        }
        verified.push(wrong);
    }
    assert_eq!(verified, [50, 50]);
}

#[tokio::test]
async fn registrations_are_counted_by_address_including_taken_emails() {
    let app = start(|rules| rules.registration = free(3));
    for email in [ALICE, "bob@example.com"] {
        assert_eq!(outcome(register(&app.env, HOME, email).await), Accepted);
    }
    let taken = register(&app.env, HOME, ALICE).await;
    assert!(matches!(taken, Err(Error::EmailTaken)));
    assert_eq!(outcome(register(&app.env, HOME, "carol@example.com").await), Wait(1));
    assert_eq!(outcome(register(&app.env, HOME, ALICE).await), Wait(1));
    assert_eq!(
        outcome(register(&app.env, ELSEWHERE, "carol@example.com").await),
        Accepted
    );
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(outcome(register(&app.env, HOME, "dave@example.com").await), Accepted);
    // Registrations do not count as password attempts.
    assert_eq!(guess(&app, HOME, ALICE).await, Wrong);
}

/// Fails when the hasher needs a salt.
struct NoSalt;

impl Rng for NoSalt {
    fn fill(&self, _: &mut [u8]) {
        panic!("a throttled attempt was hashed");
    }
}

#[tokio::test]
async fn a_throttled_attempt_hashes_and_writes_nothing() {
    let app = start(|rules| (rules.pair, rules.registration) = (free(1), free(1)));
    let alice: Actor = app.register(ALICE).await;
    assert_eq!(outcome(register(&app.env, HOME, "bob@example.com").await), Accepted);
    for (address, email) in [(HOME, ALICE), (HOME, "unknown@example.com")] {
        assert_eq!(guess(&app, address, email).await, Wrong);
    }
    let wrong = &Password::claimed("a wrong one").unwrap();
    let changed = users::ops::change_password(&app.env, &alice.caller(), wrong, "password456").await;
    assert_eq!(outcome(changed), Wrong);

    let everything = Key::of(&());
    let (before, verifications) = (stored(&app, &everything).await, app.env.hasher.verifications());
    for email in [ALICE, "unknown@example.com"] {
        assert_eq!(guess(&app, HOME, email).await, Wait(1));
        assert_eq!(log_in(&app, HOME, email, RIGHT).await, Wait(1));
    }
    let right = &Password::claimed(RIGHT).unwrap();
    let changed = users::ops::change_password(&app.env, &alice.caller(), right, "password456").await;
    assert_eq!(outcome(changed), Wait(1));
    let mut env = app.env.clone();
    env.hasher = Hasher::new(Arc::new(NoSalt));
    assert_eq!(outcome(register(&env, HOME, "carol@example.com").await), Wait(1));
    assert_eq!(app.env.hasher.verifications(), verifications);
    assert_eq!(stored(&app, &everything).await, before);
}

#[tokio::test]
async fn an_attempt_that_meets_a_renewed_hash_is_verified_again_and_counted_once() {
    let mut app = start(|rules| rules.pair = free(1));
    app.register(ALICE).await;
    // With the current parameters both logins find the hash outdated, because renewing it takes time.
    app.env.hasher = Hasher::new(Arc::new(SystemRng));
    let outcomes = tokio::join!(log_in(&app, HOME, ALICE, RIGHT), log_in(&app, ELSEWHERE, ALICE, RIGHT));
    assert_eq!(outcomes, (Accepted, Accepted));
    assert_eq!(app.env.hasher.verifications(), 3, "one of them is verified again");
}

#[tokio::test]
async fn attempts_at_an_unknown_email_are_counted_like_any_other() {
    let app = start(|rules| {
        (rules.pair, rules.account, rules.address) = (free(2), free(4), free(100));
    });
    app.register(ALICE).await;
    let mut outcomes = Vec::new();
    for email in [ALICE, "unknown@example.com"] {
        let mut outcomes_of_email = Vec::new();
        for address in [HOME, ELSEWHERE, "198.51.100.2"] {
            for _ in 0..3 {
                outcomes_of_email.push(guess(&app, address, email).await);
            }
            outcomes_of_email.push(log_in(&app, address, email, RIGHT).await);
        }
        outcomes.push(outcomes_of_email);
    }
    let once = [Wrong, Wrong, Wait(1), Wait(1)];
    assert_eq!(outcomes[0], [once, once, [Wait(1); 4]].concat());
    assert_eq!(outcomes[1], outcomes[0]);
    let pairs = stored(&app, &Key::of(&("throttles", "pair"))).await;
    let accounts = stored(&app, &Key::of(&("throttles", "account"))).await;
    // Two addresses of each email, and the one that has registered.
    assert_eq!((pairs.len(), accounts.len()), (5, 2));
}
