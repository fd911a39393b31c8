//! The `auth` function.

fn main() -> std::process::ExitCode {
    api::serve(auth::router())
}
