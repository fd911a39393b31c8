//! The program of the function `web`.

fn main() -> std::process::ExitCode {
    api::serve(web::router())
}
