//! The program of the function `audit`.

fn main() -> std::process::ExitCode {
    api::serve(audit::router())
}
