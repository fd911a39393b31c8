//! The program of the function `auth`.

fn main() -> std::process::ExitCode {
    api::serve(auth::router())
}
