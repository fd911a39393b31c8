//! The test harness that every function shares: the real router on a real store, with named actors and a movable clock.
//!
//! Only time is simulated; everything else is the product's code. The harness checks every response against the OpenAPI
//! document before the test sees it: see [`TestResponse`].

mod actor;
mod app;
#[cfg(feature = "fdb")]
mod authority;
mod browser;
mod client;
mod clock;
mod content;
mod contract;
mod emails;
mod front_door;
mod front_door_checks;
mod interruption;
mod lambda_watch;
mod log_line;
mod process;
mod remote;
mod request;
mod response;
mod runtime_api;
mod store;

pub use actor::Actor;
pub use app::TestApp;
#[cfg(feature = "fdb")]
pub use authority::{Authority, Credentials};
pub use browser::Browser;
pub use clock::TestClock;
pub use content::{Content, picture};
pub use emails::{mail_token, waiting_emails};
pub use front_door::{FRONT_DOORS, FrontDoor, response_to};
pub use front_door_checks::check_every_front_door;
pub use interruption::{after_verification, hash_anew};
pub use lambda_watch::{LambdaWatch, build_functions};
pub use log_line::{check_job_log_line, check_request_log_line, metric_names};
pub use process::Process;
pub use remote::Remote;
pub use request::{Target, TestRequest};
pub use response::TestResponse;
pub use runtime_api::RuntimeApi;
pub use store::TestStore;

pub use api::Code;
