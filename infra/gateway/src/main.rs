//! The gateway: a server with all functions, and the operator's commands.

mod commands;

use std::process::ExitCode;

use clap::Parser as _;
use mimalloc::MiMalloc;

use crate::commands::Arguments;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        None => api::serve_with(gateway::router, gateway::jobs(), gateway::traces::start),
        Some(command) => command.run(),
    }
}
