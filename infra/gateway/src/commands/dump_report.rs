//! The result of an export or an import.

use std::collections::BTreeMap;
use std::fmt;

use domain::dump::Totals;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Report {
    /// The number of all entries.
    entries: u64,
    /// The number of entries by the first element of their key.
    spaces: BTreeMap<String, u64>,
}

impl From<Totals> for Report {
    fn from(totals: Totals) -> Self {
        let Totals { entries, spaces } = totals;
        Self { entries, spaces }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (space, count) in &self.spaces {
            writeln!(f, "{count:>12} {space}")?;
        }
        write!(f, "{:>12} entries", self.entries)
    }
}
