//! The auth function's behaviour, over its real router on a real store.

mod bodies;
mod login;
mod logout;
mod register;

use testkit::TestApp;

fn start() -> TestApp {
    TestApp::start(auth::router())
}
