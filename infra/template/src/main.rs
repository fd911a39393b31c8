//! `make template`: prints template.yaml, made from `infra/aws/template.base.yaml` and a table of the functions.
//!
//! The table is `infra/aws/functions.toml`, or the file that the only argument names.

mod render;
mod table;

use std::process::ExitCode;

const TABLE: &str = include_str!("../../aws/functions.toml");

fn main() -> ExitCode {
    let printed = match std::env::args_os().nth(1) {
        None => template(TABLE),
        Some(path) => std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))
            .and_then(|table| template(&table)),
    };
    match printed {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("template: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn template(table: &str) -> Result<String, String> {
    render::render(&table::parse(table)?).map_err(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn template_yaml_is_current() {
        let current = include_str!("../../../template.yaml");
        // Not `assert_eq`, which would print both files.
        assert!(
            template(TABLE).unwrap() == current,
            "template.yaml is not current: run `make template`"
        );
    }
}
