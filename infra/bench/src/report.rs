//! What was measured, as a table for people, as Markdown for the README, and as JSON.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::stats::Spread;

/// Where results and what is measured are kept.
pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench");

/// One row: what was measured, beside what it is held to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// Its name, by which a bound is found.
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: Spread,
    /// What it is held to.
    pub(crate) limit: &'static str,
    pub(crate) theirs: Spread,
    /// Ours to theirs.
    pub(crate) ratio: Spread,
    pub(crate) reach: Reach,
}

/// Where the ratio has to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Reach {
    AtMost(f64),
    AtLeast(f64),
    /// It is only told.
    Any,
}

impl Reach {
    pub(crate) fn holds(self, ratio: f64) -> bool {
        match self {
            Self::AtMost(bound) => ratio <= bound,
            Self::AtLeast(bound) => ratio >= bound,
            Self::Any => true,
        }
    }
}

impl std::fmt::Display for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(bound) => write!(f, "≤ {bound:.2}"),
            Self::AtLeast(bound) => write!(f, "≥ {bound:.2}"),
            Self::Any => Ok(()),
        }
    }
}

impl Row {
    /// Measured round by round beside `theirs`.
    pub(crate) fn paired(
        what: impl Into<String>,
        unit: &'static str,
        ours: &[f64],
        (limit, theirs): (&'static str, &[f64]),
        reach: Reach,
    ) -> Self {
        Self {
            what: what.into(),
            unit,
            ours: Spread::of(ours.iter().copied()),
            limit,
            theirs: Spread::of(theirs.iter().copied()),
            ratio: Spread::ratio(ours, theirs),
            reach,
        }
    }

    /// One number beside another.
    pub(crate) fn exact(
        what: impl Into<String>,
        unit: &'static str,
        ours: f64,
        (limit, theirs): (&'static str, f64),
        reach: Reach,
    ) -> Self {
        Self::paired(what, unit, &[ours], (limit, &[theirs]), reach)
    }

    pub(crate) fn is_met(&self) -> bool {
        self.reach.holds(self.ratio.median)
    }

    fn verdict(&self) -> &'static str {
        match self.reach {
            Reach::Any => "",
            _ if self.is_met() => "yes",
            _ => "NO",
        }
    }
}

/// Everything of one run.
#[derive(Serialize)]
pub(crate) struct Report {
    machine: Machine,
    rows: Vec<Row>,
}

/// Where it was measured: without it, no number says anything.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Machine {
    processor: String,
    cores: usize,
    memory_gib: u64,
    kernel: String,
    rustc: String,
    date: String,
}

impl Machine {
    fn here() -> Self {
        let read = |file| std::fs::read_to_string(file).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split_once(':'));
            value.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let memory_kib: u64 = memory
            .split(' ')
            .next()
            .and_then(|number| number.parse().ok())
            .unwrap_or(0);
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name"),
            cores: cores(),
            memory_gib: memory_kib.div_ceil(1 << 20),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            rustc: told("rustc", &["--version"]),
            date: told("date", &["-u", "+%F"]),
        }
    }

    fn describe(&self) -> String {
        let Self {
            processor,
            cores,
            memory_gib,
            kernel,
            rustc,
            date,
        } = self;
        format!("{processor}, {cores} cores, {memory_gib} GiB, Linux {kernel}, {rustc}, {date}")
    }
}

/// How many threads can run at once.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn told(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

impl Report {
    pub(crate) fn of(rows: Vec<Row>) -> Self {
        Self {
            machine: Machine::here(),
            rows,
        }
    }

    /// Writes it as `NAME.json` and `NAME.md`.
    pub(crate) fn write(&self, name: &str) -> std::io::Result<()> {
        let folder = Path::new(FOLDER);
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join(format!("{name}.json")), serde_json::to_vec_pretty(self)?)?;
        std::fs::write(folder.join(format!("{name}.md")), self.markdown())
    }

    fn markdown(&self) -> String {
        let mut text = format!(
            "Measured on {}. Medians; in brackets the quartiles of the ratio.\n\n\
             | what | measured | held to | | ratio | reach | met |\n| --- | --- | --- | --- | --- | --- | --- |\n",
            self.machine.describe()
        );
        for row in &self.rows {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} |",
                row.what,
                number(row.ours.median, row.unit),
                row.limit,
                number(row.theirs.median, row.unit),
                ratio(&row.ratio),
                row.reach,
                row.verdict(),
            );
        }
        text
    }
}

/// A row as it is printed while the others are still being measured.
pub(crate) fn print(row: &Row) {
    println!(
        "{:<58} {:>14} {:>14}  {:<24} {:<9} {:<4} ({})",
        row.what,
        number(row.ours.median, row.unit),
        number(row.theirs.median, row.unit),
        ratio(&row.ratio),
        row.reach.to_string(),
        row.verdict(),
        row.limit,
    );
}

fn ratio(spread: &Spread) -> String {
    if spread.of == 1 {
        format!("{:.2}", spread.median)
    } else {
        format!("{:.2} [{:.2}, {:.2}]", spread.median, spread.low, spread.high)
    }
}

fn number(value: f64, unit: &str) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 || value.fract() == 0.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$} {unit}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: f64, reach: Reach) -> Row {
        Row::exact("a thing", "ms", ours, ("another", 2.0), reach)
    }

    #[test]
    fn a_row_is_met_on_the_side_of_its_bound() {
        assert!(row(4.0, Reach::AtMost(2.0)).is_met());
        assert!(!row(4.1, Reach::AtMost(2.0)).is_met());
        assert!(row(4.0, Reach::AtLeast(2.0)).is_met());
        assert!(!row(3.9, Reach::AtLeast(2.0)).is_met());
    }

    #[test]
    fn the_table_says_what_was_missed() {
        let rows = vec![row(5.0, Reach::AtMost(2.0)), row(3.0, Reach::AtMost(2.0))];
        let text = Report::of(rows).markdown();
        assert!(
            text.contains("| a thing | 5 ms | another | 2 ms | 2.50 | ≤ 2.00 | NO |"),
            "{text}"
        );
        assert!(
            text.contains("| a thing | 3 ms | another | 2 ms | 1.50 | ≤ 2.00 | yes |"),
            "{text}"
        );
    }
}
