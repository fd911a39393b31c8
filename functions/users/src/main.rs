//! The program of the function `users`.

fn main() -> std::process::ExitCode {
    api::serve(users::router())
}
