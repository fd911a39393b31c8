//! `gateway version`

use std::fmt;

use serde::Serialize;

use super::failure::Result;
use super::output::Output;

/// What `gateway --version` prints after the program's name.
pub(super) fn text() -> String {
    CURRENT.to_string()
}

#[derive(Serialize)]
struct Version {
    version: &'static str,
    commit: Option<&'static str>,
}

const CURRENT: Version = Version {
    version: api::VERSION,
    commit: api::COMMIT,
};

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.version, self.commit.unwrap_or("(unknown commit)"))
    }
}

pub(super) fn run(output: Output) -> Result<()> {
    output.print(&CURRENT)
}
