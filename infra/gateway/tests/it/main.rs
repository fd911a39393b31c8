//! The whole surface: in-process, as the gateway's own process, and as function processes under `cargo lambda watch`.

#![expect(
    clippy::unwrap_used,
    reason = "a test that unwraps nothing has failed, and says where"
)]

mod cors;
#[cfg(feature = "fdb")]
mod fdb;
mod flow;
mod front_doors;
mod functions;
mod layout;
mod lines;
mod logs;
mod matrix;
mod metrics;
mod openapi;
mod operations;
mod process;
mod redacted;
mod source;
mod surface;
mod sweep;
mod template;
mod throttle;
mod watch;
