//! The program of the function `health`.

fn main() -> std::process::ExitCode {
    api::serve(health::router())
}
