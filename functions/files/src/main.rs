//! The program of the function `files`.

fn main() -> std::process::ExitCode {
    api::serve(files::router())
}
