//! `gateway check`

use std::collections::BTreeMap;
use std::fmt;

use domain::check::{Finding, Summary, check};
use serde::Serialize;

use super::failure::{Failure, Result};
use super::output::Output;
use super::progress::{Interval, Progress};

/// How many findings are printed by default.
const FINDINGS: usize = 100;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print at most this many findings
    #[arg(long, value_name = "COUNT", default_value_t = FINDINGS)]
    findings: usize,
    #[command(flatten)]
    interval: Interval,
    #[command(flatten)]
    output: Output,
}

/// The result of the command.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// The number of entries by the first element of their key.
    entries: BTreeMap<String, u64>,
    findings: u64,
    /// The first findings.
    first: Vec<Found>,
    /// Tenants whose counters changed all the time.
    unsettled: u64,
}

#[derive(Serialize)]
struct Found {
    key: String,
    problem: String,
}

impl From<Summary> for Report {
    fn from(summary: Summary) -> Self {
        let found = |Finding { key, problem }| Found { key, problem };
        Self {
            entries: summary.entries,
            findings: summary.count,
            first: summary.findings.into_iter().map(found).collect(),
            unsettled: summary.unsettled,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Found { key, problem } in &self.first {
            writeln!(f, "{key}: {problem}")?;
        }
        for (space, count) in &self.entries {
            writeln!(f, "{count:>12} {space}")?;
        }
        if self.unsettled > 0 {
            writeln!(
                f,
                "{:>12} tenants changed too fast to compare their counters",
                self.unsettled
            )?;
        }
        write!(f, "{:>12} findings", self.findings)
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let summary: Summary = api::command::on_existing_store(|env| async move {
        let mut progress = Progress::new("checked", arguments.interval);
        let show = |summary: &Summary| progress.show(summary.total());
        Ok::<_, Failure>(check(&env, arguments.findings, show).await?)
    })?;
    let report = Report::from(summary);
    arguments.output.print(&report)?;
    match report.findings {
        0 => Ok(()),
        count => Err(Failure(format!("the store violates its invariants in {count} places"))),
    }
}
