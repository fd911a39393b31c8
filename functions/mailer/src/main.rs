//! The program of the job `mailer`.

fn main() -> std::process::ExitCode {
    api::serve_schedule(&mailer::job())
}
