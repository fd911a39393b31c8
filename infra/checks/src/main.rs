//! Checks the architecture rules that neither the compiler nor clippy knows: allowed dependencies, crates that one file
//! wraps, versions in one place, import cycles, line length.
//!
//! `make check` runs it from any folder of the workspace. Exit status: 0 without violations, 1 with an explanation of
//! each violation on standard error, 2 if the workspace cannot be read.

mod cycles;
mod layers;
mod lines;
mod manifests;
mod sources;
mod violation;
mod workspace;

use std::process::ExitCode;

use violation::Violation;
use workspace::Workspace;

fn main() -> ExitCode {
    let (packages, violations) = match check() {
        Ok(result) => result,
        Err(problem) => {
            eprintln!("checks: {problem}");
            return ExitCode::from(2);
        }
    };
    for violation in &violations {
        eprintln!("{violation}\n");
    }
    if violations.is_empty() {
        println!("checks: {packages} packages follow the architecture rules");
        ExitCode::SUCCESS
    } else {
        eprintln!("checks: {} violation(s) of the rules in infra/checks", violations.len());
        ExitCode::FAILURE
    }
}

/// The number of packages, and every violation.
fn check() -> Result<(usize, Vec<Violation>), String> {
    let workspace = Workspace::load()?;
    let mut violations = Vec::new();
    for member in &workspace.members {
        violations.extend(layers::check(member));
        violations.extend(manifests::check(member));
        violations.extend(sources::check(member));
        violations.extend(cycles::check(member));
    }
    for file in workspace.tracked_files()? {
        violations.extend(lines::check(&file));
    }
    Ok((workspace.members.len(), violations))
}
