//! The whole surface: in-process, as the gateway's own process, and as function processes under `cargo lambda watch`.

mod cors;
mod flow;
mod layout;
mod process;
mod surface;
mod watch;
