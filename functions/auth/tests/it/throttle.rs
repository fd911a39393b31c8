//! How guessing is slowed down, below HTTP: there a test can call from any address.

use std::sync::Arc;
use std::time::Duration;

use argon2::Params;
use domain::audit::{self, Action};
use domain::page::Limit;
use domain::password::{Hasher, Password};
use domain::throttle::{Rule, Rules};
use domain::users::{self, Email, ops::Registration};
use domain::{Address, Client, Env, Error, Limits, Rng, SystemRng, logins, sweep};
use kv::{Key, Order, Query, Range};
use serde_json::json;
use testkit::{Actor, Code, Target as _, TestApp};

const ALICE: &str = "alice@example.com";
const RIGHT: &str = "password123";
const HOME: &str = "192.0.2.1";
const ELSEWHERE: &str = "198.51.100.1";

/// With hashes that take no time, because nothing here is about what they are worth.
fn start(change: impl FnOnce(&mut Rules)) -> TestApp {
    let throttle = |limits: &mut Limits| {
        let mut rules = Rules::default();
        change(&mut rules);
        limits.throttle = Some(rules);
    };
    let mut app = TestApp::with_limits(auth::router(), throttle);
    app.env.hasher = Hasher::with_params(Arc::new(SystemRng), Params::new(8, 1, 1, None).unwrap());
    app
}

/// So many attempts are free, and nothing is forgotten within a test.
fn free(free: u32) -> Rule {
    Rule {
        free,
        regain: Duration::from_hours(24),
        max_wait: Duration::from_secs(8),
    }
}

fn from(address: &str) -> Client {
    Client {
        address: Some(Address::new(address.parse().unwrap())),
        ..Client::default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    In,
    Wrong,
    /// To wait for so many seconds.
    Wait(u64),
}
use Outcome::{In, Wait, Wrong};

fn outcome<T>(result: Result<T, Error>) -> Outcome {
    match result {
        Ok(_) => In,
        Err(Error::InvalidCredentials) => Wrong,
        Err(Error::TooManyAttempts { wait }) => Wait(wait.as_secs()),
        Err(error) => panic!("{error}"),
    }
}

async fn log_in(app: &TestApp, address: &str, email: &str, password: &str) -> Outcome {
    let (email, password) = (Email::parse(email).unwrap(), Password::claimed(password).unwrap());
    outcome(logins::ops::log_in(&app.env, &from(address), &email, &password).await)
}

async fn guess(app: &TestApp, address: &str, email: &str) -> Outcome {
    log_in(app, address, email, "a wrong one").await
}

async fn register(env: &Env, address: &str, email: &str) -> Result<(), Error> {
    let registration = Registration {
        email: Email::parse(email).unwrap(),
        password: Password::claimed(RIGHT).unwrap(),
        first_name: None,
        last_name: None,
        company: None,
    };
    users::ops::register(env, &from(address), registration, None)
        .await
        .map(drop)
}

/// Everything in the store below `prefix`.
async fn stored(app: &TestApp, prefix: &Key) -> Vec<kv::Entry> {
    let query = &Query {
        range: Range::below(prefix),
        order: Order::Ascending,
        limit: usize::MAX,
    };
    let read = app.env.db.run(|txn| async move { txn.range(query).await });
    read.await.unwrap().entries
}

#[tokio::test]
async fn after_the_free_attempts_the_wait_doubles_up_to_a_limit() {
    let app = start(|rules| rules.pair = free(3));
    app.register(ALICE).await;
    for _ in 0..3 {
        assert_eq!(guess(&app, HOME, ALICE).await, Wrong);
    }
    for wait in [1, 2, 4, 8, 8] {
        assert_eq!(guess(&app, HOME, ALICE).await, Wait(wait));
        // Asking in vain makes it no longer, and the right password no shorter.
        assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Wait(wait));
        app.clock.advance(Duration::from_secs(wait - 1));
        assert_eq!(guess(&app, HOME, ALICE).await, Wait(1));
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(guess(&app, HOME, ALICE).await, Wrong);
    }
    app.clock.advance(Duration::from_secs(8));
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, In);
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
    for (advance, told) in [(0, "2"), (1, "2"), (998, "2"), (1, "1"), (999, "1")] {
        app.clock.advance(Duration::from_millis(advance));
        let refused = attempt().await;
        assert_eq!(refused.header("retry-after"), Some(told));
        refused.assert_problem(429, Code::TooManyAttempts);
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
        assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, In);
    }
    // From the account's count too, which others are held to.
    for _ in 0..3 {
        assert_eq!(guess(&app, ELSEWHERE, ALICE).await, Wrong);
    }
}

#[tokio::test]
async fn failures_from_many_addresses_throttle_unknown_addresses_only() {
    let app = start(|rules| rules.account = free(5));
    app.register(ALICE).await;
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, In);
    for address in 1..=5 {
        assert_eq!(guess(&app, &format!("203.0.113.{address}"), ALICE).await, Wrong);
    }
    assert_eq!(guess(&app, "203.0.113.6", ALICE).await, Wait(1));
    assert_eq!(log_in(&app, ELSEWHERE, ALICE, RIGHT).await, Wait(1));
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, In);
    // A person who mistypes at home is held to what was mistyped at home.
    assert_eq!(guess(&app, HOME, ALICE).await, Wrong);
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, In);
}

#[tokio::test]
async fn a_known_address_is_not_throttled_by_other_users_of_it() {
    let app = start(|rules| rules.address = free(5));
    app.register(ALICE).await;
    app.register("bob@example.com").await;
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, In);
    for account in 0..5 {
        assert_eq!(guess(&app, HOME, &format!("user{account}@example.com")).await, Wrong);
    }
    assert_eq!(guess(&app, HOME, "user5@example.com").await, Wait(1));
    assert_eq!(log_in(&app, HOME, "bob@example.com", RIGHT).await, Wait(1));
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, In);
}

#[tokio::test]
async fn an_account_forgets_an_address_ninety_days_after_the_login_expires() {
    let app = start(|rules| rules.account = free(2));
    app.register(ALICE).await;
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, In);
    app.clock.advance(Duration::from_secs(180 * 86_400 - 1));
    for address in 1..=2 {
        assert_eq!(guess(&app, &format!("203.0.113.{address}"), ALICE).await, Wrong);
    }
    assert_eq!(guess(&app, HOME, ALICE).await, Wrong);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, Wait(1));
}

#[tokio::test]
async fn own_logins_do_not_reset_the_attempts_at_other_accounts() {
    let app = start(|rules| rules.address = free(4));
    app.register(ALICE).await;
    for account in 0..4 {
        assert_eq!(log_in(&app, ELSEWHERE, ALICE, RIGHT).await, In);
        assert_eq!(
            guess(&app, ELSEWHERE, &format!("user{account}@example.com")).await,
            Wrong
        );
    }
    assert_eq!(log_in(&app, ELSEWHERE, ALICE, RIGHT).await, In);
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
    assert_eq!(guess(&app, "2001:db8:0:2::1", ALICE).await, Wrong);
    assert_eq!(guess(&app, "::ffff:192.0.2.1", "bob@example.com").await, Wrong);
    assert_eq!(guess(&app, HOME, "bob@example.com").await, Wrong);
    assert_eq!(guess(&app, HOME, "bob@example.com").await, Wait(1));
}

#[tokio::test]
async fn registrations_are_counted_by_address_including_taken_emails() {
    let app = start(|rules| rules.registration = free(3));
    for email in [ALICE, "bob@example.com"] {
        assert_eq!(outcome(register(&app.env, HOME, email).await), In);
    }
    let taken = register(&app.env, HOME, ALICE).await;
    assert!(matches!(taken, Err(Error::EmailTaken)));
    assert_eq!(outcome(register(&app.env, HOME, "carol@example.com").await), Wait(1));
    assert_eq!(outcome(register(&app.env, HOME, ALICE).await), Wait(1));
    assert_eq!(outcome(register(&app.env, ELSEWHERE, "carol@example.com").await), In);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(outcome(register(&app.env, HOME, "dave@example.com").await), In);
    // Of passwords nothing was counted.
    assert_eq!(guess(&app, HOME, ALICE).await, Wrong);
}

/// No hash is made without a salt.
struct NoSalt;

impl Rng for NoSalt {
    fn fill(&self, _: &mut [u8]) {
        panic!("something was to be hashed");
    }
}

#[tokio::test]
async fn a_throttled_attempt_hashes_and_writes_nothing() {
    let app = start(|rules| (rules.pair, rules.registration) = (free(1), free(1)));
    let alice: Actor = app.register(ALICE).await;
    assert_eq!(outcome(register(&app.env, HOME, "bob@example.com").await), In);
    for (address, email) in [(HOME, ALICE), (HOME, "nobody@example.com")] {
        assert_eq!(guess(&app, address, email).await, Wrong);
    }
    let wrong = &Password::claimed("a wrong one").unwrap();
    let changed = users::ops::change_password(&app.env, &alice.caller(), wrong, "password456").await;
    assert_eq!(outcome(changed), Wrong);

    let everything = Key::of(&());
    let (before, compared) = (stored(&app, &everything).await, app.env.hasher.verifications());
    for email in [ALICE, "nobody@example.com"] {
        assert_eq!(guess(&app, HOME, email).await, Wait(1));
        assert_eq!(log_in(&app, HOME, email, RIGHT).await, Wait(1));
    }
    let right = &Password::claimed(RIGHT).unwrap();
    let changed = users::ops::change_password(&app.env, &alice.caller(), right, "password456").await;
    assert_eq!(outcome(changed), Wait(1));
    let mut env = app.env.clone();
    env.hasher = Hasher::new(Arc::new(NoSalt));
    assert_eq!(outcome(register(&env, HOME, "carol@example.com").await), Wait(1));
    assert_eq!(app.env.hasher.verifications(), compared);
    assert_eq!(stored(&app, &everything).await, before);
}

#[tokio::test]
async fn an_attempt_that_meets_a_renewed_hash_is_verified_again_and_counted_once() {
    let mut app = start(|rules| rules.pair = free(1));
    app.register(ALICE).await;
    // With today's parameters both find the hash outdated, and have time to, because renewing it takes some. One is the first.
    app.env.hasher = Hasher::new(Arc::new(SystemRng));
    let outcomes = tokio::join!(log_in(&app, HOME, ALICE, RIGHT), log_in(&app, ELSEWHERE, ALICE, RIGHT));
    assert_eq!(outcomes, (In, In));
    assert_eq!(app.env.hasher.verifications(), 3, "one of them was asked again");
}

#[tokio::test]
async fn attempts_at_an_unknown_email_are_counted_like_any_other() {
    let app = start(|rules| {
        (rules.pair, rules.account, rules.address) = (free(2), free(4), free(100));
    });
    app.register(ALICE).await;
    let mut outcomes = Vec::new();
    for email in [ALICE, "nobody@example.com"] {
        let mut its = Vec::new();
        for address in [HOME, ELSEWHERE, "198.51.100.2"] {
            for _ in 0..3 {
                its.push(guess(&app, address, email).await);
            }
            its.push(log_in(&app, address, email, RIGHT).await);
        }
        outcomes.push(its);
    }
    let once = [Wrong, Wrong, Wait(1), Wait(1)];
    assert_eq!(outcomes[0], [once, once, [Wait(1); 4]].concat());
    assert_eq!(outcomes[1], outcomes[0]);
    let pairs = stored(&app, &Key::of(&("throttles", "pair"))).await;
    let accounts = stored(&app, &Key::of(&("throttles", "account"))).await;
    assert_eq!((pairs.len(), accounts.len()), (4, 2));
}

#[tokio::test]
async fn the_audit_log_reports_wrong_passwords_once_a_minute_with_their_number() {
    let app = start(|rules| rules.pair = free(100));
    let alice = app.register(ALICE).await;
    let told = || async {
        let page = audit::ops::list(&app.env, &alice.caller(), None, Limit::default()).await;
        let events = page.unwrap().events.into_iter();
        let told = events.filter_map(|(_, event)| match event.action {
            Action::LoginRefused { attempts } => Some((attempts, event.address.unwrap().to_string())),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    let of = |told: &[(u32, &str)]| {
        told.iter()
            .map(|(n, from)| (*n, (*from).to_owned()))
            .collect::<Vec<_>>()
    };
    for address in [HOME, HOME, ELSEWHERE] {
        assert_eq!(guess(&app, address, ALICE).await, Wrong);
    }
    // More than twice as many are told of before a minute is over.
    assert_eq!(told().await, of(&[(1, HOME), (2, ELSEWHERE)]));
    app.clock.advance(Duration::from_secs(59));
    assert_eq!(guess(&app, HOME, ALICE).await, Wrong);
    assert_eq!(told().await.len(), 2);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(guess(&app, ELSEWHERE, ALICE).await, Wrong);
    assert_eq!(told().await[2..], of(&[(2, ELSEWHERE)]));
    // What was not told of yet is kept, and the owner is told when they come.
    assert_eq!(guess(&app, ELSEWHERE, ALICE).await, Wrong);
    app.clock.advance(Duration::from_hours(29 * 24));
    sweep::sweep(&app.env, Duration::MAX).await.unwrap();
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, In);
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
    // Of the account's, nobody has been told of all refused attempts yet.
    assert_eq!(left().await, (1, 1));
    app.clock.advance(Duration::from_hours(30 * 24));
    assert_eq!(sweep::sweep(&app.env, Duration::MAX).await.unwrap().expired, 1);
    assert_eq!(left().await, (0, 0));
    assert_eq!(guess(&app, HOME, ALICE).await, Wrong);
}

#[tokio::test]
async fn a_sweep_keeps_a_known_address() {
    let app = start(|rules| rules.account = free(1));
    app.register(ALICE).await;
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, In);
    app.clock.advance(Duration::from_hours(89 * 24));
    sweep::sweep(&app.env, Duration::MAX).await.unwrap();
    assert_eq!(guess(&app, ELSEWHERE, ALICE).await, Wrong);
    assert_eq!(log_in(&app, ELSEWHERE, ALICE, RIGHT).await, Wait(1));
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, In);
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
        let refused = logins::ops::log_in(&app.env, &nowhere, &email, &wrong).await;
        assert!(matches!(refused, Err(Error::InvalidCredentials)));
    }
    let refused = logins::ops::log_in(&app.env, &nowhere, &email, &right).await;
    assert!(matches!(refused, Err(Error::TooManyAttempts { .. })));
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
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, In);
    for _ in 0..12 {
        assert_eq!(guess(&app, HOME, ALICE).await, Wrong);
        app.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(log_in(&app, HOME, ALICE, RIGHT).await, In);
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
