//! The `audit` function.

fn main() -> std::process::ExitCode {
    api::serve(audit::router())
}
