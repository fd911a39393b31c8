//! Throttling of attempts, below HTTP, where a test can use any client address.

mod counters;
mod devices;
mod known_addresses;
mod reports;
mod signed_in;

use std::sync::Arc;
use std::time::Duration;

use argon2::Params;
use domain::password::{Hasher, Password};
use domain::throttle::{DeviceToken, Rule, Rules};
use domain::users::{self, Email, ops::Registration};
use domain::{Address, Client, Env, Error, Limits, SystemRng, logins};
use kv::{Key, Order, Query, Range};
use testkit::TestApp;

const ALICE: &str = "alice@example.com";
const RIGHT: &str = "password123";
const HOME: &str = "192.0.2.1";
const ELSEWHERE: &str = "198.51.100.1";

/// Starts the app with cheap hashes, because these tests are not about hashing.
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

/// A rule with this many free attempts. Within a test no attempt is forgotten.
fn free(free: u32) -> Rule {
    Rule {
        free,
        regain: Duration::from_hours(24),
        max_wait: Duration::from_secs(8),
    }
}

fn client_at(address: &str) -> Client {
    Client {
        address: Some(Address::new(address.parse().unwrap())),
        ..Client::default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Accepted,
    /// Rejected for its credentials.
    Wrong,
    /// Throttled for this many seconds.
    Wait(u64),
}
use Outcome::{Accepted, Wait, Wrong};

fn outcome<T>(result: Result<T, Error>) -> Outcome {
    match result {
        Ok(_) => Accepted,
        Err(Error::InvalidCredentials) => Wrong,
        Err(Error::TooManyAttempts { wait, .. }) => Wait(wait.as_secs()),
        Err(error) => panic!("{error}"),
    }
}

async fn log_in(app: &TestApp, address: &str, email: &str, password: &str) -> Outcome {
    log_in_with(app, address, email, password, None).await
}

/// Logs in from a device that may have a device token.
async fn log_in_with(
    app: &TestApp,
    address: &str,
    email: &str,
    password: &str,
    device: Option<&DeviceToken>,
) -> Outcome {
    let (email, password) = (Email::parse(email).unwrap(), Password::claimed(password).unwrap());
    outcome(logins::ops::log_in(&app.env, &client_at(address), &email, &password, device).await)
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
    users::ops::register(env, &client_at(address), registration, None)
        .await
        .map(drop)
}

/// All entries below `prefix`.
async fn stored(app: &TestApp, prefix: &Key) -> Vec<kv::Entry> {
    let query = &Query {
        range: Range::below(prefix),
        order: Order::Ascending,
        limit: usize::MAX,
    };
    let read = app.env.db.run(|txn| async move { txn.range(query).await });
    read.await.unwrap().entries
}
