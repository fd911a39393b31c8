//! What the tests of every function share: the real router on a real store, in-process, with named actors and a clock
//! that can be moved. Nothing here stands in for a part of the product but time.
//!
//! Every answer passes through one set of checks on its way to the test: see [`Answer`].

mod actor;
mod answer;
mod app;
mod clock;
mod contract;
mod front_door;
mod front_doors;
mod lambda_watch;
mod line;
mod process;
mod remote;
mod request;
mod runtime_api;
mod store;

pub use actor::Actor;
pub use answer::Answer;
pub use app::TestApp;
pub use clock::TestClock;
pub use front_door::{FRONT_DOORS, FrontDoor, answer_to};
pub use front_doors::holds_behind_every_front_door;
pub use lambda_watch::{LambdaWatch, build_functions};
pub use line::{check_job_line, check_request_line, metrics};
pub use process::Process;
pub use remote::Remote;
pub use request::{Call, Target};
pub use runtime_api::RuntimeApi;
pub use store::TestStore;

pub use api::Code;
