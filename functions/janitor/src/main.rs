//! The program of the job `janitor`.

fn main() -> std::process::ExitCode {
    api::serve_schedule(&janitor::job())
}
