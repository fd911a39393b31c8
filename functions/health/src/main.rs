//! The `health` function.

fn main() -> std::process::ExitCode {
    api::serve(health::router())
}
