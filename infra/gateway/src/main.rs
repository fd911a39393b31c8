//! The gateway: a server with all functions, and the health check of such a server.

use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const USAGE: &str = "usage: gateway          serve on HOST and PORT
       gateway health   succeed if a gateway on HOST and PORT responds
       gateway version  print the version and the commit
       gateway help     print this text";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(|argument| argument.to_str()).collect();
    match arguments[..] {
        [] => api::serve_with(gateway::router(), gateway::jobs()),
        [Some("health")] => api::probe(),
        [Some("version" | "--version")] => {
            println!("{} {}", api::VERSION, api::COMMIT.unwrap_or("(unknown commit)"));
            ExitCode::SUCCESS
        }
        [Some("help" | "--help")] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::FAILURE
        }
    }
}
