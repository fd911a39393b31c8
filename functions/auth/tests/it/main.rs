//! The auth function's behaviour, through its real router on a real store.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]

mod bodies;
mod fairness;
mod front_doors;
mod idempotency;
mod keys;
mod log;
mod login;
mod logins;
mod logout;
mod password;
mod refresh;
mod register;
mod source;
mod throttle;

use domain::password::Policy;
use testkit::TestApp;

fn start() -> TestApp {
    TestApp::start(auth::router())
}

fn strict() -> TestApp {
    TestApp::with_password_policy(auth::router(), Policy::STRICT)
}
