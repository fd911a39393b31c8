//! What a command prints.

use std::fmt::Display;
use std::io;

use serde::Serialize;

use super::failure::Result;

/// The option `--json`, which every command with a result has.
#[derive(Clone, Copy, clap::Args)]
pub(crate) struct Output {
    /// Print the result as one JSON value
    #[arg(long)]
    json: bool,
}

impl Output {
    /// Prints `value` in the chosen form. Fails if standard output is closed.
    pub(crate) fn print<T: Serialize + Display>(self, value: &T) -> Result<()> {
        self.print_to(io::stdout(), value)
    }

    /// Writes `value` in the chosen form.
    pub(crate) fn print_to<T: Serialize + Display>(self, mut target: impl io::Write, value: &T) -> Result<()> {
        let text = if self.json {
            serde_json::to_string(value)?
        } else {
            value.to_string()
        };
        writeln!(target, "{text}")?;
        Ok(())
    }
}
