//! The program of the function `sessions`.

fn main() -> std::process::ExitCode {
    api::serve(sessions::router())
}
