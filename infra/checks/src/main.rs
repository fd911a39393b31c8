//! The rules of the architecture that neither the compiler nor clippy can see: which package may depend on which, in which file
//! a crate may be named, where versions stand. `make check` runs it from anywhere inside the workspace; it exits with 1 and one
//! explanation per violation when a rule is broken.

mod layers;
mod manifests;
mod sources;
mod violation;
mod workspace;

use std::process::ExitCode;

use workspace::Workspace;

fn main() -> ExitCode {
    let workspace = match Workspace::load() {
        Ok(workspace) => workspace,
        Err(problem) => {
            eprintln!("checks: {problem}");
            return ExitCode::from(2);
        }
    };

    let mut violations = Vec::new();
    for member in &workspace.members {
        violations.extend(layers::check(member));
        violations.extend(manifests::check(member));
        violations.extend(sources::check(member));
    }

    for violation in &violations {
        eprintln!("{violation}\n");
    }
    if violations.is_empty() {
        let packages = workspace.members.len();
        println!("checks: {packages} packages keep to the architecture");
        ExitCode::SUCCESS
    } else {
        eprintln!("checks: {} violation(s) of the rules in infra/checks", violations.len());
        ExitCode::FAILURE
    }
}
