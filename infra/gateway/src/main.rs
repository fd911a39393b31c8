//! The gateway's program.

fn main() -> std::process::ExitCode {
    api::serve_with(gateway::router(), gateway::jobs())
}
