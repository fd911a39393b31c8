//! The `janitor` function.

fn main() -> std::process::ExitCode {
    api::serve_schedule(&janitor::job())
}
