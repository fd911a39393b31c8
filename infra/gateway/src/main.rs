//! The gateway's program.

fn main() -> std::process::ExitCode {
    api::serve(gateway::router())
}
