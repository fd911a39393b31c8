//! The program of the function `things`.

fn main() -> std::process::ExitCode {
    api::serve(things::router())
}
