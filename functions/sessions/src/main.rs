//! The `sessions` function.

fn main() -> std::process::ExitCode {
    api::serve(sessions::router())
}
