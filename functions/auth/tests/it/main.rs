//! The auth function's behaviour, over its real router on a real store.

#![expect(
    clippy::unwrap_used,
    reason = "a test that unwraps nothing has failed, and says where"
)]

mod bodies;
mod front_doors;
mod login;
mod logout;
mod register;
mod source;

use testkit::TestApp;

fn start() -> TestApp {
    TestApp::start(auth::router())
}
