//! `make new-group NAME=notes`: adds the skeleton of an endpoint group to the workspace: a domain folder, a function
//! with one endpoint and its tests, and the row of the group in every list.
//!
//! New files come from `templates/`. Either every change applies, or none is written.

mod changes;
mod edit;
mod name;

use std::path::Path;
use std::process::ExitCode;

use changes::create;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const USAGE: &str = "usage: make new-group NAME=notes";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match &arguments[..] {
        [name] => create(Path::new(ROOT), name),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(files) => {
            for file in files {
                println!("{file}");
            }
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("new-group: {problem}");
            ExitCode::FAILURE
        }
    }
}
