//! The gateway's program: the server, and the question to one that runs beside it how it is.

use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const USAGE: &str = "usage: gateway          serve on HOST and PORT
       gateway health   succeed if a gateway on HOST and PORT answers
       gateway help     this";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(|argument| argument.to_str()).collect();
    match arguments[..] {
        [] => api::serve_with(gateway::router(), gateway::jobs()),
        [Some("health")] => api::probe(),
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
