//! The program of the function `organizations`.

fn main() -> std::process::ExitCode {
    api::serve(organizations::router())
}
